"""Tests of clavel_tui.store."""
