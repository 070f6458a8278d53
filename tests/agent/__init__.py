"""Tests of clavel_tui.agent."""
