"""The workstation as a place where Nix runs."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import PurePath

from clavel_tui.remote.target import LOCAL, Target


def workstation(**environment: str) -> Target:
    """With the user's own PATH: Nix may be installed for him alone, and it starts his git and his ssh."""
    tools = tuple(filter(None, os.environ.get("PATH", "").split(":")))
    return Target("workstation", LOCAL, tools=tools, environment=tuple(environment.items()))


def nix_store(program: str) -> str:
    """The program that stands beside ``nix`` in every installation."""
    return str(PurePath(program).with_name("nix-store")) if "/" in program else "nix-store"


def text(name: str) -> str:
    """One script of this folder."""
    return resources.files("clavel_tui.nix").joinpath(name).read_text(encoding="utf-8")
