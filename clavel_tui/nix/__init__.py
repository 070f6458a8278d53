"""Nix on the workstation: what a flake reference means now, and what it says of the fleet's units. Never builds."""

from clavel_tui.nix.evaluator import Evaluator, NixError

__all__ = ["Evaluator", "NixError"]
