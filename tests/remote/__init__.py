"""Tests of clavel_tui.remote."""
