"""The fleet's Sources: those of fleet.toml, or the flake that stands beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from clavel_tui.domain.source import Source, Trigger
from clavel_tui.inventory.schema import SourceTable

_PATH = re.compile(r"^(?:path:)?(?P<path>(?:\.{0,2}/|\.{1,2}$)[^?#]*|\.{1,2}(?=\?))(?P<rest>\?.*)?$")


def sources(root: Path, said: Mapping[str, SourceTable]) -> tuple[Source, ...]:
    """Every one that is said, its path made absolute; where none is said, the flake of the repository if it has one."""
    if said:
        return tuple(_source(name, table, root) for name, table in sorted(said.items()))
    for folder in (root.parent, root, root.parent / "nix"):
        if (folder / "flake.nix").is_file():
            return (Source(name="fleet", url=str(folder.resolve())),)
    return ()


def _source(name: str, table: SourceTable, root: Path) -> Source:
    return Source(name=name, url=absolute(table.url, root), on=Trigger(table.on), every_minutes=table.every_minutes)


def absolute(url: str, base: Path) -> str:
    """A flake reference as it means the same from everywhere; whatever is no path stays as it is."""
    match = _PATH.match(url)
    if not match:
        return url
    kind = "path:" if url.startswith("path:") else ""
    return f"{kind}{(base / match['path']).resolve()}{match['rest'] or ''}"
