"""What runs here, read off the machine itself: a store path that runs is nobody's opinion."""

from __future__ import annotations

from pathlib import Path

from clavel_tui.agent.deciding import Runs

SYSTEM = "run/current-system"
STACKS = "etc/clavel/stacks"
"""In a system: a folder for each stack that it brings along, as `services.clavel-agent.stacks` writes it."""


def runs(root: Path) -> Runs:
    """The system that runs, and the one that comes up at the next boot."""
    return Runs(*(_store_path(root, root / link) for link in (SYSTEM, "nix/var/nix/profiles/system")))


def brought(root: Path) -> dict[str, str]:
    """The store path of each stack's folder, by the stack's name, as the running system brings them along."""
    try:
        found = sorted((root / SYSTEM / STACKS).iterdir())
    except OSError:
        return {}
    return {folder.name: path for folder in found if (path := _store_path(root, folder))}


def _store_path(root: Path, link: Path) -> str:
    """Where a link ends, as the machine itself calls it; empty where it leads nowhere."""
    try:
        found = link.resolve(strict=True)
    except (OSError, RuntimeError):
        return ""
    return f"/{found.relative_to(root)}" if found.is_relative_to(root) else ""
