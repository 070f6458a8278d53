"""Tests of clavel_tui.history."""
