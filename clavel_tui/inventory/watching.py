"""Waits until a Source's folder changes: its files, or the revision that is checked out."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

POLL_S = 60.0
"""Between two looks at a source that is no folder of this machine."""
_FLEETS = {".toml", ".yaml", ".yml"}
_GIT = {"HEAD", "packed-refs"}


async def source_changes(url: str, every_s: float = 0) -> AsyncIterator[None]:
    """Yields after each change, a burst of them once; for a source elsewhere every minute, or so often."""
    folder = local_folder(url)
    if folder is None:
        while True:
            await asyncio.sleep(every_s or POLL_S)
            yield
    from watchfiles import awatch

    async for _ in awatch(folder, watch_filter=lambda _change, path: matters(Path(path), folder), debounce=400, step=100):
        yield


async def fleet_changes(root: Path) -> AsyncIterator[None]:
    """Yields after each change that may be one of the fleet, a burst of them once: folders make units and stacks, too."""
    from watchfiles import awatch

    async for _ in awatch(root, watch_filter=lambda _change, path: _may_be_the_fleets(Path(path)), debounce=400, step=100):
        yield


def _may_be_the_fleets(path: Path) -> bool:
    """What else is written there, a database beside the files say, is no reason to read all of them."""
    return ".git" not in path.parts and (path.suffix in _FLEETS or not path.is_file())


def local_folder(url: str) -> Path | None:
    """The folder that a flake reference means, if it is one of this machine; for one inside a repository, the repository's."""
    match = re.match(r"^(?:path:|git\+file://)?(/[^?#]*)", url)
    folder = Path(match[1]) if match else None
    if folder is None or not folder.is_dir():
        return None
    return next((above for above in (folder, *folder.parents) if (above / ".git").exists()), folder)


def matters(path: Path, folder: Path) -> bool:
    """Git's own files change all the time; only what is checked out counts."""
    parts = path.relative_to(folder).parts if path.is_relative_to(folder) else path.parts
    if ".git" not in parts:
        return not path.name.startswith((".#", "4913")) and not path.name.endswith(("~", ".swp", ".swx"))
    inside = parts[parts.index(".git") + 1 :]
    return bool(inside) and (inside[0] in _GIT or inside[:2] == ("refs", "heads")) and not path.name.endswith(".lock")
