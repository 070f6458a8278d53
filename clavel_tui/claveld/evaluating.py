"""Evaluates every Source of the fleet when it changes, when somebody asks, and when claveld starts."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

from clavel_tui.claveld.logs import LOG, line
from clavel_tui.claveld.sources import found_in
from clavel_tui.domain.errors import ClavelError
from clavel_tui.domain.operation import Operation
from clavel_tui.domain.outcome import GOOD, Outcome
from clavel_tui.domain.source import Source, Trigger
from clavel_tui.domain.unit import Fleet
from clavel_tui.fleet.state import SourceState
from clavel_tui.history import JournalError

FAILED_S = 30.0
"""Behind an evaluation that failed, a network that was away, say; doubled each time."""
STARTED = "claveld has started"
AGAIN_S = 3600.0
"""Without a change: a file system that tells of none is looked at as well. What is known costs no evaluator."""


class Evaluator(Protocol):
    """What of a FleetClient evaluates."""

    async def sources(self) -> Sequence[SourceState]:
        """See FleetClient."""
        ...

    async def standing(self) -> Sequence[Source]:
        """See InProcessFleet."""
        ...

    def source_changes(self, source: str) -> AsyncIterator[None]:
        """See FleetClient."""
        ...

    async def evaluate(self, source: str, reason: str = "") -> str:
        """See FleetClient."""
        ...

    async def wait(self, operation: str) -> Operation:
        """See FleetClient."""
        ...


class Turn(Protocol):
    """Whether it is ours to evaluate what has changed, where there are several claveld."""

    @property
    def held(self) -> bool:
        """It is."""
        ...

    async def wait(self) -> None:
        """Returns when it is."""
        ...


class Alone:
    """There is one claveld."""

    held = True

    async def wait(self) -> None:
        """See Turn."""


class Evaluations:
    """The Sources of ``fleet``, and what claveld was told of them. ``begins`` is told each one that is about to be evaluated."""

    def __init__(
        self,
        fleet: Fleet,
        evaluator: Evaluator,
        turn: Turn | None = None,
        begins: Callable[[str], object] = lambda _source: None,
        *,
        by_itself: bool = True,
    ) -> None:
        """Without ``by_itself`` all Sources are as those that are evaluated on request: see Trigger."""
        self.fleet = fleet
        self._evaluator = evaluator
        self._turn = turn or Alone()
        self._begins = begins
        self._by_itself = by_itself
        self._told = asyncio.Event()

    async def sources(self) -> Sequence[SourceState]:
        """What is known of each."""
        return await self._evaluator.sources()

    async def evaluate(self, source: str, reason: str) -> str:
        """Begins an evaluation, and returns its operation's id. Only of what has a name here: a reference is code.

        Raises:
            RefusedError: neither the fleet's files nor `claveld source add` name such a source.
        """
        found_in(await self.standing(), source)
        LOG.info(line("evaluating", source=source, why=reason))
        self._begins(source)
        return await self._evaluator.evaluate(source, reason)

    async def standing(self) -> Sequence[Source]:
        """All that there are now."""
        return await self._evaluator.standing()

    def look_again(self) -> None:
        """Something was told of a Source."""
        self._told.set()

    async def keep_evaluating(self) -> None:
        """Until cancelled. One source that cannot be watched or evaluated keeps no other from it."""
        kept: dict[Source, asyncio.Task[None]] = {}
        why = STARTED
        async with asyncio.TaskGroup() as group:
            while True:
                self._told.clear()
                standing = await self._standing_now()
                for gone in kept.keys() - {*standing}:
                    kept.pop(gone).cancel()
                for source in standing:
                    if source not in kept:
                        kept[source] = group.create_task(self._keep(source, why))
                why = "claveld was told of it"
                await self._told.wait()

    async def _standing_now(self) -> Sequence[Source]:
        """A disk that cannot be read for a moment must not end it."""
        while True:
            with contextlib.suppress(JournalError):
                return await self.standing()
            await asyncio.sleep(FAILED_S)

    async def _keep(self, source: Source, why: str) -> None:
        """Watched before it is evaluated: what is committed meanwhile is no change that nobody saw."""
        if source.on is Trigger.REQUEST or not self._by_itself:
            await self._hold(source)
            return
        most = source.every_minutes * 60 or AGAIN_S
        changed = asyncio.Event()
        watcher = asyncio.create_task(self._watch(source.name, changed)) if source.on is Trigger.CHANGE else None
        pause = FAILED_S
        try:
            while True:
                if not self._turn.held:
                    await self._turn.wait()
                    why = "no other claveld does"
                changed.clear()
                well = await self._once(source.name, why)
                pause = FAILED_S if well else min(pause * 2, most)
                try:
                    async with asyncio.timeout(most if well else pause):
                        await changed.wait()
                    why = "it changed"
                except TimeoutError:
                    why = _on_time(source) if well else "it failed before"
        finally:
            if watcher:
                watcher.cancel()
                await asyncio.gather(watcher, return_exceptions=True)

    async def _hold(self, source: Source) -> None:
        """One that is evaluated on request is so of itself only until it is what it was pinned to."""
        pause = 0.0
        while source.pin and await self._revision(source.name) != source.pin.revision:
            await asyncio.sleep(pause)
            pause = min(pause * 2 or FAILED_S, AGAIN_S)
            await self._turn.wait()
            await self._once(source.name, "it was pinned")

    async def _revision(self, source: str) -> str:
        """At which it was evaluated last; empty for a dirty tree."""
        with contextlib.suppress(JournalError):
            for state in await self.sources():
                if state.source.name == source and state.evaluation and not state.evaluation.lock.dirty:
                    return state.evaluation.lock.revision
        return ""

    async def _watch(self, source: str, changed: asyncio.Event) -> None:
        """A folder that cannot be watched (none are left, or it is gone for a moment) is tried again."""
        while True:
            with contextlib.suppress(OSError, RuntimeError, ClavelError):
                async for _ in self._evaluator.source_changes(source):
                    changed.set()
            await asyncio.sleep(FAILED_S)

    async def _once(self, source: str, why: str) -> bool:
        """Whether it was evaluated, which stands in the journal either way."""
        try:
            asked = time.time()
            operation = await self._evaluator.wait(await self.evaluate(source, why))
            if operation.started < asked:  # somebody else's, which had locked the revision before this one was there
                operation = await self._evaluator.wait(await self.evaluate(source, why))
        except (ClavelError, JournalError) as error:
            LOG.warning(line("refused", source=source, text=str(error)))
            return False
        except asyncio.CancelledError:
            LOG.info(line("stopped", source=source))
            raise
        except Exception:  # a fault of ours: the agents are served all the same, and the others evaluated
            LOG.exception(line("fault", source=source))
            return False
        return operation.outcome in {*GOOD, Outcome.UNITS_FAILED}


def _on_time(source: Source) -> str:
    return f"each {source.every_minutes} min" if source.every_minutes else "once in a while"
