"""The fleet in this process: implements FleetClient with the engine, the watch and the journal."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from clavel_tui.compose import ask
from clavel_tui.compose.job import stack_bundle
from clavel_tui.domain.deployment import Deployment, Recorded
from clavel_tui.domain.errors import RefusedError, StoreRefusedError
from clavel_tui.domain.mute import Mute
from clavel_tui.domain.operation import Event, Operation, Plan, Request, State, Verb
from clavel_tui.domain.outcome import Outcome
from clavel_tui.domain.source import Evaluation, Source
from clavel_tui.domain.system import SystemPlan
from clavel_tui.domain.unit import Stack, Unit
from clavel_tui.fleet.state import FleetState, SourceState, UnitState
from clavel_tui.history import JournalError
from clavel_tui.inventory import stack_files
from clavel_tui.inventory.flakes import absolute
from clavel_tui.inventory.watching import source_changes
from clavel_tui.operations.evaluate import Evaluating
from clavel_tui.operations.evaluation import EvaluationRun, find_source
from clavel_tui.operations.parts import Parts, unit_error
from clavel_tui.operations.planner import Planner
from clavel_tui.operations.run import Run
from clavel_tui.operations.system_run import SystemRun
from clavel_tui.operations.watch import Watch
from clavel_tui.probe.frozen import frozen_probe
from clavel_tui.remote.errors import RemoteError
from clavel_tui.remote.jobs import JobClient
from clavel_tui.remote.keys import authorized_line
from clavel_tui.remote.trust import SshFiles, append_host_key, first_contact

TAIL_S = 0.2
"""Between two looks for new events in the journal: other consoles write there as well."""
RECONCILE_S = 5.0
_HERE = {Verb.EVALUATE, Verb.PREPARE}
"""They run on this workstation alone: with their console they are gone."""


class InProcessFleet:
    """See FleetClient."""

    def __init__(self, parts: Parts, files: SshFiles, shut: Callable[[], Awaitable[None]]) -> None:
        self._parts = parts
        self._shut = shut
        self._files = files
        self._watch = Watch(parts)
        self._planner = Planner(parts, self._watch)
        self._runs: dict[str, asyncio.Task[None]] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        self._preparing: dict[str, SystemRun] = {}
        self._seen_seq = 0
        self._known_seq = -1
        self._moved = -1

    async def load(self) -> None:
        """From the cache; what is older than anybody keeps goes first."""
        await self._parts.journal.tidy()
        await self._watch.load()
        await self._load_known()

    async def acknowledge(self, unit: str, code: str, text: str, until: float) -> None:
        """See FleetClient."""
        self._jobs()  # a read-only console leaves others' alarms as they are
        operator = (await self._parts.origin()).operator
        mute = Mute(unit=unit, code=code, text=text, until=until, at=self._parts.clock.wall(), operator=operator)
        await self._parts.mutes.add(mute)
        await self._parts.journal.record([("acknowledged", "", unit, f"{text}, by {operator}")])

    async def alarm_again(self, unit: str, code: str, text: str) -> None:
        """See FleetClient."""
        self._jobs()
        await self._parts.mutes.remove([Mute(unit=unit, code=code, text=text)])
        await self._parts.journal.record([("acknowledged", "", unit, f"{text}: alarms again")])

    async def _load_known(self) -> None:
        """What units should run, and what was acknowledged; read anew where this console or another one has changed it."""
        self._watch.mute(await self._parts.mutes.all())
        moved = await self._parts.deployments.moved()
        if moved != self._moved:
            self._moved = moved
            self._watch.should_run(await self._parts.deployments.heads())

    async def snapshot(self) -> FleetState:
        """See FleetClient."""
        seq = await self._parts.journal.last_seq()
        if seq != self._known_seq:  # every evaluation and acknowledgement ends with an event
            await self._load_known()
            self._known_seq = seq
        operations = tuple(operation for operation, _, _ in await self._parts.journal.open_operations())
        units = tuple(self._watch.state(unit) for unit in self._parts.fleet.units)
        return FleetState(name=self._parts.fleet.name, units=units, operations=operations, seq=seq)

    def unit_now(self, name: str) -> UnitState | None:
        """See FleetClient."""
        unit = self._parts.fleet.unit(name)
        return self._watch.state(unit) if unit else None

    async def changed(self) -> None:
        """See FleetClient. Another console's operations are seen in the journal they share."""
        while not self._watch.changed.is_set():
            seq = await self._parts.journal.last_seq()
            if seq != self._seen_seq:
                self._seen_seq = seq
                break
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TAIL_S):
                    await self._watch.changed.wait()
        self._watch.changed.clear()

    async def events(self, after: int) -> AsyncIterator[Event]:
        """See FleetClient. The journal itself is the broker, so both of two consoles see everything."""
        while True:
            found = await self._parts.journal.events(after)
            for event in found:
                after = event.seq
                yield event
            if not found:
                await asyncio.sleep(TAIL_S)

    async def refresh(self, units: Sequence[str] = ()) -> None:
        """See FleetClient."""
        chosen = [u for u in self._parts.fleet.units if not units or u.name in units]
        await self._watch.look_at(chosen, now=True)

    async def plan(self, request: Request) -> Plan:
        """See FleetClient."""
        return await self._planner.plan(request)

    async def sources(self) -> Sequence[SourceState]:
        """See FleetClient."""
        evaluated = await self._parts.deployments.sources()
        said = {source.name: source for source in self._parts.fleet.sources}
        known = said | {name: evaluation.source for name, (_, evaluation) in evaluated.items() if name not in said}
        return [_source_state(source, *evaluated.get(name, (0.0, None))) for name, source in sorted(known.items())]

    async def source_changes(self, source: str) -> AsyncIterator[None]:
        """See FleetClient."""
        async for _ in source_changes((await self._source(source)).url):
            yield

    async def _source(self, said: str) -> Source:
        """Of fleet.toml, else one that was evaluated under that name, else a flake reference as it is meant from here."""
        recorded = [evaluation.source for _, evaluation in (await self._parts.deployments.sources()).values()]
        named = {one.name: one for one in (*recorded, *self._parts.fleet.sources)}
        if said in named:
            return named[said]
        url = absolute(said, Path.cwd()) if said else ""
        return named.get(url) or find_source(self._parts.fleet.sources, url)

    async def deployments(self, name: str = "") -> Sequence[Recorded]:
        """See FleetClient."""
        return await self._parts.deployments.deployments(name)

    async def deployment(self, said: str) -> Deployment:
        """See FleetClient."""
        found = await self._parts.deployments.find(said)
        if len(found) != 1:
            raise RefusedError(f"{'no Deployment is' if not found else 'more than one Deployment is'} called {said}")
        return found[0]

    async def evaluate(self, source: str, reason: str = "") -> str:
        """See FleetClient."""
        if self._parts.evaluator is None:
            raise self._read_only()
        found = await self._source(source)
        request = Request(unit="", stack=found.name, verb=Verb.EVALUATE)
        for operation, runner, _ in await self._parts.journal.open_operations():
            if operation.request == request and runner == self._parts.runner_name:
                return operation.id
        operation = await self._begin(request, reason)
        evaluating = Evaluating(self._parts.fleet, self._parts.evaluator, self._parts.deployments)
        run = EvaluationRun(self._parts, evaluating, self._parts.deployments, operation)
        self._track(operation.id, f"source {found.name}", run.run(found))
        return operation.id

    async def submit(self, plan: Plan, reason: str = "") -> str:
        """See FleetClient."""
        if plan.refusal:
            raise RefusedError(plan.refusal)
        unit, jobs = self._unit(plan.request.unit), self._jobs()
        if plan.system:
            return await self._deploy(plan, plan.system, unit, jobs, reason)
        stack = unit.stack(plan.request.stack) or self._unknown_stack(unit, plan.request.stack)
        files = await asyncio.to_thread(stack_files, Path(stack.source)) if plan.request.verb is Verb.UPDATE else {}
        operation = await self._begin(plan.request, reason, plan.born)
        run = Run(self._parts, jobs, self._watch, unit, operation)
        bundle = stack_bundle(operation.id, plan, stack, operation.origin, self._parts.clock.wall(), files)
        self._track(operation.id, unit.name, run.from_the_start(bundle))
        return operation.id

    async def _deploy(self, plan: Plan, system: SystemPlan, unit: Unit, jobs: JobClient, reason: str) -> str:
        operation = await self._begin(plan.request, reason, plan.born)
        run = SystemRun(self._parts, Run(self._parts, jobs, self._watch, unit, operation), unit, plan, system)
        self._preparing[operation.id] = run
        self._track(operation.id, unit.name, run.carry())
        return operation.id

    async def _begin(self, request: Request, reason: str, born: str = "") -> Operation:
        """The intent, in the journal."""
        origin = await self._parts.origin()
        operation = Operation(
            id=uuid.uuid4().hex[:16],
            request=request,
            origin=origin.model_copy(update={"reason": reason or request.reason}),
            state=State.RUNNING,
            started=self._parts.clock.wall(),
            born=born,
        )
        self._parts.checkpoint("planned")
        try:
            await self._parts.journal.begin(operation)
        except JournalError as error:
            raise StoreRefusedError(f"{error.text}; nothing was changed", error.hint) from error
        return operation

    def _track(self, ident: str, unit: str, work: Coroutine[Any, Any, object]) -> None:
        async def limited() -> None:
            # One after the other on a unit: its lock would refuse the second, and a person has confirmed both.
            async with self._turns.setdefault(unit, asyncio.Lock()), self._parts.at_once:
                await work

        self._runs[ident] = asyncio.create_task(limited())

    async def wait(self, operation: str) -> Operation:
        """See FleetClient."""
        if task := self._runs.get(operation):
            try:
                await asyncio.wait([task])
                if not task.cancelled():
                    task.result()
            except JournalError as error:
                raise StoreRefusedError(f"{error.text}; the operation goes on, on its unit", error.hint) from error
        found = await self._parts.journal.operation(operation)
        if found is None:
            raise RefusedError(f"there is no operation {operation}")
        return found

    async def cancel(self, operation: str) -> str:
        """See FleetClient."""
        found = await self._parts.journal.operation(operation)
        if found is None or found.state is State.SETTLED:
            return "that operation has ended already"
        preparing = found.id in self._preparing and self._preparing[found.id].preparing
        if preparing or found.request.verb in _HERE:
            task = self._runs.get(found.id)
            if task is None:
                return "another console does it: it is cancelled there"
            task.cancel()
            await asyncio.wait([task])
            await self._settle_cancelled(found.id)
            return "it is stopped"
        try:
            await self._jobs().leave_word(self._parts.target(self._unit(found.request.unit)), found.id, "cancel")
        except RemoteError as error:
            return f"it could not be told: {error.text}"
        await self._parts.journal.record([("state", found.id, found.request.unit, "cancel was asked for")])
        return "asked: it ends at its next safe point, and during activation it returns to what ran before"

    async def _settle_cancelled(self, ident: str) -> None:
        """One that still waited for its turn has said nothing itself."""
        operation = await self._parts.journal.operation(ident)
        if operation and operation.state is State.RUNNING:
            ended = {"state": State.SETTLED, "outcome": Outcome.CANCELLED, "ended": self._parts.clock.wall()}
            text = "it was stopped before it began: nothing was changed"
            await self._parts.journal.settle(operation.model_copy(update={**ended, "text": text}))

    async def history(self, limit: int = 200, unit: str = "") -> Sequence[Operation]:
        """See FleetClient."""
        return await self._parts.journal.operations(limit, unit)

    async def operation(self, ident: str) -> Operation | None:
        """See FleetClient."""
        return await self._parts.journal.operation(ident)

    async def operation_events(self, operation: str) -> Sequence[Event]:
        """See FleetClient."""
        return await self._parts.journal.events(0, operation, 20_000)

    async def logs(self, unit: str, stack: str, service: str, *, tail: int, follow: bool, on_line: Callable[[str], None]) -> str:
        """See FleetClient."""
        found = self._unit(unit)
        declared = found.stack(stack) or self._unknown_stack(found, stack)
        try:
            return await ask.logs(
                self._parts.runner,
                self._parts.target(found),
                declared.path,
                service,
                tail=tail,
                follow=follow,
                on_line=on_line,
            )
        except RemoteError as error:
            return error.text

    async def check_images(self, unit: str, stack: str) -> dict[str, tuple[str, str]]:
        """See FleetClient."""
        found = self._unit(unit)
        try:
            await self._watch.look(found)
            view = self._watch.state(found).stack(stack)
            if view is None or not view.containers:
                return {}
            return await ask.newer(self._parts.runner, self._parts.target(found), view.containers[0].project)
        except RemoteError as error:
            raise unit_error(error) from error

    async def unlock(self, unit: str) -> Sequence[str]:
        """See FleetClient."""
        try:
            return await self._jobs().unlock(self._parts.target(self._unit(unit)))
        except RemoteError as error:
            raise unit_error(error) from error

    async def fingerprint(self, unit: str) -> tuple[str, str]:
        """See FleetClient."""
        found = self._unit(unit)
        try:
            return await first_contact(found.address, found.port, self._files)
        except RemoteError as error:
            raise unit_error(error) from error

    async def trust(self, line: str) -> str:
        """See FleetClient."""
        self._jobs()  # a read-only console changes nothing on the workstation either
        try:
            return await asyncio.to_thread(append_host_key, self._files, line)
        except OSError as error:
            text = f"{self._files.hosts_file} cannot be written: {error.strerror}"
            raise RefusedError(text, "name another file with --known-hosts") from error

    async def look_key(self, unit: str, key: str) -> str:
        """See FleetClient."""
        return authorized_line(self._parts.target(self._unit(unit)), key)

    async def install_look_key(self, unit: str, key: str) -> str:
        """See FleetClient."""
        found = self._unit(unit)
        target = self._parts.target(found)
        if self._parts.keys is None:
            raise self._read_only()
        try:
            where = await self._parts.keys.install(target, frozen_probe(found, target), key)
        except RemoteError as error:
            raise unit_error(error) from error
        await self._parts.journal.record([("key", "", unit, f"a read-only key {where}: {' '.join(key.split()[2:])}")])
        return where

    async def watch(self) -> None:
        """See FleetClient."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch.keep_looking())
            group.create_task(self._keep_reconciling())

    async def _keep_reconciling(self) -> None:
        while self._parts.jobs:
            await self.reconcile()
            await self._parts.clock.sleep(RECONCILE_S)

    async def reconcile(self) -> None:
        """Operations that no living console carries are taken over; each is settled only after its unit was seen."""
        if self._parts.jobs is None:
            return
        for operation, runner, _ in await self._parts.journal.open_operations():
            mine = runner == self._parts.runner_name
            if (task := self._runs.get(operation.id)) and not task.done():
                continue
            if not mine and (self._parts.is_alive(runner) or not await self._parts.journal.adopt(operation.id, runner)):
                continue
            if operation.request.verb in _HERE:
                await self._parts.journal.settle(_ended_with_its_console(operation, self._parts.clock.wall()))
                continue
            unit = self._parts.fleet.unit(operation.request.unit)
            if unit is None or (operation.state is State.UNKNOWN and self._watch.state(unit).trouble):
                continue
            run = Run(self._parts, self._parts.jobs, self._watch, unit, operation.model_copy(update={"lost": True}))
            self._track(operation.id, unit.name, run.settle_by_unit("the console ended before it was started"))

    async def settle_open(self) -> None:
        """Takes over what is open and waits for it: for a command that runs once."""
        await self.reconcile()
        await asyncio.gather(*self._runs.values(), return_exceptions=True)

    async def close(self) -> None:
        """See FleetClient."""
        for task in self._runs.values():
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._runs.values(), return_exceptions=True)
        await self._parts.runner.close()
        await self._shut()

    def _unit(self, name: str) -> Unit:
        unit = self._parts.fleet.unit(name)
        if unit is None:
            raise RefusedError(f"there is no unit {name} in this fleet")
        return unit

    def _jobs(self) -> JobClient:
        if self._parts.jobs is None:
            raise self._read_only()
        return self._parts.jobs

    def _read_only(self) -> RefusedError:
        return RefusedError(f"this console is read-only: {self._parts.read_only} says so")

    def _unknown_stack(self, unit: Unit, name: str) -> Stack:
        view = self._watch.state(unit).stack(name)
        if view is None or not view.path:
            raise RefusedError(f"there is no stack {name} on {unit.name}")
        return Stack(name=name, path=view.path)


def _ended_with_its_console(operation: Operation, at: float) -> Operation:
    said = "nothing was recorded" if operation.request.verb is Verb.EVALUATE else "nothing that runs was changed"
    text = f"the console ended meanwhile; {said}"
    return operation.model_copy(update={"state": State.SETTLED, "outcome": Outcome.INTERRUPTED, "text": text, "ended": at})


def _source_state(source: Source, at: float, evaluation: Evaluation | None) -> SourceState:
    return SourceState(source=source, at=at, evaluation=evaluation)
