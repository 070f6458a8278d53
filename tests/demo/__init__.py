"""Tests of clavel_tui.demo."""
