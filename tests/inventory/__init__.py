"""Tests of clavel_tui.inventory."""
