"""Rollouts: begun, told by people to pause, go on or end, and taken up again after their console has ended."""

from __future__ import annotations

from collections.abc import Sequence

from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.operation import Operation, Plan, Request, State, Verb
from clavel_tui.domain.rollout import BACK, Rollout, Word, attempts, child, ills, named
from clavel_tui.domain.waves import RolloutSettings
from clavel_tui.fleet.state import RolloutState, RolloutUnit
from clavel_tui.operations.carrier import Carrier
from clavel_tui.operations.parts import Parts
from clavel_tui.operations.rollout_run import FAILURE, WORD, RolloutRun
from clavel_tui.operations.watch import Watch

ORPHANED = "paused: its console ended"


class Rollouts:
    """All rollouts of this fleet; those of other consoles by way of the journal."""

    def __init__(self, parts: Parts, carrier: Carrier, watch: Watch) -> None:
        self._parts = parts
        self._carrier = carrier
        self._watch = watch

    async def begin(self, plans: Sequence[Plan], settings: RolloutSettings, reason: str) -> str:
        """Starts what was confirmed; returns its id.

        Raises:
            RefusedError: one of the plans cannot be carried out, or two are about the same thing.
        """
        self._carrier.jobs()
        if refused := next((plan for plan in plans if plan.refusal), None):
            raise RefusedError(f"{refused.title}: {refused.refusal}")
        if len({(plan.request.unit, plan.request.stack) for plan in plans}) < len(plans) or not plans:
            raise RefusedError("a rollout needs at least one unit, and each of them once")
        unwell = {name: ills(self._watch.state(self._carrier.unit(name)).health) for name in {p.request.unit for p in plans}}
        rollout = Rollout.of(plans, settings, unwell)
        request = Request(unit="", stack="", verb=Verb.ROLLOUT, release=rollout.title)
        operation = await self._carrier.begin(request, reason, rollout=rollout)
        self._carry(operation, rollout)
        return operation.id

    def _carry(self, operation: Operation, rollout: Rollout) -> None:
        run = RolloutRun(self._parts, self._carrier, self._watch, operation, rollout)
        self._carrier.track(operation.id, f"rollout {operation.id}", run.carry(), steers=True)

    async def tell(self, ident: str, word: Word) -> str:
        """Returns a sentence for the person who said it. One whose console has ended is taken up by this one."""
        self._carrier.jobs()
        operation, rollout = await self._known(ident)
        if operation.state is State.SETTLED:
            return "that rollout has ended already"
        runner = next((name for one, name, _ in await self._parts.journal.open_operations() if one.id == operation.id), "")
        dead = not self._carrier.carries(operation.id) and not self._lives_elsewhere(runner)
        if dead and word is Word.PAUSE:
            return f"it is {ORPHANED}"
        if dead and not await self._parts.journal.adopt(operation.id, runner):
            return "another console has just taken it up"
        by = (await self._parts.origin()).operator
        await self._parts.journal.record([(WORD, operation.id, "", f"{word.value} by {by}")])
        if dead:
            self._carry(operation, rollout)
        return {
            Word.PAUSE: "it begins nothing more until it is resumed; what was begun goes on to its end",
            Word.RESUME: "it goes on",
            Word.ABORT: "it begins nothing more, and what runs is asked to stop at its next safe point",
        }[word]

    def _lives_elsewhere(self, runner: str) -> bool:
        return runner != self._parts.runner_name and self._parts.is_alive(runner)

    async def pause_orphans(self) -> None:
        """Waves that nobody asked for must not begin because somebody opened a console; the next steps are a person's."""
        for operation, runner, _ in await self._parts.journal.open_operations():
            orphan = operation.request.verb is Verb.ROLLOUT and not self._carrier.carries(operation.id)
            if orphan and not self._lives_elsewhere(runner) and operation.step != ORPHANED:
                word = (WORD, operation.id, "", f"{Word.PAUSE.value} since its console ended")
                await self._parts.journal.record([word], operation.model_copy(update={"step": ORPHANED}))

    async def state(self, ident: str) -> RolloutState:
        """How it stands, unit by unit."""
        operation, rollout = await self._known(ident)
        rows = [(number, plan) for number, wave in enumerate(rollout.waves, 1) for plan in wave]
        keys = [(attempts(operation.id, plan), child(operation.id, plan, BACK)) for _, plan in rows]
        found = await self._parts.journal.some(key for forth, back in keys for key in (*forth, back))
        events = await self._parts.journal.events(0, operation.id, 20_000)
        failures = {event.unit: event.text for event in events if event.kind == FAILURE}
        units = tuple(
            RolloutUnit(
                wave=number,
                request=plan.request,
                operation=next((found[ident] for ident in reversed(forth) if ident in found), None),
                back=found.get(back),
                failure=failures.get(named(plan.request), ""),
            )
            for (number, plan), (forth, back) in zip(rows, keys, strict=True)
        )
        return RolloutState(operation=operation, settings=rollout.settings, units=units)

    async def _known(self, ident: str) -> tuple[Operation, Rollout]:
        operation = await self._parts.journal.operation(ident)
        rollout = await self._parts.journal.rollout(operation.id) if operation else None
        if operation is None or rollout is None:
            raise RefusedError(f"there is no rollout {ident}", "`clavel-tui history` lists them")
        return operation, rollout
