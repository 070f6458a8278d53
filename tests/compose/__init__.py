"""Tests of clavel_tui.compose."""
