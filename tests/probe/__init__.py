"""Tests of clavel_tui.probe."""
