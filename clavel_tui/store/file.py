"""The file itself: whether it is ours and whole, looked at before SQLite may touch it; and its numbered migrations."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import aiosqlite

APPLICATION_ID = 0x434C5654  # "CLVT": so that another program's database is never taken for ours
_HEADER = b"SQLite format 3\0"
_MARKS = ("PRAGMA user_version", "PRAGMA application_id", "SELECT count(*) FROM sqlite_master")


class StoreError(Exception):
    """The file cannot be used. It was not altered."""

    def __init__(self, text: str, hint: str) -> None:
        super().__init__(text)
        self.text = text
        self.hint = hint


@dataclass(frozen=True)
class Migration:
    """One numbered step. Its statements and the new number are committed together or not at all."""

    number: int
    statements: tuple[str, ...]


def check_file(path: Path, newest: int, named: Path | None = None) -> None:
    """Looks at the bytes before SQLite does: opening is already altering where a journal has to be replayed.

    ``named``: what to call it, where ``path`` is only its copy.

    Raises:
        StoreError: corrupt, another program's, or of a newer version.
    """
    name = named or path
    try:
        header = path.open("rb").read(100) if path.exists() else b""
    except OSError as error:
        raise StoreError(f"the database {name} cannot be read: {error.strerror}", "name another file with --db") from error
    if not header:
        return
    if not header.startswith(_HEADER):
        raise StoreError(
            f"{name} is not a database of ours, or is corrupt; it was left as it is",
            "move it away, or name another file with --db",
        )
    version, application = _marks(path, name)
    if application != APPLICATION_ID:
        raise StoreError(f"{name} belongs to another program; it was left as it is", "name another file with --db")
    if version > newest:
        raise StoreError(
            f"{name} was written by a newer clavel-tui (its version is {version}, ours {newest}); it was left as it is",
            "update clavel-tui, or name another file with --db",
        )


def _marks(path: Path, name: Path) -> tuple[int, int]:
    """Version and application of a file that is whole. SQLite is asked: the newest ones may still stand in its log only."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            connection.execute("BEGIN")  # one moment of it: another one may be making its tables
            version, application, tables = (connection.execute(question).fetchone()[0] for question in _MARKS)
    except sqlite3.OperationalError as error:
        raise StoreError(
            f"the database {name} cannot be opened: {error}", "make room or rights there, or name another file with --db"
        ) from error
    except sqlite3.Error as error:
        found = str(error)
    if found != "ok":
        raise StoreError(
            f"{name} is corrupt ({found}); it was left as it is",
            "restore it, move it away, or name another file with --db",
        )
    return version, application if tables else APPLICATION_ID


async def migrate(connection: aiosqlite.Connection, migrations: Sequence[Migration]) -> None:
    """Brings an open database to the newest migration, step by step."""
    for migration in migrations:
        await connection.execute("BEGIN IMMEDIATE")
        try:
            rows = list(await connection.execute_fetchall("PRAGMA user_version"))
            if rows[0][0] < migration.number:
                for statement in migration.statements:
                    await connection.execute(statement)
                await connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
                await connection.execute(f"PRAGMA user_version={migration.number}")
        except BaseException:
            await connection.execute("ROLLBACK")
            raise
        await connection.execute("COMMIT")
