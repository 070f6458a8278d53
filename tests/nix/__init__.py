"""Tests of clavel_tui.nix."""
