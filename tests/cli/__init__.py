"""Tests of clavel_tui.cli."""
