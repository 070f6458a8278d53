"""One SQLite file, written by several consoles at once, migrated step by step, and refused rather than altered."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import aiosqlite

APPLICATION_ID = 0x434C5654  # "CLVT": so that another program's database is never taken for ours
_BUSY_MS = 10_000
_HEADER = b"SQLite format 3\0"
_MARKS = ("PRAGMA user_version", "PRAGMA application_id", "SELECT count(*) FROM sqlite_master")
Row = Sequence[Any]


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


class Database:
    """An open database. All writing goes through ``transaction``."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._writing = asyncio.Lock()

    @classmethod
    async def open(cls, path: Path, migrations: Sequence[Migration]) -> Database:
        """Opens the file, makes it if there is none, and brings it to the newest migration.

        Raises:
            StoreError: corrupt, another program's, of a newer version, or not writable.
        """
        import aiosqlite

        newest = migrations[-1].number
        await asyncio.to_thread(_check_file, path, newest)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            connection = await aiosqlite.connect(path, isolation_level=None, timeout=_BUSY_MS / 1000)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"the database {path} cannot be opened: {error}", "name another file with --db") from error
        try:
            # FULL: an intent that was lost with the workstation's power would not be an intent before the effect.
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={_BUSY_MS}"):
                await connection.execute(f"PRAGMA {pragma}")
            await _migrate(connection, migrations)
        except sqlite3.Error as error:
            await connection.close()
            raise StoreError(
                f"the database {path} cannot be written: {error}",
                "make room or rights there, or name another file with --db",
            ) from error
        return cls(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[aiosqlite.Connection]:
        """All or nothing; committed to the disk when the block ends.

        Raises:
            StoreError: it could not be committed (a full disk); nothing of it was kept.
        """
        async with self._writing:
            try:
                await self._begin()
                try:
                    yield self._connection
                except BaseException:
                    # A full disk has ended the transaction already.
                    if self._connection.in_transaction:
                        await self._connection.execute("ROLLBACK")
                    raise
                await self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                if self._connection.in_transaction:
                    await self._connection.execute("ROLLBACK")
                raise StoreError(f"the journal cannot be written: {error}", "make room on this machine's disk") from error

    async def _begin(self) -> None:
        try:
            await self._connection.execute("BEGIN IMMEDIATE")
        except asyncio.CancelledError:
            # SQLite's own thread runs it all the same: left open, it would make the next writer fail.
            with contextlib.suppress(sqlite3.Error):
                await self._connection.execute("ROLLBACK")
            raise

    async def rows(self, sql: str, values: Iterable[Any] = ()) -> list[Row]:
        """All rows of a query."""
        return [tuple(row) for row in await self._connection.execute_fetchall(sql, tuple(values))]

    async def value(self, sql: str, values: Iterable[Any] = ()) -> Any:  # noqa: ANN401  a column may hold anything
        """The first column of the first row, or None."""
        rows = await self.rows(sql, values)
        return rows[0][0] if rows else None

    async def close(self) -> None:
        """Closes the file."""
        await self._connection.close()


def _check_file(path: Path, newest: int) -> None:
    """Looks at the bytes before SQLite does: opening is already altering where a journal has to be replayed."""
    try:
        header = path.open("rb").read(100) if path.exists() else b""
    except OSError as error:
        raise StoreError(f"the database {path} cannot be read: {error.strerror}", "name another file with --db") from error
    if not header:
        return
    if not header.startswith(_HEADER):
        raise StoreError(
            f"{path} is not a database of ours, or is corrupt; it was left as it is",
            "move it away, or name another file with --db",
        )
    version, application = _marks(path)
    if application != APPLICATION_ID:
        raise StoreError(f"{path} belongs to another program; it was left as it is", "name another file with --db")
    if version > newest:
        raise StoreError(
            f"{path} was written by a newer clavel-tui (its version is {version}, ours {newest}); it was left as it is",
            "update clavel-tui, or name another file with --db",
        )


def _marks(path: Path) -> tuple[int, int]:
    """Version and application of a file that is whole. SQLite is asked: the newest ones may still stand in its log only."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            version, application, tables = (connection.execute(question).fetchone()[0] for question in _MARKS)
    except sqlite3.OperationalError as error:
        raise StoreError(
            f"the database {path} cannot be opened: {error}", "make room or rights there, or name another file with --db"
        ) from error
    except sqlite3.Error as error:
        found = str(error)
    if found != "ok":
        raise StoreError(
            f"{path} is corrupt ({found}); it was left as it is",
            "restore it, move it away, or name another file with --db",
        )
    return version, application if tables else APPLICATION_ID


async def _migrate(connection: aiosqlite.Connection, migrations: Sequence[Migration]) -> None:
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
