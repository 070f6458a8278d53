"""Deployments that wait for units which are away: a laptop that sleeps, a machine behind a line that is down."""

from __future__ import annotations

from clavel_tui.domain import limits
from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.facts import Facts
from clavel_tui.domain.operation import Operation, Plan, State
from clavel_tui.domain.outcome import Outcome
from clavel_tui.domain.system import base
from clavel_tui.domain.unit import Unit
from clavel_tui.operations.carrier import Carrier
from clavel_tui.operations.parts import Parts
from clavel_tui.operations.planner import Planner
from clavel_tui.operations.watch import Watch

AGAIN_S = 30.0
"""Between two tries at a unit that is back and cannot take it yet."""
PATIENCE_S = 900.0
"""So long another operation may take there before the waiting one is given up."""


class Waiting:
    """Puts deployments off, and takes each up once when its unit is back."""

    def __init__(self, parts: Parts, carrier: Carrier, planner: Planner, watch: Watch) -> None:
        self._parts = parts
        self._carrier = carrier
        self._planner = planner
        self._watch = watch
        self._not_before: dict[str, float] = {}
        self._refused: dict[str, float] = {}
        """When the unit was back and refused it for the first time."""

    async def put_off(self, plan: Plan, reason: str) -> str:
        """The intent, in the journal, with what the unit ran; one that waits for that unit already is replaced.

        Raises:
            RefusedError: nothing of it can wait.
        """
        self._carrier.jobs()
        unit = self._parts.fleet.unit(plan.request.unit)
        facts = self._watch.state(unit).facts if unit else None
        if plan.when_back is None or facts is None:
            raise RefusedError(f"{plan.title} cannot wait: {plan.refusal or 'its unit is there'}")
        await self.drop(plan.when_back.unit, "another one waits in its place")
        begun = await self._carrier.begin(plan.when_back, reason, born=facts.born, state=State.PLANNED, came_from=facts.current)
        return begun.id

    async def drop(self, unit: str, why: str) -> None:
        """What waits for that unit is not wanted any more."""
        for operation, _, _ in await self._parts.journal.open_operations():
            if operation.state is State.PLANNED and operation.request.unit == unit:
                await self._end(operation, Outcome.CANCELLED, why)

    async def take_up(self) -> None:
        """Those whose unit was seen since, by whichever console comes first."""
        now = self._parts.clock.wall()
        for operation, _, _ in await self._parts.journal.open_operations():
            unit = self._parts.fleet.unit(operation.request.unit)
            if operation.state is not State.PLANNED or self._carrier.carries(operation.id):
                continue
            if now - operation.started > limits.WAIT_S:
                await self._end(operation, Outcome.CANCELLED, f"it was not back for {limits.WAIT_S / 86400:.0f} days")
            elif unit and self._is_back(unit, operation) and now >= self._not_before.get(operation.id, 0.0):
                self._not_before[operation.id] = now + AGAIN_S
                await self._carry(operation, unit)

    def _is_back(self, unit: Unit, operation: Operation) -> bool:
        state = self._watch.state(unit)
        return not state.trouble and state.facts is not None and state.facts.at > operation.started

    async def _carry(self, operation: Operation, unit: Unit) -> None:
        plan = await self._planner.plan(operation.request)
        facts = self._watch.state(unit).facts
        if plan.when_back or facts is None:  # away again
            return
        if changed := _changed(operation, facts):
            await self._end(operation, Outcome.REFUSED, changed)
        elif plan.refusal:
            # Another operation, or a daemon that is not up yet: such things pass, and what does not is told.
            first = self._refused.setdefault(operation.id, self._parts.clock.wall())
            if self._parts.clock.wall() - first >= PATIENCE_S:
                await self._end(operation, Outcome.REFUSED, plan.refusal)
        else:
            self._carrier.take_up(operation, plan)

    async def _end(self, operation: Operation, outcome: Outcome, why: str) -> None:
        text = f"it waited for {operation.request.unit}, and was not begun: {why}"
        ended = operation.ended_with(outcome, text, self._parts.clock.wall())
        await self._parts.journal.settle(ended, only=State.PLANNED)


def _changed(operation: Operation, facts: Facts) -> str:
    """What somebody has done to the unit since the deployment was asked for; by clavel-tui or by hand."""
    if facts.born != operation.born:
        return "it was installed anew meanwhile, or is another machine"
    since = [record for record in facts.systems if record.at > operation.started and record.operator]
    if since:
        newest = max(since, key=lambda record: record.at)
        return f"meanwhile {newest.operator} deployed {newest.label} ({newest.verdict})"
    if facts.current != operation.came_from:
        return f"meanwhile it was given {base(facts.current)}, and ran {base(operation.came_from)} before"
    return ""
