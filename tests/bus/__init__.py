"""Tests of clavel_tui.bus that need no server; those with one are in tests/lab/test_bus.py."""
