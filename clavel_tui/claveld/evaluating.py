"""Evaluates every Source of the fleet when it changes, when somebody asks, and when claveld starts."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

from clavel_tui.domain.errors import ClavelError, RefusedError
from clavel_tui.domain.operation import Operation
from clavel_tui.domain.outcome import GOOD, Outcome
from clavel_tui.domain.unit import Fleet
from clavel_tui.fleet.state import SourceState
from clavel_tui.history import JournalError

FAILED_S = 30.0
"""Behind an evaluation that failed, a network that was away, say; doubled each time."""
AGAIN_S = 3600.0
"""Without a change: a file system that tells of none is looked at as well. What is known costs no evaluator."""


class Evaluator(Protocol):
    """What of a FleetClient evaluates."""

    async def sources(self) -> Sequence[SourceState]:
        """See FleetClient."""
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
    """The Sources of ``fleet``, as its files name them. ``begins`` is told each one that is about to be evaluated."""

    def __init__(
        self, fleet: Fleet, evaluator: Evaluator, turn: Turn | None = None, begins: Callable[[str], object] = lambda _source: None
    ) -> None:
        self.fleet = fleet
        self._evaluator = evaluator
        self._turn = turn or Alone()
        self._begins = begins

    async def sources(self) -> Sequence[SourceState]:
        """What is known of each."""
        return await self._evaluator.sources()

    async def evaluate(self, source: str, reason: str) -> str:
        """Begins an evaluation, and returns its operation's id. Only what the fleet's files name: a reference is code.

        Raises:
            RefusedError: the fleet's files name no such source.
        """
        if source not in {one.name for one in self.fleet.sources}:
            known = ", ".join(one.name for one in self.fleet.sources)
            raise RefusedError(f"there is no source {source}", f"there {'are ' + known if known else 'is none'} in fleet.toml")
        self._begins(source)
        return await self._evaluator.evaluate(source, reason)

    async def keep_evaluating(self) -> None:
        """Until cancelled. One source that cannot be watched or evaluated keeps no other from it."""
        if not self.fleet.sources:
            await asyncio.Event().wait()
        async with asyncio.TaskGroup() as group:
            for source in self.fleet.sources:
                group.create_task(self._keep(source.name))

    async def _keep(self, source: str) -> None:
        """Watched before it is evaluated: what is committed meanwhile is no change that nobody saw."""
        changed = asyncio.Event()
        watcher = asyncio.create_task(self._watch(source, changed))
        why, pause = "claveld has started", FAILED_S
        try:
            while True:
                if not self._turn.held:
                    await self._turn.wait()
                    why = "no other claveld does"
                changed.clear()
                well = await self._once(source, why)
                pause = FAILED_S if well else min(pause * 2, AGAIN_S)
                try:
                    async with asyncio.timeout(AGAIN_S if well else pause):
                        await changed.wait()
                    why = "it changed"
                except TimeoutError:
                    why = "once in a while" if well else "it failed before"
        finally:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)

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
            if operation.started < asked - 1:  # somebody else's, which had locked the revision before this one was there
                operation = await self._evaluator.wait(await self.evaluate(source, why))
        except (ClavelError, JournalError):
            return False
        return operation.outcome in {*GOOD, Outcome.UNITS_FAILED}
