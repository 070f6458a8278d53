"""What runs on the far side: POSIX sh as package data. The console, the agent and nix/ use the very same files."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def script(name: str) -> str:
    """The text of one script of this folder, such as ``job.sh`` or ``probe/host.sh``."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
