"""What of the bus's log was carried out in this database: each record once, together with its stamp."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from clavel_tui.domain.errors import MovedError, RefusedError
from clavel_tui.store import Connection, Database

TABLES = {
    "deployments": "id",
    "evaluations": "seq",
    "refs": "name",
    "ref_moves": "seq",
    "pins": "name",
    "agents": "name",
    "tokens": "hash",
    "reports": "seq",
    "good": "name || deployment",
    "sources": "name",
    "kept_sources": "name",
}
"""What a claveld that joins has to know, in an order in which nothing points to what is not there yet; with their keys."""
_MOVED = "moved: "


class Applied:
    """The stamps of one database. While a record is carried out, ``database`` stamps what is written for it."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._now: tuple[int, str, int, str] | None = None
        self.at = 0.0
        """When the record that is carried out was written."""
        self.stamping = database.with_each(self._stamp)

    async def cursor(self) -> int:
        """The number of the newest record that was carried out here."""
        return int(await self._db.value("SELECT max(seq) FROM applied") or 0)

    async def refused(self, ident: str) -> RefusedError | None:
        """Why that record changed nothing; None where it did."""
        said = str(await self._db.value("SELECT refused FROM applied WHERE id = ?", (ident,)) or "")
        if not said:
            return None
        text, _, hint = said.removeprefix(_MOVED).partition("\n")
        return MovedError(text, hint) if said.startswith(_MOVED) else RefusedError(text, hint)

    async def is_known(self, ident: str) -> bool:
        """It was carried out already, whatever number it had."""
        return bool(await self._db.value("SELECT 1 FROM applied WHERE id = ?", (ident,)))

    @asynccontextmanager
    async def record(self, seq: int, ident: str, at: float, source: str = "", basis: int = 0) -> AsyncIterator[Database]:
        """What is written to the database that it yields, in one transaction, is stamped; what is refused, is stamped alone.

        ``source``: of an evaluation that knew of the log up to ``basis``.
        """
        self._now, self.at = (seq, ident, basis, source), at
        try:
            yield self.stamping
        except RefusedError as error:
            moved = _MOVED if isinstance(error, MovedError) else ""
            self._now = (seq, ident, basis, "")
            async with self._db.transaction() as write:
                await self._stamp(write)
                await write.execute("UPDATE applied SET refused = ? WHERE id = ?", (f"{moved}{error.text}\n{error.hint}", ident))
        finally:
            self._now = None

    async def pass_over(self, seq: int) -> None:
        """A record that had come before, under another number."""
        async with self._db.transaction() as write:
            await write.execute("INSERT OR IGNORE INTO applied VALUES (?,?,'')", (seq, f"again {seq}"))

    async def _stamp(self, write: Connection) -> None:
        """Another process that carries out the same log may have been faster: then nothing is written, by its key."""
        if self._now is None:
            raise RuntimeError("nothing of the log is carried out now")
        seq, ident, basis, source = self._now
        if await _one(write, "SELECT max(seq) FROM applied", ()) >= seq:
            raise DoneError
        await write.execute("INSERT INTO applied (seq, id) VALUES (?,?)", (seq, ident))
        if source:
            if await _one(write, "SELECT max(seq) FROM applied_evaluations WHERE source = ?", (source,)) > basis:
                raise RefusedError(f"another claveld has evaluated {source} meanwhile", "it is evaluated again by itself")
            await write.execute(
                "INSERT INTO applied_evaluations VALUES (?,?) ON CONFLICT (source) DO UPDATE SET seq=excluded.seq", (source, seq)
            )

    # ---- beginning

    async def said(self, key: str) -> str:
        """What stands under a key: which log it is, say."""
        return str(await self._db.value("SELECT value FROM bus WHERE key = ?", (key,)) or "")

    async def say(self, key: str, value: str) -> None:
        """Keeps it."""
        async with self._db.transaction() as write:
            await write.execute("INSERT INTO bus VALUES (?,?) ON CONFLICT (key) DO UPDATE SET value=excluded.value", (key, value))

    async def begin_at(self, log: str, seq: int) -> None:
        """That log is followed from that number on; whatever was followed before is forgotten."""
        async with self._db.transaction() as write:
            await write.execute("DELETE FROM applied")
            await write.execute("INSERT INTO applied (seq, id) VALUES (?,?)", (seq, f"the end of {log}"))
            await write.execute("INSERT INTO bus VALUES ('log',?) ON CONFLICT (key) DO UPDATE SET value=excluded.value", (log,))

    async def forget(self) -> None:
        """Which log was followed, and how far."""
        async with self._db.transaction() as write:
            for table in ("applied", "applied_evaluations", "bus"):
                await write.execute(f"DELETE FROM {table}")  # noqa: S608  our own names

    async def has_a_past(self) -> bool:
        """Something that another claveld would have to know was written before there was a log."""
        tables = ("deployments", "agents", "tokens", "kept_sources")
        return any([await self._db.value(f"SELECT 1 FROM {table} LIMIT 1") for table in tables])  # noqa: S608  our own names

    async def rows(self, table: str, after: int, limit: int) -> tuple[list[str], list[Sequence[Any]]]:
        """Columns and rows of one of ``TABLES``."""
        columns = [str(row[1]) for row in await self._db.rows(f"PRAGMA table_info({table})")]
        sql = f"SELECT {', '.join(columns)} FROM {table} ORDER BY {TABLES[table]} LIMIT ? OFFSET ?"  # noqa: S608  our own names
        return columns, await self._db.rows(sql, (limit, after))

    async def seed(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Takes them over; one that is there stays as it is.

        Raises:
            RefusedError: this is no table, or has no such columns.
        """
        known = [str(row[1]) for row in await self._db.rows(f"PRAGMA table_info({table})")] if table in TABLES else []
        if not {*columns} <= {*known}:
            raise RefusedError(f"the log has rows of {table}, which are not understood")
        names = ", ".join(columns)
        given = ", ".join(f"? AS {name}" for name in columns)
        key = TABLES[table]
        sql = f"INSERT INTO {table} ({names}) SELECT {names} FROM (SELECT {given}) WHERE {key} NOT IN (SELECT {key} FROM {table})"  # noqa: S608  our own names
        async with self.stamping.transaction() as write:
            await write.executemany(sql, [tuple(row) for row in rows])
            if key == "seq":  # the next number is the same for all, also where some were given out and not kept
                highest = f"(SELECT max(seq) FROM {table})"  # noqa: S608  our own names
                await write.execute(f"UPDATE sqlite_sequence SET seq = {highest} WHERE name = ?", (table,))  # noqa: S608


class DoneError(Exception):
    """Another process has carried that record out."""


async def _one(write: Connection, sql: str, values: Sequence[Any]) -> int:
    rows = list(await write.execute_fetchall(sql, values))
    return int(rows[0][0] or 0)
