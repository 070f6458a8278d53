"""Tests of clavel_tui.domain."""
