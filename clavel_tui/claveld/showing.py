"""The fleet as consoles elsewhere see it: what agents tell of their units, judged here, and what has changed since."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from clavel_tui.claveld.coordinator import Coordinator
from clavel_tui.domain.agent import AgentState
from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.facts import Facts
from clavel_tui.domain.text import clean
from clavel_tui.fleet.news import FleetNews, timeless
from clavel_tui.fleet.state import FleetState, UnitState

LOOK_S = 0.5
"""Between two looks while somebody waits; nobody's waiting costs nothing."""
LINE = 4000
"""Characters of one text of the facts."""
NUMBER = 2.0**53
"""No size in KiB and no time is greater, and every reader of JSON can hold it."""
ITEMS = 20_000
THINGS = 2_000
"""Containers, images, file systems, stacks: a unit with more is none that anybody looks after by hand."""


class Engine(Protocol):
    """What of the engine judges facts."""

    async def snapshot(self) -> FleetState:
        """See FleetClient."""
        ...

    async def learn(self, unit: str, facts: Facts) -> bool:
        """What somebody else saw of a unit; False where the fleet has none of that name."""
        ...

    def hear(self, agents: list[AgentState]) -> None:
        """What is known of the agents."""
        ...


class Showing:
    """One fleet's states with a version each. Two that ask at the same moment share a look."""

    def __init__(self, coordinator: Coordinator, engine: Engine) -> None:
        self._coordinator = coordinator
        self._engine = engine
        self._start = uuid.uuid4().hex[:12]
        self._version = 0
        self._units: dict[str, tuple[int, UnitState]] = {}
        self._state = FleetState(name="")
        self._turn = asyncio.Lock()
        self._looked = 0.0
        self.tell: Callable[[Facts], Awaitable[None]] | None = None
        """Others, where there are several claveld."""

    async def learn(self, unit: str, facts: Facts) -> bool:
        """The unit's own clock may be anywhere: what counts is when we heard of it. False where there is no such unit.

        Raises:
            RefusedError: more, or greater numbers, than any unit has: it would cost everybody who looks at the fleet.
        """
        if max(map(len, (facts.containers, facts.images, facts.disks, facts.stacks, facts.checks))) > THINGS:
            raise RefusedError(f"these facts have more than {THINGS} of something")
        said = Facts.model_validate({**_cleaned(facts.model_dump()), "unit": unit, "at": self._coordinator.wall()})
        known = await self.take(said)
        if known and self.tell:
            await self.tell(said)
        return known

    async def take(self, facts: Facts) -> bool:
        """What was cleaned already. False where there is no such unit."""
        return await self._engine.learn(facts.unit, facts)

    async def units(self) -> list[str]:
        """All that the fleet has, by name."""
        return [one.unit.name for one in (await self._engine.snapshot()).units]

    async def news(self, start: str, after: int, wait: float) -> FleetNews:
        """What has changed behind that version of that run, as soon as anything has, or the wait is over."""
        clock = asyncio.get_running_loop().time
        end = clock() + wait
        while True:
            await self._look(clock())
            known = after if start == self._start else 0
            if self._version > known or clock() >= end or self._coordinator.closing:
                return self._since(known)
            await asyncio.sleep(min(LOOK_S, max(0.0, end - clock())))

    async def _look(self, now: float) -> None:
        async with self._turn:
            if self._version and now - self._looked < LOOK_S:
                return
            self._engine.hear(self._coordinator.states())
            state = await self._engine.snapshot()
            before, self._state, self._looked = self._state, state, now
            fresh = {one.unit.name: timeless(one) for one in state.units}
            changed = [name for name, one in fresh.items() if name not in self._units or self._units[name][1] != one]
            if changed or _rest(before) != _rest(state):
                self._version += 1
            self._units.update({name: (self._version, fresh[name]) for name in changed})

    def _since(self, after: int) -> FleetNews:
        state = self._state
        return FleetNews(
            start=self._start,
            version=self._version,
            name=state.name,
            names=tuple(one.unit.name for one in state.units),
            units=tuple(one for version, one in self._units.values() if version > after),
            operations=state.operations,
            seq=state.seq,
            rollout=state.rollout,
            at=self._coordinator.wall(),
            seen={one.agent.name: one.seen for one in self._coordinator.states()},
        )


def _rest(state: FleetState) -> FleetState:
    return state.model_copy(update={"units": ()})


def _cleaned(value: Any) -> Any:  # noqa: ANN401  JSON
    """An agent that was taken over must not write escape sequences onto its operators' terminals."""
    if isinstance(value, dict):
        return {key: _cleaned(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        if len(value) > ITEMS:
            raise RefusedError(f"these facts have a list of more than {ITEMS}")
        return [_cleaned(inner) for inner in value]
    if isinstance(value, int | float) and not -NUMBER <= value <= NUMBER:  # nor one that is none
        raise RefusedError("these facts have a number that cannot be one")
    return clean(value, LINE) if isinstance(value, str) else value
