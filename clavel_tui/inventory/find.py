"""Where the fleet's files are: said by ``--fleet``, by the environment, or found upward from the current folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from clavel_tui.domain.errors import InventoryError, Problem

VARIABLE = "CLAVEL_FLEET"


def find_root(said: str | None, environ: Mapping[str, str], here: Path) -> Path:
    """The folder that holds fleet.toml.

    Raises:
        InventoryError: there is none where it was said to be, or none upward from ``here``.
    """
    if said:
        return _must_be(Path(said), "--fleet")
    if environ.get(VARIABLE):
        return _must_be(Path(environ[VARIABLE]), VARIABLE)
    for folder in (here, *here.parents):
        for root in (folder, folder / "hosts"):
            if _is_fleet(root):
                return root
    right = f"no fleet.toml here, nor hosts/fleet.toml in any folder above: write one, or say where with --fleet or ${VARIABLE}"
    raise InventoryError([Problem(str(here), "", None, right)])


def _must_be(folder: Path, said_by: str) -> Path:
    root = folder.parent if folder.name == "fleet.toml" else folder
    for candidate in (root, root / "hosts"):
        if _is_fleet(candidate):
            return candidate.resolve()
    raise InventoryError([Problem(said_by, "", str(folder), "there is no fleet.toml in that folder that could be read")])


def _is_fleet(folder: Path) -> bool:
    """Whether its file is there; another user's closed folder on the way up is none of ours."""
    try:
        return (folder / "fleet.toml").is_file()
    except OSError:
        return False
