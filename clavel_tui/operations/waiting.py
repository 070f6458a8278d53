"""Deployments that wait for units which are away: a laptop that sleeps, a machine behind a line that is down."""

from __future__ import annotations

from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.operation import Operation, Plan, State
from clavel_tui.domain.outcome import Outcome
from clavel_tui.domain.unit import Unit
from clavel_tui.operations.carrier import Carrier
from clavel_tui.operations.parts import Parts
from clavel_tui.operations.planner import Planner
from clavel_tui.operations.watch import Watch


class Waiting:
    """Puts deployments off, and takes each up once when its unit is back."""

    def __init__(self, parts: Parts, carrier: Carrier, planner: Planner, watch: Watch) -> None:
        self._parts = parts
        self._carrier = carrier
        self._planner = planner
        self._watch = watch

    async def put_off(self, plan: Plan, reason: str) -> str:
        """The intent, in the journal; one that waits for that unit already is replaced.

        Raises:
            RefusedError: nothing of it can wait.
        """
        self._carrier.jobs()
        if plan.when_back is None:
            raise RefusedError(f"{plan.title} cannot wait: {plan.refusal or 'its unit is there'}")
        await self.drop(plan.when_back.unit, "another one waits in its place")
        operation = await self._carrier.begin(plan.when_back, reason, state=State.PLANNED)
        return operation.id

    async def drop(self, unit: str, why: str) -> None:
        """What waits for that unit is not wanted any more."""
        for operation, _, _ in await self._parts.journal.open_operations():
            if operation.state is State.PLANNED and operation.request.unit == unit:
                await self._end(operation, Outcome.CANCELLED, why)

    async def take_up(self) -> None:
        """Those whose unit was seen since. A console that died leaves its own to whichever console comes next."""
        for operation, runner, _ in await self._parts.journal.open_operations():
            unit = self._parts.fleet.unit(operation.request.unit)
            if operation.state is not State.PLANNED or self._carrier.carries(operation.id) or unit is None:
                continue
            if not self._is_back(unit, operation):
                continue
            mine = runner == self._parts.runner_name
            if mine or (not self._parts.is_alive(runner) and await self._parts.journal.adopt(operation.id, runner)):
                await self._carry(operation, unit)

    def _is_back(self, unit: Unit, operation: Operation) -> bool:
        state = self._watch.state(unit)
        return not state.trouble and state.facts is not None and state.facts.at > operation.started

    async def _carry(self, operation: Operation, unit: Unit) -> None:
        facts = self._watch.state(unit).facts
        since = next((r for r in facts.systems if r.at > operation.started), None) if facts else None
        if since:
            await self._end(operation, Outcome.REFUSED, f"meanwhile {since.label} was deployed by {since.operator}")
            return
        plan = await self._planner.plan(operation.request)
        if plan.when_back:  # away again
            return
        if plan.refusal:
            await self._end(operation, Outcome.REFUSED, plan.refusal)
            return
        self._carrier.take_up(operation, plan)

    async def _end(self, operation: Operation, outcome: Outcome, why: str) -> None:
        text = f"it waited for {operation.request.unit}, and was not begun: {why}"
        await self._parts.journal.settle(operation.ended_with(outcome, text, self._parts.clock.wall()))
