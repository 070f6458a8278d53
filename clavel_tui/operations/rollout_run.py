"""Carries one Rollout: wave after wave, each behind a gate, until it is through, stopped or aborted."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from clavel_tui.domain.errors import ClavelError
from clavel_tui.domain.operation import Operation, Plan, Request, State, Verb
from clavel_tui.domain.outcome import GOOD, Outcome
from clavel_tui.domain.rollout import (
    BACK,
    CHANGED,
    NOT_THERE,
    Rollout,
    Word,
    attempts,
    child,
    failed,
    ills,
    named,
    verdict,
)
from clavel_tui.domain.text import clean
from clavel_tui.domain.waves import OnStop
from clavel_tui.history import JournalError
from clavel_tui.operations import proof
from clavel_tui.operations.carrier import Carrier
from clavel_tui.operations.parts import Parts
from clavel_tui.operations.planner import Planner
from clavel_tui.operations.watch import Watch
from clavel_tui.remote.errors import RemoteError

LISTEN_S = 0.5
"""Between two looks for a word of a person: it may come from another console, by way of the journal."""
LOOK_S = 10.0
"""Between two looks at the units that are done, while they are watched."""
AT_ONCE = 8
"""Units of a wave that are worked on beside one another. None is begun before its place is free: a stop still spares it."""
FAILURE = "failure"
"""The kind of the events that say, of a unit, why the rollout counts it as failed."""
WORD = "word"
"""The kind of the events that say what a person told it: `pause`, `resume` or `abort`, and by whom."""
PAUSED = "paused"


class RolloutRun:
    """Begun twice, after its console ended, it goes on where it was: what was begun has left its id in the journal."""

    def __init__(self, parts: Parts, carrier: Carrier, watch: Watch, operation: Operation, rollout: Rollout) -> None:
        self._parts = parts
        self._carrier = carrier
        self._watch = watch
        self._planner = Planner(parts, watch)
        self._operation = operation
        self._rollout = rollout
        self._failures: dict[str, str] = {}
        self._words = asyncio.Condition()
        self._heard = 0
        self._paused = self._aborted = False
        self._doing = operation.step
        self._places = asyncio.Semaphore(AT_ONCE)

    async def carry(self) -> None:
        """The whole life, behind the journal's first row."""
        async with self._listening():
            for number, wave in enumerate(self._rollout.waves, 1):
                if number > 1:
                    await self._soak(number)
                if await self._may_begin():
                    await self._step(f"wave {number} of {len(self._rollout.waves)}")
                await self._wave(wave)  # stopped or not: some may have begun before
            await self._end()

    async def _wave(self, wave: Sequence[Plan]) -> None:
        """What ends one of them ends them all: nobody would hear a stop any more. Their jobs go on, on their units."""
        try:
            async with asyncio.TaskGroup() as group:
                for plan in wave:
                    group.create_task(self._one(plan))
        except* JournalError as errors:
            raise errors.exceptions[0] from None

    # ---- words of people

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[None]:
        """What was said before this console took it over counts as well: the last word is what holds."""
        await self._hear()
        listening = asyncio.create_task(self._keep_hearing())
        try:
            yield
        finally:
            listening.cancel()

    async def _keep_hearing(self) -> None:
        while True:
            await asyncio.sleep(LISTEN_S)
            with contextlib.suppress(JournalError):  # a disk that is full for a moment must not make it deaf
                await self._hear()

    async def _hear(self) -> None:
        for event in await self._parts.journal.events(self._heard, self._operation.id):
            self._heard = event.seq
            if event.kind == FAILURE:
                self._failures[event.unit] = event.text
            if event.kind == WORD:
                await self._obey(event.text.partition(" ")[0])

    async def _obey(self, word: str) -> None:
        async with self._words:
            self._paused = word == Word.PAUSE
            self._aborted = self._aborted or word == Word.ABORT
            self._words.notify_all()
        await self._show()
        if word == Word.ABORT:
            for operation in (await self._children()).values():
                if operation.state is State.RUNNING:  # whoever carries it, or nobody yet: its unit is told
                    await self._carrier.cancel(operation.id)

    async def _may_begin(self) -> bool:
        """Waits while it is paused; False where nothing more is begun."""
        async with self._words:
            await self._words.wait_for(lambda: not self._paused or self._stopped)
        return not self._stopped

    async def _rest(self, seconds: float) -> None:
        """Until then, or until nothing more is begun."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._words:
                await self._words.wait_for(lambda: self._stopped)

    @property
    def _stopped(self) -> bool:
        return self._aborted or len(self._failures) >= self._rollout.settings.stop_at

    @property
    def _returns(self) -> bool:
        """What is done is to be brought back."""
        return self._stopped and self._rollout.settings.on_stop is OnStop.RETURN

    # ---- one unit

    async def _one(self, plan: Plan) -> None:
        """One unit of a wave, to its end; one that another console began is waited for."""
        name = named(plan.request)
        async with self._places:
            try:
                operation = await self._carried(plan)
            except (ClavelError, RemoteError, OSError) as error:
                await self._fail(name, getattr(error, "text", str(error)))
                return
        if operation and failed(operation):
            await self._fail(name, f"{operation.word}: {operation.text}")

    async def _carried(self, plan: Plan) -> Operation | None:
        """None where nothing more is begun. What was left before it came to its unit is begun again, unless that is over."""
        idents = attempts(self._operation.id, plan)
        known = await self._parts.journal.some(idents)
        last, operation = next((ident for ident in reversed(idents) if ident in known), None), None
        if last:
            operation = await self._ended(last)
            if operation.outcome not in NOT_THERE or named(plan.request) in self._failures or last == idents[-1]:
                return operation
        if not await self._may_begin():
            return operation
        ident = idents[idents.index(last) + 1] if last else idents[0]
        await self._carrier.submit(plan, self._operation.origin.reason, ident=ident, parent=self._operation.id)
        if self._aborted:  # said while it was being begun, when there was nothing to stop yet
            await self._carrier.cancel(ident)
        return await self._ended(ident)

    async def _ended(self, ident: str) -> Operation:
        """Also of one whose console died: the carrier takes it over, and then it is waited for here."""
        while True:
            operation = await self._carrier.wait(ident)
            if operation.state in {State.SETTLED, State.UNKNOWN}:
                return operation
            await self._carrier.reconcile()
            await self._parts.clock.sleep(LISTEN_S)

    async def _fail(self, name: str, why: str) -> None:
        if name not in self._failures:
            self._failures[name] = clean(why)
            await self._parts.journal.record([(FAILURE, self._operation.id, name, clean(why))])
            async with self._words:
                self._words.notify_all()  # what is paused need not wait for what will not be begun

    async def _children(self) -> dict[str, Operation]:
        """By the names of their plans, of each the last that was begun."""
        of = {ident: named(plan.request) for plan in self._rollout.plans for ident in attempts(self._operation.id, plan)}
        found = await self._parts.journal.some(of)
        return {name: found[ident] for ident, name in of.items() if ident in found}

    # ---- the gate

    async def _soak(self, number: int) -> None:
        """Watches those that are done, at least once; not again where the next wave had begun before."""
        children = await self._children()
        begun = [plan for plan in self._rollout.plans if named(plan.request) in children]
        if self._stopped or len(begun) > sum(len(wave) for wave in self._rollout.waves[: number - 1]):
            return
        idle = all(operation.outcome is Outcome.NO_CHANGE for operation in children.values())
        left = 0.0 if idle else float(self._rollout.settings.soak_seconds)
        await self._step(f"watching before wave {number} of {len(self._rollout.waves)}, {left:.0f} s")
        while not self._stopped:
            await asyncio.gather(*(self._look(plan, children[named(plan.request)]) for plan in begun))
            if left <= 0:
                return
            await self._rest(min(left, LOOK_S))
            left -= LOOK_S

    async def _look(self, plan: Plan, operation: Operation) -> None:
        """A unit that was fine when its operation ended may fall ill behind it."""
        unit = self._carrier.unit(plan.request.unit)
        if named(plan.request) in self._failures or operation.outcome not in GOOD:
            return
        await self._watch.look(unit)
        state = self._watch.state(unit)
        known = self._rollout.unwell.get(unit.name, ())
        ill = (text for text in ills(state.health) if text not in known)
        if wrong := state.trouble or proof.wrong(state, operation) or "; ".join(ill):
            await self._fail(named(plan.request), f"it fell ill behind its operation: {wrong}")

    # ---- the end

    async def _end(self) -> None:
        children = await self._children()
        back: dict[str, Operation] = {}
        if self._returns:
            back = await self._return(children)
            children = await self._children()
        outcome = verdict(self._rollout, children, back, self._failures)
        if self._aborted and outcome not in GOOD:
            outcome = Outcome.CANCELLED
        self._parts.checkpoint("settling")
        ended = self._operation.ended_with(outcome, self._sentence(children, back), self._parts.clock.wall())
        await self._parts.journal.settle(ended)

    async def _return(self, children: dict[str, Operation]) -> dict[str, Operation]:
        """Those that have changed, each to what ran there before."""
        changed = _changed(children)
        await self._step(f"bringing {len(changed)} back")
        ended = await asyncio.gather(*(self._bring_back(operation) for operation in changed.values()))
        return {name: back for name, back in zip(changed, ended, strict=True) if back}

    async def _bring_back(self, operation: Operation) -> Operation | None:
        request = Request(
            unit=operation.request.unit,
            stack=operation.request.stack,
            verb=Verb.ROLLBACK,
            release=operation.came_from,
            confirm=operation.request.confirm,
        )
        ident = child(self._operation.id, Plan(request=request, title=""), BACK)
        try:
            if not await self._parts.journal.some([ident]):
                plan = await self._planner.plan(request)
                await self._carrier.submit(plan, "its rollout was stopped", ident=ident, parent=self._operation.id)
            return await self._ended(ident)
        except (ClavelError, RemoteError, OSError) as error:
            await self._note("warn", f"{named(request)} could not be brought back: {getattr(error, 'text', error)}")
            return None

    def _sentence(self, children: dict[str, Operation], back: dict[str, Operation]) -> str:
        all_of_them = len(self._rollout.plans)
        good = sum(operation.outcome in GOOD for operation in children.values())
        parts = [f"{good} of {all_of_them} done"]
        parts += [f"{unit}: {why}" for unit, why in self._failures.items()]
        if self._returns and (changed := _changed(children)):
            returned = {name for name, operation in back.items() if operation.outcome in GOOD}
            not_back = f" (not {', '.join(sorted(changed.keys() - returned))})" if changed.keys() - returned else ""
            parts.append(f"{len(returned)} of {len(changed)} brought back{not_back}")
        if left := all_of_them - len(children):
            parts.append(f"{left} not begun")
        return clean("; ".join(parts))

    async def _step(self, text: str) -> None:
        self._doing = text
        await self._show()

    async def _show(self) -> None:
        """What is begun goes on to its end, also while it is paused."""
        step = PAUSED if self._paused and not self._stopped else self._doing
        if step != self._operation.step:
            self._operation = self._operation.model_copy(update={"step": step})
            await self._note("step", step)

    async def _note(self, kind: str, text: str) -> None:
        await self._parts.journal.record([(kind, self._operation.id, "", text)], self._operation)


def _changed(children: Mapping[str, Operation]) -> dict[str, Operation]:
    """Those that there is something to bring back of."""
    return {name: operation for name, operation in children.items() if operation.outcome in CHANGED and operation.came_from}
