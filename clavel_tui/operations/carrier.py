"""Carries operations to their ends: each behind its intent in the journal, one at a time on a unit, a few at once in all."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from clavel_tui.compose.job import stack_bundle
from clavel_tui.domain.errors import RefusedError, StoreRefusedError
from clavel_tui.domain.operation import Operation, Plan, Request, State, Verb
from clavel_tui.domain.outcome import Outcome
from clavel_tui.domain.rollout import Rollout
from clavel_tui.domain.unit import Stack, Unit
from clavel_tui.history import JournalError
from clavel_tui.inventory import files_sum, stack_files
from clavel_tui.operations.machine import machine_bundle
from clavel_tui.operations.parts import Parts
from clavel_tui.operations.pull_plan import PullRun
from clavel_tui.operations.run import Run
from clavel_tui.operations.system_run import SystemRun
from clavel_tui.operations.watch import Watch
from clavel_tui.remote.bundle import Bundle
from clavel_tui.remote.errors import RemoteError
from clavel_tui.remote.jobs import JobClient

HERE = {Verb.EVALUATE, Verb.PREPARE}
"""They run on this workstation alone: with their console they are gone."""


class Carrier:
    """The operations that this console carries."""

    def __init__(self, parts: Parts, watch: Watch) -> None:
        self._parts = parts
        self._watch = watch
        self._runs: dict[str, asyncio.Task[None]] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        self._preparing: dict[str, Callable[[], bool]] = {}
        """Of an operation whether nothing was started on its unit yet: until then it is stopped here."""
        self._beginning: set[str] = set()

    async def submit(self, plan: Plan, reason: str = "", *, ident: str = "", parent: str = "") -> str:
        """Starts what was confirmed. ``ident``: of its own making, for one that a rollout (``parent``) begins just once.

        Raises:
            RefusedError: it cannot be done at all.
        """
        if plan.refusal:
            raise RefusedError(plan.refusal)
        unit, jobs = self.unit(plan.request.unit), self.jobs()
        stack = self.stack(unit, plan.request.stack) if plan.request.stack else None
        files = {}
        if stack and plan.request.verb is Verb.UPDATE:
            files = await asyncio.to_thread(stack_files, Path(stack.source))
            if files_sum(files) != plan.source:
                raise RefusedError(f"the files of {stack.name} have changed since they were previewed", "look at them again")
        operation = await self.begin(plan.request, reason, born=plan.born, ident=ident, parent=parent)
        run = Run(self._parts, jobs, self._watch, unit, operation)
        self._preparing[operation.id] = lambda: not run.begun
        if stack:
            bundle = stack_bundle(operation.id, plan, stack, operation.origin, self._parts.clock.wall(), files)
            outside = self._excusing(run, bundle, ()) if stack.confirm_seconds else run.from_the_start(bundle)
            self.track(operation.id, unit.name, outside)
        elif plan.pull and self._parts.claveld:
            self._preparing.pop(operation.id)
            self.track(operation.id, unit.name, PullRun(self._parts, self._parts.claveld, plan.pull, operation).carry())
        elif plan.system:
            self.track(operation.id, unit.name, SystemRun(self._parts, run, unit, plan, plan.system).carry())
        else:
            bundle = machine_bundle(operation.id, plan, unit, operation.origin, self._parts.clock.wall())
            self.track(operation.id, unit.name, self._excusing(run, bundle, plan.excused))
        return operation.id

    def take_up(self, operation: Operation, plan: Plan) -> None:
        """Starts a deployment that has waited for its unit; only one console gets it."""
        unit, jobs = self.unit(plan.request.unit), self.jobs()
        now = {"state": State.RUNNING, "born": plan.born, "started": self._parts.clock.wall()}
        run = Run(self._parts, jobs, self._watch, unit, operation.model_copy(update=now))
        self._preparing[operation.id] = lambda: not run.begun

        async def carried() -> None:
            if plan.system and await self._parts.journal.take_up(run.operation):
                await SystemRun(self._parts, run, unit, plan, plan.system).carry()

        self.track(operation.id, unit.name, carried())

    @staticmethod
    async def _excusing(run: Run, bundle: Bundle, excused: tuple[str, ...]) -> None:
        """What fails from here before it is no fault of it."""
        await run.from_the_start(bundle, (*excused, *sorted(await run.failing_outside())))

    async def begin(
        self,
        request: Request,
        reason: str,
        *,
        born: str = "",
        ident: str = "",
        parent: str = "",
        rollout: Rollout | None = None,
        state: State = State.RUNNING,
        came_from: str = "",
    ) -> Operation:
        """The intent, in the journal; a PLANNED one is carried by nobody yet."""
        origin = await self._parts.origin()
        operation = Operation(
            id=ident or uuid.uuid4().hex[:16],
            request=request,
            origin=origin.model_copy(update={"reason": reason or request.reason}),
            state=state,
            started=self._parts.clock.wall(),
            born=born,
            came_from=came_from,
            parent=parent,
        )
        self._parts.checkpoint("planned")
        if state is State.RUNNING:
            self._beginning.add(operation.id)  # seen in the journal before it is carried, it is nobody's orphan
        try:
            await self._parts.journal.begin(operation, rollout)
        except JournalError as error:
            self._beginning.discard(operation.id)
            raise StoreRefusedError(f"{error.text}; nothing was changed", error.hint) from error
        except asyncio.CancelledError:  # it may stand there by now, and nobody carries it
            self._beginning.discard(operation.id)
            raise
        return operation

    def track(self, ident: str, turn: str, work: Coroutine[Any, Any, object], *, steers: bool = False) -> None:
        """Carries it when its turn comes. One that only steers others takes none of the places that these need."""

        async def limited() -> None:
            # One after the other on a unit: its lock would refuse the second, and a person has confirmed both.
            async with self._turns.setdefault(turn, asyncio.Lock()), contextlib.nullcontext() if steers else self._parts.at_once:
                await work

        self._runs[ident] = asyncio.create_task(limited())
        self._beginning.discard(ident)

    def carries(self, ident: str) -> bool:
        """Whether this console is at it now."""
        task = self._runs.get(ident)
        return ident in self._beginning or (task is not None and not task.done())

    async def wait(self, ident: str) -> Operation:
        """Returns when the operation is settled, or left unknown because its unit cannot be reached."""
        if task := self._runs.get(ident):
            try:
                await asyncio.wait([task])
                if not task.cancelled():
                    task.result()
            except JournalError as error:
                raise StoreRefusedError(f"{error.text}; the operation goes on, on its unit", error.hint) from error
        found = await self._parts.journal.operation(ident)
        if found is None:
            raise RefusedError(f"there is no operation {ident}")
        return found

    async def cancel(self, ident: str) -> str:
        """Asks it to stop at its next safe point; returns a sentence for the person who asked."""
        found = await self._parts.journal.operation(ident)
        if found is None or found.state is State.SETTLED:
            return "that operation has ended already"
        if found.state is State.PLANNED:
            text = "it waited for its unit, and was not begun: nothing was changed"
            ended = found.ended_with(Outcome.CANCELLED, text, self._parts.clock.wall())
            if await self._parts.journal.settle(ended, only=State.PLANNED):
                return "it waits no longer"
        if found.request.pull:
            return f"its ref has moved already: roll it back to another one, or `clavel-tui agent unpin {found.request.unit}`"
        preparing = self.carries(found.id) and self._preparing.get(found.id, lambda: False)()
        if preparing or found.request.verb in HERE:
            return await self._stop_here(found.id)
        try:
            await self.jobs().leave_word(self._parts.target(self.unit(found.request.unit)), found.id, "cancel")
        except RemoteError as error:
            return f"it could not be told: {error.text}"
        await self._parts.journal.record([("state", found.id, found.request.unit, "cancel was asked for")])
        if found.request.stack and found.request.verb is not Verb.UPDATE:
            return "asked: it ends at its next safe point, and goes on to its end where it has changed something already"
        return "asked: it ends at its next safe point, and during activation it returns to what ran before"

    async def _stop_here(self, ident: str) -> str:
        task = self._runs.get(ident)
        if task is None:
            return "another console does it: it is cancelled there"
        self._beginning.add(ident)  # nobody's orphan until its end is written
        try:
            task.cancel()
            await asyncio.wait([task])
            operation = await self._parts.journal.operation(ident)
            if operation and operation.state is State.RUNNING:  # it still waited for its turn, and has said nothing itself
                text = "it was stopped before it began: nothing was changed"
                await self._parts.journal.settle(operation.ended_with(Outcome.CANCELLED, text, self._parts.clock.wall()))
        finally:
            self._beginning.discard(ident)
        return "it is stopped"

    async def reconcile(self) -> None:
        """Operations that no living console carries are taken over; each is settled only after its unit was seen."""
        if self._parts.read_only:
            return
        for operation, runner, _ in await self._parts.journal.open_operations():
            mine = runner == self._parts.runner_name
            if operation.request.verb is Verb.ROLLOUT or operation.state is State.PLANNED or self.carries(operation.id):
                continue
            if self._parts.jobs is None and operation.request.verb not in HERE:
                continue  # claveld's: nothing of it could ask the unit
            if not mine and (self._parts.is_alive(runner) or not await self._parts.journal.adopt(operation.id, runner)):
                continue
            if operation.request.verb in HERE:
                said = "nothing was recorded" if operation.request.verb is Verb.EVALUATE else "nothing that runs was changed"
                text = "how it ended could not be written down" if mine else f"the console ended meanwhile; {said}"
                await self._parts.journal.settle(operation.ended_with(Outcome.INTERRUPTED, text, self._parts.clock.wall()))
                continue
            if operation.request.pull:
                text = "the console ended meanwhile; its ref points where it was told to: `clavel-tui agents` says what runs"
                await self._parts.journal.settle(operation.ended_with(Outcome.INTERRUPTED, text, self._parts.clock.wall()))
                continue
            unit = self._parts.fleet.unit(operation.request.unit)
            if self._parts.jobs is None or unit is None or (operation.state is State.UNKNOWN and self._watch.state(unit).trouble):
                continue
            run = Run(self._parts, self._parts.jobs, self._watch, unit, operation.model_copy(update={"lost": True}))
            why = "its start never reached the unit" if mine else "the console ended before it was started"
            self.track(operation.id, unit.name, run.settle_by_unit(why))

    async def settle_open(self) -> None:
        """Takes over what is open and waits for it: for a command that runs once."""
        await self.reconcile()
        await asyncio.gather(*self._runs.values(), return_exceptions=True)

    async def leave(self) -> None:
        """Jobs that run go on, on their units."""
        for task in self._runs.values():
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._runs.values(), return_exceptions=True)

    def unit(self, name: str) -> Unit:
        """The unit of that name, or RefusedError."""
        unit = self._parts.fleet.unit(name)
        if unit is None:
            raise RefusedError(f"there is no unit {name} in this fleet")
        return unit

    def stack(self, unit: Unit, name: str) -> Stack:
        """As the fleet's files declare it, else where the unit itself says that it is."""
        if declared := unit.stack(name):
            return declared
        view = self._watch.state(unit).stack(name)
        if view is None or not view.path:
            raise RefusedError(f"there is no stack {name} on {unit.name}")
        return Stack(name=name, path=view.path)

    def jobs(self) -> JobClient:
        """What changes units, or RefusedError in a console that may only look."""
        if self._parts.jobs is None:
            raise self.read_only()
        return self._parts.jobs

    def read_only(self) -> RefusedError:
        """Who wants that nothing is changed."""
        return RefusedError(f"this console is read-only: {self._parts.read_only} says so")
