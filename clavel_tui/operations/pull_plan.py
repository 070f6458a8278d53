"""A rollback of a unit that pulls: its ref goes back, its agent applies that, and what runs then is the proof."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clavel_tui.bus.claveld import ClaveldError
from clavel_tui.bus.rolling_back import carry_rollback, held, plan_rollback
from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.operation import Operation, Plan, PullPlan, Request, Verb
from clavel_tui.domain.unit import Unit
from clavel_tui.operations.parts import Parts
from clavel_tui.operations.watch import Watch

if TYPE_CHECKING:
    from clavel_tui.bus.for_console import ConsoleClient


class PullPlanner:
    """Plans what claveld and an agent carry out."""

    def __init__(self, parts: Parts, watch: Watch) -> None:
        self._parts = parts
        self._watch = watch

    async def plan(self, request: Request, unit: Unit, title: str) -> Plan | None:
        """None where it is to be pushed: the unit does not pull, or its agent is held.

        Raises:
            RefusedError: claveld knows no such Deployment, or does not answer.
        """
        state, claveld = self._watch.state(unit), self._parts.claveld
        if request.verb is not Verb.ROLLBACK or claveld is None or state.agent is None or held(state.agent, unit.name):
            return None
        try:
            return await plan_rollback(claveld, request, title, state.facts)
        except ClaveldError as error:
            hint = f"to push all the same: `clavel-agent hold` on {unit.name}"
            raise RefusedError(f"{unit.name} pulls, and {error}", hint) from error


class PullRun:
    """Carries one: moves the ref, and waits until the agent has said what became of it."""

    def __init__(self, parts: Parts, claveld: ConsoleClient, pull: PullPlan, operation: Operation) -> None:
        self._parts = parts
        self._claveld = claveld
        self._pull = pull
        self.operation = operation

    async def carry(self) -> None:
        """Ends in the journal."""
        clock, reason = self._parts.clock, self.operation.origin.reason
        how = await carry_rollback(self._claveld, self._pull, reason, self._moved, clock.sleep)
        self.operation = self.operation.ended_with(*how, clock.wall())
        await self._parts.journal.settle(self.operation)

    async def _moved(self) -> None:
        pull = self._pull
        self.operation = self.operation.model_copy(update={"step": "its agent applies it", "came_from": pull.before})
        text = f"{pull.name} points to {pull.short}; its agent is waited for"
        await self._parts.journal.record([("state", self.operation.id, pull.name, text)], self.operation)
