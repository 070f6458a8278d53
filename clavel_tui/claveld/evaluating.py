"""Evaluates every Source of the fleet when it changes, when somebody asks, and when claveld starts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from clavel_tui.domain.errors import ClavelError, RefusedError
from clavel_tui.domain.operation import Operation
from clavel_tui.domain.unit import Fleet
from clavel_tui.fleet.state import SourceState


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


class Evaluations:
    """The Sources of ``fleet``, as its files name them."""

    def __init__(self, fleet: Fleet, evaluator: Evaluator) -> None:
        self.fleet = fleet
        self._evaluator = evaluator

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
        return await self._evaluator.evaluate(source, reason)

    async def keep_evaluating(self) -> None:
        """Until cancelled. One source that cannot be watched or evaluated keeps no other from it."""
        async with asyncio.TaskGroup() as group:
            for source in self.fleet.sources:
                group.create_task(self._keep(source.name))

    async def _keep(self, source: str) -> None:
        await self._once(source, "claveld has started")
        with contextlib.suppress(OSError):
            async for _ in self._evaluator.source_changes(source):
                await self._once(source, "it changed")

    async def _once(self, source: str, why: str) -> None:
        with contextlib.suppress(ClavelError):  # it stands in the journal, and the next change is another chance
            await self._evaluator.wait(await self._evaluator.evaluate(source, why))
