"""A rollback of a unit that pulls: its ref goes back, its agent applies that, and what runs then is the proof."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clavel_tui.bus.claveld import ClaveldError
from clavel_tui.domain.agent import Phase, RefState
from clavel_tui.domain.deployment import Recorded
from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.facts import Facts
from clavel_tui.domain.operation import Operation, Plan, PullPlan, Request, Verb
from clavel_tui.domain.outcome import Outcome
from clavel_tui.domain.unit import Unit
from clavel_tui.operations.parts import Parts
from clavel_tui.operations.watch import Watch

if TYPE_CHECKING:
    from clavel_tui.bus.for_console import ConsoleClient

WAIT_S = 15.0
GIVE_UP_S = 1800.0
"""A closure over a slow line, an activation, its confirmation; then it is told that nobody knows."""


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
        if request.verb is not Verb.ROLLBACK or claveld is None or state.agent is None:
            return None
        said = state.agent.of(unit.name)
        if said and said.phase is Phase.HELD:
            return None
        try:
            ref, known = await claveld.ref(unit.name), await claveld.deployments(unit.name)
            good = await claveld.good(unit.name)
        except ClaveldError as error:
            hint = f"to push all the same: `clavel-agent hold` on {unit.name}"
            raise RefusedError(f"{unit.name} pulls, and {error}", hint) from error
        target = _target(request.release, ref, known, good, state.facts)
        moved = PullPlan(
            name=unit.name,
            deployment=target.deployment.id,
            short=target.short,
            nar_id=target.deployment.nar_id,
            revision=ref.revision,
            before=ref.short,
        )
        return Plan(
            request=request.model_copy(update={"pull": True}),
            title=f"{title} to {target.short}",
            release=target.short,
            pull=moved,
            commands=(f"claveld rollback {unit.name} --to {target.deployment.id[:12]}",),
            notes=(
                f"{unit.name} pulls: its ref goes from {ref.short} to {target.short}, and its agent applies that",
                f"it stays there until `clavel-tui agent unpin {unit.name}`: evaluations leave it",
            ),
        )


def _target(said: str, ref: RefState, known: list[Recorded], good: list[str], facts: Facts | None) -> Recorded:
    """The recorded Deployment that is meant: by its name or id, by its store path, by a generation that runs it."""
    by_id = {one.deployment.id: one for one in known}
    if not said:
        found = [by_id[ident] for ident in good if ident in by_id and ident != ref.deployment.id]
        if not found:
            hint = f"say which one: `clavel-tui rollback --unit {ref.name} --to ID`; `claveld deployments {ref.name}` lists them"
            raise RefusedError(f"no agent has reported another Deployment of {ref.name} as applied and well", hint)
        return found[0]
    path = dict(facts.generations).get(int(said), "") if said.isdecimal() and facts else said
    ident = said.rpartition("@")[2]
    found = [one for one in known if one.deployment.nar_id == path or (ident and one.deployment.id.startswith(ident))]
    if len({one.deployment.nar_id for one in found}) != 1:
        hint = f"to push it all the same: `clavel-tui agent hold {ref.name}` first"
        many = "more than one" if found else "no"
        raise RefusedError(f"claveld has recorded {many} Deployment of {ref.name} that is {said}", hint)
    return found[0]


class PullRun:
    """Carries one: moves the ref, and waits until the agent has said what became of it."""

    def __init__(self, parts: Parts, claveld: ConsoleClient, pull: PullPlan, operation: Operation) -> None:
        self._parts = parts
        self._claveld = claveld
        self._pull = pull
        self.operation = operation

    async def carry(self) -> None:
        """Ends in the journal."""
        pull = self._pull
        try:
            await self._claveld.roll_back(pull.name, pull.deployment, self.operation.origin.reason, pull.revision)
        except ClaveldError as error:
            await self._end(Outcome.REFUSED, f"nothing was changed: {error}")
            return
        self.operation = self.operation.model_copy(update={"step": "its agent applies it", "came_from": pull.before})
        text = f"{pull.name} points to {pull.short}; its agent is waited for"
        await self._parts.journal.record([("state", self.operation.id, pull.name, text)], self.operation)
        begun, seq = self._parts.clock.wall(), 0
        while 0 <= self._parts.clock.wall() - begun < GIVE_UP_S:
            try:
                if seq:
                    await self._claveld.events(seq, WAIT_S)
                states, seq = await self._claveld.agents()
            except ClaveldError:
                await self._parts.clock.sleep(WAIT_S)
                continue
            reports = [report for state in states if (report := state.of(pull.name)) and report.desired == pull.deployment]
            for report in reports:
                if report.phase is Phase.IDLE and report.running == pull.nar_id:
                    await self._end(Outcome.SUCCEEDED, f"{pull.short} runs, as its agent has seen")
                    return
                if report.phase is Phase.QUARANTINED:
                    await self._end(Outcome.RETURNED, report.text)
                    return
        await self._end(Outcome.UNKNOWN, f"the ref points to {pull.short}, and its agent has not said that it runs")

    async def _end(self, outcome: Outcome, text: str) -> None:
        self.operation = self.operation.ended_with(outcome, text, self._parts.clock.wall())
        await self._parts.journal.settle(self.operation)
