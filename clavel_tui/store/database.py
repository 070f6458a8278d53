"""One SQLite file, written by several consoles at once, migrated step by step, and refused rather than altered."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from clavel_tui.store.copy import copied, is_writable
from clavel_tui.store.file import Migration, StoreError, check_file, migrate

if TYPE_CHECKING:
    import aiosqlite

    Connection: TypeAlias = aiosqlite.Connection
else:
    Connection = object

_BUSY_S = 10.0
_AGAIN_S = 0.02
Row = Sequence[Any]


async def _use_log(connection: Connection) -> None:
    """Turns on the write-ahead log. SQLite waits for nobody there: where another one does so just now, it fails at once."""
    until = time.monotonic() + _BUSY_S
    while True:
        try:
            await connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            await asyncio.sleep(_AGAIN_S)
        else:
            return


class Database:
    """An open database. All writing goes through ``transaction``."""

    def __init__(self, connection: aiosqlite.Connection, reader: aiosqlite.Connection | None = None) -> None:
        """``reader``: a second connection to the same file: what is written and not committed yet is nobody's to read."""
        self._connection = connection
        self._reader = reader or connection
        self._writing = asyncio.Lock()
        self._also: Callable[[Connection], Awaitable[None]] | None = None

    @classmethod
    async def open(cls, path: Path, migrations: Sequence[Migration], *, else_copy: bool = False) -> Database:
        """Opens the file, makes it if there is none, and brings it to the newest migration.

        With ``else_copy`` a file that cannot be written is read into memory instead: what is written then goes with us.

        Raises:
            StoreError: corrupt, another program's, of a newer version, or not writable.
        """
        import aiosqlite

        newest = migrations[-1].number
        if else_copy and not await asyncio.to_thread(is_writable, path):
            return cls(await copied(path, migrations))
        await asyncio.to_thread(check_file, path, newest)
        async with contextlib.AsyncExitStack() as until_open:
            try:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # what is in it is nobody else's
                connection, reader = (aiosqlite.connect(path, isolation_level=None, timeout=_BUSY_S) for _ in range(2))
                await until_open.enter_async_context(connection)
                await until_open.enter_async_context(reader)
            except (OSError, sqlite3.Error) as error:
                raise StoreError(f"the database {path} cannot be opened: {error}", "name another file with --db") from error
            try:
                await _use_log(connection)
                # FULL: an intent that was lost with the workstation's power would not be an intent before the effect.
                for pragma in ("synchronous=FULL", "foreign_keys=ON"):
                    await connection.execute(f"PRAGMA {pragma}")
                await migrate(connection, migrations)
                await reader.execute("PRAGMA query_only=ON")
            except sqlite3.Error as error:
                raise StoreError(
                    f"the database {path} cannot be written: {error}",
                    "make room or rights there, or name another file with --db",
                ) from error
            until_open.pop_all()
        return cls(connection, reader)

    def with_each(self, also: Callable[[Connection], Awaitable[None]]) -> Database:
        """The same database, all of whose transactions begin with ``also``: it is kept together with what follows, or not."""
        same = copy.copy(self)
        same._also = also  # noqa: SLF001  ourselves
        return same

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """All or nothing; committed to the disk when the block ends.

        Raises:
            StoreError: it could not be committed (a full disk); nothing of it was kept.
        """
        async with self._writing:
            try:
                await self._begin()
                try:
                    if self._also:
                        await self._also(self._connection)
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
        """All rows of a query, of what is committed.

        Raises:
            StoreError: it could not be read.
        """
        try:
            return [tuple(row) for row in await self._reader.execute_fetchall(sql, tuple(values))]
        except sqlite3.Error as error:
            raise StoreError(f"the journal cannot be read: {error}", "look at this machine's disk") from error

    async def value(self, sql: str, values: Iterable[Any] = ()) -> Any:  # noqa: ANN401  a column may hold anything
        """The first column of the first row, or None."""
        rows = await self.rows(sql, values)
        return rows[0][0] if rows else None

    async def close(self) -> None:
        """Closes the file. Both, also when we are cancelled in between: the thread of one left open would keep the process."""
        try:
            if self._reader is not self._connection:
                await self._reader.close()
        finally:
            await self._connection.close()
