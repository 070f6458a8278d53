"""Writing and reading the journal. Every write is one transaction, committed before it is told to anybody."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from clavel_tui.domain import limits
from clavel_tui.domain.facts import Facts
from clavel_tui.domain.operation import Event, Operation, State
from clavel_tui.domain.rollout import Rollout
from clavel_tui.domain.text import clean
from clavel_tui.store import Connection, Database

Note = tuple[str, str, str, str]
"""(kind, operation, unit, text) of an event that is to be written."""


GATHER_S = 0.02
"""Between two transactions of facts: those of two hundred units that answer at once go into a few."""


@dataclass
class _Looks:
    """Facts that wait for one transaction, as rows of their table, and whether it was committed."""

    rows: list[tuple[str, float, str, str | None]] = field(default_factory=list)
    kept: bool = False


class Journal:
    """The journal in one database. ``runner`` names this process, so that another one can tell whether it still lives."""

    def __init__(self, database: Database, runner: str, now: Callable[[], float] = time.time) -> None:
        self._db = database
        self._runner = runner
        self._now = now
        self._looks = _Looks()
        self._saving = asyncio.Lock()
        self._saved = 0.0

    async def begin(self, operation: Operation, rollout: Rollout | None = None) -> None:
        """The intent, on disk before the effect. ``rollout``: what was confirmed, where it is one."""
        async with self._db.transaction() as write:
            await write.execute(
                "INSERT INTO operations (id, unit, stack, verb, state, outcome, started, ended, runner, body)"
                " VALUES (?,?,?,?,?,?,?,?,?,?)",
                (operation.id, *_columns(operation), self._runner, operation.model_dump_json()),
            )
            if rollout:
                await write.execute("INSERT INTO rollouts VALUES (?,?)", (operation.id, rollout.model_dump_json()))
            await self._append(write, [("begun", operation.id, operation.request.unit, _title(operation))])

    async def record(self, notes: Sequence[Note], operation: Operation | None = None, log_offset: int | None = None) -> None:
        """Events, the operation as it stands now, and how far its log was read: together, so nothing is told twice."""
        async with self._db.transaction() as write:
            await self._append(write, notes)
            if operation:
                await write.execute(
                    "UPDATE operations SET unit=?, stack=?, verb=?, state=?, outcome=?, started=?, ended=?, body=? WHERE id=?",
                    (*_columns(operation), operation.model_dump_json(), operation.id),
                )
                if log_offset is not None:
                    await write.execute("UPDATE operations SET log_offset=? WHERE id=?", (log_offset, operation.id))

    async def settle(self, operation: Operation, only: State | None = None) -> bool:
        """The last word of an operation. False when another console has settled it meanwhile.

        ``only``: as long as it stands so, which is False as well where somebody has begun what waited.
        """
        async with self._db.transaction() as write:
            cursor = await write.execute(
                "UPDATE operations SET state=?, outcome=?, ended=?, body=?"
                " WHERE id=? AND state <> 'settled' AND state = coalesce(?, state)",
                (operation.state.value, operation.outcome, operation.ended, operation.model_dump_json(), operation.id, only),
            )
            if cursor.rowcount != 1:
                return False
            await self._append(write, [("settled", operation.id, operation.request.unit, f"{operation.word}: {operation.text}")])
        return True

    async def adopt(self, ident: str, dead_runner: str) -> bool:
        """Takes over an operation whose console is dead. False when another console was faster."""
        async with self._db.transaction() as write:
            cursor = await write.execute(
                "UPDATE operations SET runner=? WHERE id=? AND runner=? AND state <> 'settled'",
                (self._runner, ident, dead_runner),
            )
            return cursor.rowcount == 1

    async def take_up(self, operation: Operation) -> bool:
        """One that waited begins, as it is now. False when another console was faster, or somebody has cancelled it."""
        async with self._db.transaction() as write:
            cursor = await write.execute(
                "UPDATE operations SET state=?, started=?, runner=?, body=? WHERE id=? AND state='planned'",
                (operation.state.value, operation.started, self._runner, operation.model_dump_json(), operation.id),
            )
            if cursor.rowcount == 1:
                await self._append(write, [("state", operation.id, operation.request.unit, "its unit is back")])
            return cursor.rowcount == 1

    async def save_facts(self, unit: str, facts: Facts | None, trouble: str) -> None:
        """What was last known: ``facts`` None leaves the older ones, with the trouble beside them.

        Committed when this returns; looks that end at nearly the same time share a transaction, and its one wait for the disk.
        """
        looks = self._looks
        row = (unit, facts.at, trouble, facts.model_dump_json()) if facts else (unit, self._now(), trouble, None)
        looks.rows.append(row)
        async with self._saving:
            if not looks.kept:  # else whoever stood before us in the queue has kept ours as well
                await asyncio.sleep(self._saved + GATHER_S - time.monotonic())
                if looks is self._looks:
                    self._looks = _Looks()
                await self._keep(looks)

    async def _keep(self, looks: _Looks) -> None:
        """A failure, or a cancelled caller, leaves them to the next in the queue."""
        async with self._db.transaction() as write:
            await write.executemany(
                "INSERT INTO facts VALUES (?,?,?,?) ON CONFLICT (unit) DO UPDATE SET trouble=excluded.trouble,"
                " at=CASE WHEN excluded.body IS NULL THEN at ELSE excluded.at END, body=coalesce(excluded.body, body)",
                looks.rows,
            )
        looks.kept = True
        self._saved = time.monotonic()

    async def open_operations(self) -> list[tuple[Operation, str, int]]:
        """Unsettled operations, each with the console that ran it and how far its log was read."""
        rows = await self._db.rows(
            "SELECT body, runner, log_offset FROM operations WHERE state <> ? ORDER BY started", (State.SETTLED,)
        )
        return [(Operation.model_validate_json(body), runner, offset) for body, runner, offset in rows]

    async def operations(self, limit: int = 200, unit: str = "", stack: str | None = None) -> list[Operation]:
        """The newest first: as they were begun, whatever the clock said then. ``stack``: of that one; empty: of none."""
        sql = (
            "SELECT body FROM operations WHERE (unit = ? OR ? = '') AND (? OR json_extract(body, '$.request.stack') = ?)"
            " ORDER BY rowid DESC LIMIT ?"
        )
        rows = await self._db.rows(sql, (unit, unit, stack is None, stack, limit))
        return [Operation.model_validate_json(row[0]) for row in rows]

    async def operation(self, ident: str) -> Operation | None:
        """By its id, or by an unmistakable beginning of it."""
        rows = await self._db.rows("SELECT body FROM operations WHERE substr(id, 1, ?) = ? LIMIT 2", (len(ident), ident))
        return Operation.model_validate_json(rows[0][0]) if len(rows) == 1 else None

    async def some(self, idents: Iterable[str]) -> dict[str, Operation]:
        """Those of these operations that have begun, by their ids."""
        sql = "SELECT id, body FROM operations WHERE id IN (SELECT value FROM json_each(?))"
        rows = await self._db.rows(sql, (json.dumps([*idents]),))
        return {ident: Operation.model_validate_json(body) for ident, body in rows}

    async def rollout(self, ident: str) -> Rollout | None:
        """What was confirmed of a rollout; None where the operation is none."""
        rows = await self._db.rows("SELECT body FROM rollouts WHERE id=?", (ident,))
        return Rollout.model_validate_json(rows[0][0]) if rows else None

    async def events(self, after: int = 0, operation: str = "", limit: int = 1000) -> list[Event]:
        """In order. ``operation`` limits them to one."""
        where, values = ("AND operation=?", [operation]) if operation else ("", [])
        sql = f"SELECT seq, at, kind, operation, unit, text FROM events WHERE seq > ? {where} ORDER BY seq LIMIT ?"  # noqa: S608
        rows = await self._db.rows(sql, (after, *values, limit))
        return [Event(seq=r[0], at=r[1], kind=r[2], operation=r[3], unit=r[4], text=r[5]) for r in rows]

    async def last_seq(self) -> int:
        """The newest event's number."""
        return int(await self._db.value("SELECT max(seq) FROM events") or 0)

    async def marks(self) -> tuple[int, int]:
        """The numbers of the newest event and of the newest move of a ref, by one question: it is asked all the time."""
        sql = "SELECT (SELECT max(seq) FROM events), (SELECT max(seq) FROM ref_moves)"
        ((events, moves),) = await self._db.rows(sql)
        return int(events or 0), int(moves or 0)

    async def facts(self) -> dict[str, tuple[Facts | None, str]]:
        """What was last known of every unit, and its trouble. Facts of an older version that no longer fit are left out."""
        found: dict[str, tuple[Facts | None, str]] = {}
        for unit, trouble, body in await self._db.rows("SELECT unit, trouble, body FROM facts"):
            try:
                found[unit] = (Facts.model_validate_json(body) if body else None, trouble)
            except ValueError:
                found[unit] = (None, trouble)
        return found

    async def tidy(self) -> int:
        """Forgets events beyond what is kept, oldest first; operations stay for HISTORY_DAYS. Returns how many events went."""
        async with self._db.transaction() as write:
            await write.execute(
                "DELETE FROM rollouts WHERE id IN (SELECT id FROM operations WHERE state='settled' AND started < ?)",
                (self._now() - limits.HISTORY_DAYS * 86400,),
            )
            await write.execute(
                "DELETE FROM operations WHERE state='settled' AND started < ?",
                (self._now() - limits.HISTORY_DAYS * 86400,),
            )
            cursor = await write.execute(
                "DELETE FROM events WHERE seq <= (SELECT max(seq) FROM events) - ?", (limits.EVENTS_KEPT,)
            )
            return cursor.rowcount

    async def _append(self, write: Connection, notes: Iterable[Note]) -> None:
        await append(write, self._now(), notes)


async def append(write: Connection, at: float, notes: Iterable[Note]) -> None:
    """Events, in the transaction of what they tell."""
    rows = [(at, kind, operation, unit, clean(text)) for kind, operation, unit, text in notes]
    await write.executemany("INSERT INTO events (at, kind, operation, unit, text) VALUES (?,?,?,?,?)", rows)


def _columns(operation: Operation) -> tuple[object, ...]:
    request = operation.request
    return (
        request.unit,
        request.stack,
        request.verb.value,
        operation.state.value,
        operation.outcome,
        operation.started,
        operation.ended,
    )


def _title(operation: Operation) -> str:
    return f"{operation.request.sentence} by {operation.origin.operator}"
