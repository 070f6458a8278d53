"""What claveld was told of Sources beside fleet.toml: which were added, and which stay at one revision."""

from __future__ import annotations

import time
from collections.abc import Callable

from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.source import Evaluation, KeptSource, Lock, Source, SourcePin, repository
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
        """Is evaluated from now on, like one of fleet.toml. A pin of an earlier one of that name is none of it.

        Raises:
            RefusedError: one of that name was added already.
        """
        async with self._db.transaction() as write:
            kept = await _kept(write, source.name)
            if kept.added:
                raise RefusedError(
                    f"{source.name} is {kept.added.url} already", f"`claveld source remove {source.name}` takes it out"
                )
            await _keep(write, KeptSource(name=source.name, added=source))
            await append(write, self._now(), [("source", "", "", f"{source.name} was added: {source.url}, {source.added_by}")])

    async def remove(self, name: str, operator: str, *, still_named: bool = False) -> None:
        """Is evaluated no more. What it has yielded stays. ``still_named``: by fleet.toml, whose own one keeps its pin.

        Raises:
            RefusedError: none of that name was added.
        """
        async with self._db.transaction() as write:
            kept = await _kept(write, name)
            if not kept.added:
                raise RefusedError(f"no source {name} was added", "one of fleet.toml is taken out there")
            await _keep(write, KeptSource(name=name, pin=kept.pin if still_named else None))
            if not still_named:
                await write.execute("DELETE FROM sources WHERE name = ?", (name,))
            await append(write, self._now(), [("source", "", "", f"{name} was removed: {operator}")])

    async def pin(self, name: str, pin: SourcePin) -> None:
        """Stays at that revision: no evaluation of another one is taken."""
        async with self._db.transaction() as write:
            kept = await _kept(write, name)
            await _keep(write, kept.model_copy(update={"pin": pin}))
            await append(write, self._now(), [("source", "", "", f"{name} {pin.told}")])

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

    async def last(self, source: Source) -> Lock | None:
        """What it was when it was evaluated last; None where it never was, or followed something else then."""
        rows = await self._db.rows("SELECT body FROM sources WHERE name = ?", (source.name,))
        evaluation = Evaluation.model_validate_json(rows[0][0]) if rows else None
        return evaluation.lock if evaluation and evaluation.source.url == source.url else None

    async def revisions(self, source: Source) -> dict[str, str]:
        """The revisions that were evaluated, the newest last, each with the reference that yields it again.

        No dirty tree is one, and none of another repository that had this name.
        """
        last = await self.last(source)
        sql = "SELECT revision, url FROM evaluations WHERE source = ? AND NOT dirty AND revision <> '' ORDER BY seq DESC"
        found: dict[str, str] = {}
        for revision, url in await self._db.rows(sql, (source.name,)):
            if last and repository(url) == repository(last.url):
                found.setdefault(revision, url)
        return dict(reversed(found.items()))


async def _kept(write: Connection, name: str) -> KeptSource:
    rows = list(await write.execute_fetchall("SELECT body FROM kept_sources WHERE name = ?", (name,)))
    return KeptSource.model_validate_json(rows[0][0]) if rows else KeptSource(name=name)


async def _keep(write: Connection, kept: KeptSource) -> None:
    if kept.added or kept.pin:
        sql = "INSERT INTO kept_sources VALUES (?,?) ON CONFLICT (name) DO UPDATE SET body=excluded.body"
        await write.execute(sql, (kept.name, kept.model_dump_json()))
    else:
        await write.execute("DELETE FROM kept_sources WHERE name = ?", (kept.name,))


async def refuse_unless_told_so(write: Connection, evaluation: Evaluation) -> None:
    """An evaluation that began before its Source was pinned or removed must move nothing.

    Raises:
        RefusedError: it is of another revision, or of a Source that is not there any more.
    """
    source, lock, none = evaluation.source, evaluation.lock, "nothing of this evaluation was recorded"
    kept = await _kept(write, source.name)
    if source.added_by and (kept.added is None or kept.added.url != source.url):
        raise RefusedError(f"{source.name} was removed meanwhile", none)
    pin = kept.held(source.model_copy(update={"pin": None})).pin
    if pin and (lock.dirty or lock.revision != pin.revision):
        raise RefusedError(f"{source.name} was pinned at {pin.revision[:12]} meanwhile by {pin.operator}", none)


async def of_pinned_others(write: Connection, name: str) -> set[str]:
    """Ids of Deployments that a pinned Source has yielded: where a ref points to one, no other Source moves it."""
    kept = [KeptSource.model_validate_json(row[0]) for row in await write.execute_fetchall("SELECT body FROM kept_sources")]
    pinned = [one.name for one in kept if one.pin and one.name != name]
    marks = ",".join("?" * len(pinned))
    rows = await write.execute_fetchall(f"SELECT DISTINCT deployment FROM evaluations WHERE source IN ({marks})", pinned)  # noqa: S608  marks only
    return {str(row[0]) for row in rows}
