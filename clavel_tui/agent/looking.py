"""What runs here, read off the machine itself: a store path that runs is nobody's opinion."""

from __future__ import annotations

from pathlib import Path

from clavel_tui.agent.deciding import Runs
from clavel_tui.domain.unit import BROUGHT, Unit
from clavel_tui.inventory import files_sum, stack_files


def runs(unit: Unit, root: Path) -> Runs:
    """What runs, and what it comes up with."""
    return Runs(_store_path(root, unit.running_below(root)), _store_path(root, root / unit.profile[1:]))


def brought(unit: Unit, root: Path) -> dict[str, str]:
    """The store path of each stack's folder, by the stack's name, as what runs brings them along."""
    try:
        found = sorted((unit.running_below(root) / BROUGHT).iterdir())
    except OSError:
        return {}
    return {folder.name: path for folder in found if folder.is_dir() and (path := _store_path(root, folder))}


def files_of(folder: str, root: Path) -> str:
    """The sum of a stack's files: one that comes in another closure, unchanged, is no other stack.

    Raises:
        RefusedError: these cannot be the files of a stack.
    """
    return files_sum(stack_files(root / folder[1:]))


def _store_path(root: Path, link: Path) -> str:
    """Where a link ends, as the machine itself calls it; empty where it leads nowhere."""
    try:
        found = link.resolve(strict=True)
    except (OSError, RuntimeError):
        return ""
    return f"/{found.relative_to(root)}" if found.is_relative_to(root) else ""
