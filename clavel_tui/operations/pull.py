"""What a claveld elsewhere knows of this fleet's agents, kept fresh while a console is open."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from clavel_tui.bus.claveld import ClaveldError, as_refusal
from clavel_tui.domain.agent import AgentState, Order, RefState
from clavel_tui.domain.errors import RefusedError
from clavel_tui.history import JournalError
from clavel_tui.operations.parts import Parts
from clavel_tui.operations.watch import Watch

if TYPE_CHECKING:
    from clavel_tui.bus.for_console import ConsoleClient

WAIT_S = 15.0
"""How long a question for events waits. Agents that are only seen, or are late, make no event: they are read after it."""
AWAY_FIRST_S, AWAY_MOST_S = 1.0, 60.0
SEEN_S = 2.0
"""Between two looks at who was heard of, where nothing else happens."""


class Pull:
    """Gives the watch each unit's agent; without a claveld there is nothing to do."""

    def __init__(self, parts: Parts, watch: Watch) -> None:
        self._parts = parts
        self._watch = watch
        self._following = parts.following

    async def keep_asking(self) -> None:
        """Until cancelled. A claveld that is away is said so, and what it said last stays beside it."""
        if self._parts.claveld is None:
            return
        away, seq = AWAY_FIRST_S, 0
        while True:
            try:
                seq = await (self._followed(seq) if self._following else self._once(self._parts.claveld, seq))
                away = AWAY_FIRST_S
            except (ClaveldError, JournalError) as error:
                self._watch.claveld(str(error))
                await self._parts.clock.sleep(away * random.uniform(0.5, 1.0))  # noqa: S311  jitter
                away = min(away * 2, AWAY_MOST_S)

    async def once(self) -> None:
        """At once, for whoever wants to see it now."""
        if self._parts.claveld:
            try:
                await self._once(self._parts.claveld, 0)
            except ClaveldError as error:
                self._watch.claveld(str(error))

    async def agents(self) -> list[AgentState]:
        """See FleetClient."""
        with as_refusal():
            return (await self._claveld().agents())[0]

    async def tell(self, agent: str, order: Order) -> None:
        """See FleetClient."""
        with as_refusal():
            await self._claveld().tell(agent, order)

    async def roll_back(self, name: str, to: str, why: str) -> RefState:
        """See FleetClient."""
        with as_refusal():
            return await self._claveld().roll_back(name, to, why)

    async def pin(self, name: str, why: str) -> RefState:
        """See FleetClient."""
        with as_refusal():
            return await self._claveld().pin(name, why)

    async def unpin(self, name: str) -> RefState:
        """See FleetClient."""
        with as_refusal():
            return await self._claveld().unpin(name)

    def _claveld(self) -> ConsoleClient:
        if self._parts.claveld is None:
            hint = "write [claveld] with url and token_file into config.toml; `claveld token add` shows a token"
            raise RefusedError("no claveld is named", hint)
        return self._parts.claveld

    async def _followed(self, begun: int) -> int:
        """What has happened since, read in the log: nobody is asked for a thousand agents because one of them said something."""
        following = self._following
        if following is None:
            return 0
        if not begun:
            await following.begin()
        else:
            await following.news(SEEN_S)
        self._watch.agents(by_unit(list(following.states.values())))
        return 1

    async def _once(self, claveld: ConsoleClient, seq: int) -> int:
        if seq:
            await claveld.events(seq, WAIT_S)
        states, seq = await claveld.agents()
        self._watch.agents(by_unit(states))
        return seq


def by_unit(states: list[AgentState]) -> dict[str, AgentState]:
    """An agent belongs to the units whose refs it asks for; a unit has the first of several."""
    found: dict[str, AgentState] = {}
    for state in states:
        for name in state.agent.specification.deployments:
            found.setdefault(name, state)
    return found
