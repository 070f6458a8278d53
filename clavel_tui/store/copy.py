"""A database that cannot be written is read from a copy in memory: a shared box's journal may belong to somebody else."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clavel_tui.store.file import Migration, StoreError, check_file, migrate

if TYPE_CHECKING:
    import aiosqlite

_LOG = "-wal"
TRIES = 20


def is_writable(path: Path) -> bool:
    """Whether SQLite could write it: the file, its folder, and what its write-ahead log needs there."""
    if path.exists():
        beside = [path.with_name(path.name + tail) for tail in (_LOG, "-shm")]
        return all(os.access(p, os.W_OK) for p in (path, path.parent, *(p for p in beside if p.exists())))
    folder = next(p for p in path.absolute().parents if p.exists())
    return os.access(folder, os.W_OK)


async def copied(path: Path, migrations: Sequence[Migration]) -> aiosqlite.Connection:
    """All that the file holds, with what still stands in its write-ahead log only, in memory.

    Raises:
        StoreError: corrupt, another program's, of a newer version, or not readable.
    """
    import aiosqlite

    connection = await aiosqlite.connect(":memory:", isolation_level=None)
    try:
        with tempfile.TemporaryDirectory(prefix="clavel-tui-") as folder:
            if copy := await asyncio.to_thread(_copy, path, Path(folder), migrations[-1].number):
                async with aiosqlite.connect(copy) as source:
                    await source.backup(connection)
        await migrate(connection, migrations)
    except (OSError, sqlite3.Error) as error:
        await connection.close()
        raise StoreError(f"the database {path} cannot be read: {error}", "name another file with --db") from error
    except BaseException:
        await connection.close()
        raise
    return connection


def _marks(path: Path) -> dict[str, tuple[int, int]]:
    """When the file and its log were last written, and how long they are."""
    files = {tail: path.with_name(path.name + tail) for tail in ("", _LOG)}
    found = {tail: file.stat() for tail, file in files.items() if file.exists()}
    return {tail: (stat.st_mtime_ns, stat.st_size) for tail, stat in found.items()}


def _copy(path: Path, folder: Path, newest: int) -> Path | None:
    """SQLite replays the log by writing, so it is given copies of both files. None where there is no database."""
    if not path.exists():
        return None
    copy = folder / "journal.db"
    for _ in range(TRIES):  # one that was written meanwhile may be torn between the two files
        before = _marks(path)
        for tail in before:
            shutil.copyfile(path.with_name(path.name + tail), copy.with_name(copy.name + tail))
        if before == _marks(path):
            break
    check_file(copy, newest, path)
    return copy
