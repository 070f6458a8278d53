"""What is marked, planned together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from clavel_tui.domain.operation import Plan, Request
from clavel_tui.domain.waves import RolloutSettings
from clavel_tui.fleet.client import FleetClient

PLANS_AT_ONCE = 8
"""Each is a look at a unit."""


@dataclass
class Many:
    """A request for each, and a sentence for each that is left out."""

    client: FleetClient
    requests: Sequence[Request]
    left_out: Sequence[str]
    plans: Sequence[Plan] = field(default_factory=list)

    async def plan(self) -> None:
        """Makes the plans, anew each time."""
        at_once = asyncio.Semaphore(PLANS_AT_ONCE)

        async def planned(request: Request) -> Plan:
            async with at_once:
                return await self.client.plan(request)

        self.plans = await asyncio.gather(*(planned(request) for request in self.requests))

    @property
    def possible(self) -> list[Plan]:
        """Those that can be carried out."""
        return [plan for plan in self.plans if not plan.refusal]

    @property
    def prepares(self) -> bool:
        """Something has to be built or copied before all can be told."""
        return any(plan.prepares for plan in self.plans)

    @property
    def counted(self) -> str:
        """`3 systems`, `1 stack`."""
        what = "system" if all(not request.stack for request in self.requests) else "stack"
        return f"{len(self.requests)} {what}{'s' * (len(self.requests) != 1)}"


@dataclass
class InWaves(Many):
    """A few at a time: as fleet.toml says, or as a person says here."""

    settings: RolloutSettings = field(kw_only=True)
    _known: bool = field(default=False, init=False)

    async def plan(self) -> None:
        """Other waves change nothing of what each unit was planned for: nobody is asked again."""
        if not self._known:
            await super().plan()
        self._known = False

    def said(self) -> str:
        """How it goes, as it can be typed."""
        return self.settings.typed

    def take(self, text: str) -> None:
        """As it was typed. Raises RefusedError where it cannot be meant."""
        self.settings = self.settings.otherwise(text)
        self._known = True
