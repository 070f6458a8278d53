"""What claveld was told of Sources beside fleet.toml: which were added, and which stay at one revision."""

from __future__ import annotations

import time
from collections.abc import Callable

from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.source import Evaluation, KeptSource, Lock, Source, SourcePin
from clavel_tui.history.journal import append
from clavel_tui.store import Connection, Database


class Sources:
    """The kept Sources of one database. What of them is wrong for a fleet is whoever asks to know: see claveld.sources."""

    def __init__(self, database: Database, now: Callable[[], float] = time.time) -> None:
        self._db = database
        self._now = now

    async def all(self) -> list[KeptSource]:
        """By name."""
        rows = await self._db.rows("SELECT body FROM kept_sources ORDER BY name")
        return [KeptSource.model_validate_json(row[0]) for row in rows]

    async def add(self, source: Source) -> None:
        """Is evaluated from now on, like one of fleet.toml.

        Raises:
            RefusedError: one of that name was added already.
        """
        async with self._db.transaction() as write:
            kept = await _kept(write, source.name)
            if kept.added:
                raise RefusedError(
                    f"{source.name} is {kept.added.url} already", f"`claveld source remove {source.name}` takes it out"
                )
            await _keep(write, kept.model_copy(update={"added": source}))
            await append(write, self._now(), [("source", "", "", f"{source.name} was added: {source.url}, {source.added_by}")])

    async def remove(self, name: str, operator: str) -> None:
        """Is evaluated no more. What it has yielded stays.

        Raises:
            RefusedError: none of that name was added.
        """
        async with self._db.transaction() as write:
            if not (await _kept(write, name)).added:
                raise RefusedError(f"no source {name} was added", "one of fleet.toml is taken out there")
            await write.execute("DELETE FROM kept_sources WHERE name = ?", (name,))
            await write.execute("DELETE FROM sources WHERE name = ?", (name,))
            await append(write, self._now(), [("source", "", "", f"{name} was removed: {operator}")])

    async def pin(self, name: str, pin: SourcePin) -> None:
        """Stays at that revision: no evaluation of another one is taken."""
        async with self._db.transaction() as write:
            kept = await _kept(write, name)
            await _keep(write, kept.model_copy(update={"pin": pin}))
            text = f"{name} stays at {pin.revision[:12]}: {pin.operator}{f', {pin.why}' if pin.why else ''}"
            await append(write, self._now(), [("source", "", "", text)])

    async def unpin(self, name: str, operator: str) -> None:
        """Follows its reference again.

        Raises:
            RefusedError: it is not pinned.
        """
        async with self._db.transaction() as write:
            kept = await _kept(write, name)
            if not kept.pin:
                raise RefusedError(f"the source {name} is not pinned")
            await _keep(write, kept.model_copy(update={"pin": None}))
            await append(write, self._now(), [("source", "", "", f"{name} follows its reference again: {operator}")])

    async def last(self, name: str) -> Lock | None:
        """What it was when it was evaluated last; None where it never was."""
        rows = await self._db.rows("SELECT body FROM sources WHERE name = ?", (name,))
        return Evaluation.model_validate_json(rows[0][0]).lock if rows else None

    async def revisions(self, name: str, beginning: str = "") -> dict[str, str]:
        """The revisions that were evaluated, each with the reference that yields it again. No dirty tree is one."""
        sql = """SELECT revision, url FROM evaluations
            WHERE source = ? AND NOT dirty AND revision <> '' AND substr(revision, 1, ?) = ? ORDER BY seq"""
        return {str(row[0]): str(row[1]) for row in await self._db.rows(sql, (name, len(beginning), beginning))}


async def _kept(write: Connection, name: str) -> KeptSource:
    rows = list(await write.execute_fetchall("SELECT body FROM kept_sources WHERE name = ?", (name,)))
    return KeptSource.model_validate_json(rows[0][0]) if rows else KeptSource(name=name)


async def _keep(write: Connection, kept: KeptSource) -> None:
    if kept.added or kept.pin:
        sql = "INSERT INTO kept_sources VALUES (?,?) ON CONFLICT (name) DO UPDATE SET body=excluded.body"
        await write.execute(sql, (kept.name, kept.model_dump_json()))
    else:
        await write.execute("DELETE FROM kept_sources WHERE name = ?", (kept.name,))


async def refuse_unless_pinned_there(write: Connection, evaluation: Evaluation) -> None:
    """An evaluation that began before its Source was pinned must not move what the pin holds.

    Raises:
        RefusedError: it is of another revision.
    """
    pin, lock = (await _kept(write, evaluation.source.name)).pin, evaluation.lock
    if pin and (lock.dirty or lock.revision != pin.revision):
        text = f"{evaluation.source.name} was pinned at {pin.revision[:12]} meanwhile by {pin.operator}"
        raise RefusedError(text, "nothing of this evaluation was recorded")
