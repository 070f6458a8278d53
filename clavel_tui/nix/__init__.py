"""Nix on the workstation: what a flake reference means now, and what it says of the fleet's units; builds and copies."""

from clavel_tui.nix.evaluator import Evaluator, NixError
from clavel_tui.nix.workshop import Workshop

__all__ = ["Evaluator", "NixError", "Workshop"]
