"""The fleet in this process: implements FleetClient with the engine, the watch and the journal."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Self

from clavel_tui.compose import ask
from clavel_tui.domain.agent import AgentState, Order, RefState
from clavel_tui.domain.deployment import Deployment, Recorded
from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.facts import Facts
from clavel_tui.domain.mute import Mute
from clavel_tui.domain.operation import Event, Operation, Plan, Request, Verb
from clavel_tui.domain.rollout import Word
from clavel_tui.domain.source import Evaluation, Source, standing
from clavel_tui.domain.unit import Elevate
from clavel_tui.domain.waves import RolloutSettings
from clavel_tui.fleet.state import FleetState, RolloutState, SourceState, UnitState
from clavel_tui.history import JournalError
from clavel_tui.inventory.flakes import absolute
from clavel_tui.inventory.watching import source_changes
from clavel_tui.operations import helper
from clavel_tui.operations.carrier import Carrier
from clavel_tui.operations.elsewhere import Elsewhere
from clavel_tui.operations.evaluate import Evaluating
from clavel_tui.operations.evaluation import EvaluationRun, find_source
from clavel_tui.operations.files import Files
from clavel_tui.operations.parts import Parts, unit_error
from clavel_tui.operations.planner import Planner
from clavel_tui.operations.pull import Pull, by_unit
from clavel_tui.operations.rollouts import Rollouts
from clavel_tui.operations.waiting import Waiting
from clavel_tui.operations.watch import Watch
from clavel_tui.probe.frozen import frozen_probe
from clavel_tui.process import current_folder
from clavel_tui.remote.errors import RemoteError
from clavel_tui.remote.keys import authorized_line
from clavel_tui.remote.trust import SshFiles, append_host_key, first_contact

TAIL_S = 0.2
"""Between two looks for new events in the journal: other consoles write there as well."""
RECONCILE_S = 5.0


class InProcessFleet:
    """See FleetClient."""

    def __init__(self, parts: Parts, files: SshFiles, shut: Callable[[], Awaitable[None]]) -> None:
        self._parts = parts
        self._shut = shut
        self._files = files
        self._watch = Watch(parts)
        self._planner = Planner(parts, self._watch)
        self._carrier = Carrier(parts, self._watch)
        self._waiting = Waiting(parts, self._carrier, self._planner, self._watch)
        self._rollouts = Rollouts(parts, self._carrier, self._watch)
        self._pull = Pull(parts, self._watch)
        self._fleet_files = Files(parts.fleet)
        self._seen_seq = 0
        self._known_seq = -1
        self._moved = -1

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Self]:
        """Itself, with what the journal knows; closed at the end of the block, and also where it cannot be opened."""
        try:
            await self.load()
            yield self
        finally:
            await self.close()

    async def load(self) -> None:
        """From the cache; what is older than anybody keeps goes first."""
        await self._parts.journal.tidy()
        await self._watch.load()
        await self._load_known()

    async def acknowledge(self, unit: str, code: str, text: str, until: float) -> None:
        """See FleetClient."""
        self._carrier.jobs()  # a read-only console leaves others' alarms as they are
        operator = (await self._parts.origin()).operator
        mute = Mute(unit=unit, code=code, text=text, until=until, at=self._parts.clock.wall(), operator=operator)
        await self._parts.mutes.add(mute)
        await self._parts.journal.record([("acknowledged", "", unit, f"{text}, by {operator}")])

    async def alarm_again(self, unit: str, code: str, text: str) -> None:
        """See FleetClient."""
        self._carrier.jobs()
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
        fleet = self._parts.fleet
        return FleetState(
            name=fleet.name,
            units=units,
            operations=operations,
            seq=seq,
            rollout=fleet.rollout,
            claveld=self._watch.claveld_trouble,
            journal=self._watch.unwritten,
            files=self._fleet_files.word,
        )

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
        await asyncio.gather(self._watch.look_at(chosen, now=True), self._pull.once())

    async def plan(self, request: Request) -> Plan:
        """See FleetClient."""
        if not request.stack and not self._watch.claveld_asked:
            await self._pull.once()
        return await self._planner.plan(request)

    async def sources(self) -> Sequence[SourceState]:
        """See FleetClient."""
        evaluated = await self._parts.deployments.sources()
        said = {source.name: source for source in await self.standing()}
        known = said | {name: evaluation.source for name, (_, evaluation) in evaluated.items() if name not in said}
        return [_source_state(source, *evaluated.get(name, (0.0, None))) for name, source in sorted(known.items())]

    async def standing(self) -> list[Source]:
        """Those of fleet.toml, and what claveld was told of them and beside them."""
        return standing(self._parts.fleet.sources, await self._parts.kept.all() if self._parts.kept else ())

    async def source_changes(self, source: str) -> AsyncIterator[None]:
        """See FleetClient."""
        found = await self._source(source)
        elsewhere = Elsewhere(self._parts, found)
        async for _ in source_changes(found.reference, found.every_minutes * 60):
            if await elsewhere.worth_evaluating():
                yield

    async def _source(self, said: str) -> Source:
        """Of fleet.toml, else one that was evaluated under that name, else a flake reference as it is meant from here."""
        recorded = [evaluation.source for _, evaluation in (await self._parts.deployments.sources()).values()]
        sources = await self.standing()
        named = {one.name: one for one in (*recorded, *sources)}
        if said in named:
            return named[said]
        url = absolute(said, current_folder()) if said else ""
        return named.get(url) or find_source(sources, url)

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
        request = Request(unit="", stack=(await self._source(source)).name, verb=Verb.EVALUATE)
        for operation, runner, _ in await self._parts.journal.open_operations():
            if operation.request == request and runner == self._parts.runner_name:
                if self._carrier.carries(operation.id):
                    return operation.id
                await self._carrier.reconcile()  # its last word could not be written: nobody is at it any more
        # Whoever asked may be cancelled meanwhile: what has a row in the journal has to be carried out, too.
        return await asyncio.shield(self._evaluate(source, request, reason))

    async def _evaluate(self, source: str, request: Request, reason: str) -> str:
        if self._parts.evaluator is None:
            raise self._carrier.read_only()
        operation = await self._carrier.begin(request, reason)
        evaluating = Evaluating(self._parts.fleet, self._parts.evaluator, self._parts.deployments)
        run = EvaluationRun(self._parts, evaluating, self._parts.deployments, operation)
        self._carrier.track(operation.id, f"source {request.stack}", run.run(lambda: self._source(source)))
        return operation.id

    async def agents(self) -> Sequence[AgentState]:
        """See FleetClient."""
        return await self._pull.agents()

    async def tell_agent(self, agent: str, order: Order) -> None:
        """See FleetClient."""
        self._carrier.jobs()  # a read-only console tells nobody anything, whatever its token may
        await self._pull.tell(agent, order)

    async def roll_back_ref(self, name: str, to: str = "", why: str = "") -> RefState:
        """See FleetClient."""
        self._carrier.jobs()
        return await self._pull.roll_back(name, to, why)

    async def pin_ref(self, name: str, why: str = "") -> RefState:
        """See FleetClient."""
        self._carrier.jobs()
        return await self._pull.pin(name, why)

    async def unpin_ref(self, name: str) -> RefState:
        """See FleetClient."""
        self._carrier.jobs()
        return await self._pull.unpin(name)

    async def submit(self, plan: Plan, reason: str = "") -> str:
        """See FleetClient."""
        ident = await self._carrier.submit(plan, reason)
        if plan.request.verb in {Verb.DEPLOY, Verb.ROLLBACK} and not plan.request.stack:
            await self._waiting.drop(plan.request.unit, "another one was asked for meanwhile")
        return ident

    async def put_off(self, plan: Plan, reason: str = "") -> str:
        """See FleetClient."""
        return await self._waiting.put_off(plan, reason)

    async def roll_out(self, plans: Sequence[Plan], settings: RolloutSettings, reason: str = "") -> str:
        """See FleetClient."""
        return await self._rollouts.begin(plans, settings, reason)

    async def rollout(self, ident: str) -> RolloutState:
        """See FleetClient."""
        return await self._rollouts.state(ident)

    async def tell_rollout(self, ident: str, word: Word) -> str:
        """See FleetClient."""
        return await self._rollouts.tell(ident, word)

    async def wait(self, operation: str) -> Operation:
        """See FleetClient."""
        return await self._carrier.wait(operation)

    async def cancel(self, operation: str) -> str:
        """See FleetClient."""
        found = await self._parts.journal.operation(operation)
        if found and found.request.verb is Verb.ROLLOUT:
            return await self._rollouts.tell(found.id, Word.ABORT)
        return await self._carrier.cancel(operation)

    async def history(self, limit: int = 200, unit: str = "", stack: str | None = None) -> Sequence[Operation]:
        """See FleetClient. ``stack``: see Journal."""
        return await self._parts.journal.operations(limit, unit, stack)

    async def operation(self, ident: str) -> Operation | None:
        """See FleetClient."""
        return await self._parts.journal.operation(ident)

    async def operation_events(self, operation: str) -> Sequence[Event]:
        """See FleetClient."""
        return await self._parts.journal.events(0, operation, 20_000)

    async def logs(self, unit: str, stack: str, service: str, *, tail: int, follow: bool, on_line: Callable[[str], None]) -> str:
        """See FleetClient."""
        found = self._carrier.unit(unit)
        declared = self._carrier.stack(found, stack)
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
        found = self._carrier.unit(unit)
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
            return await self._carrier.jobs().unlock(self._parts.target(self._carrier.unit(unit)))
        except RemoteError as error:
            raise unit_error(error) from error

    async def fingerprint(self, unit: str) -> tuple[str, str]:
        """See FleetClient."""
        found = self._carrier.unit(unit)
        try:
            return await first_contact(found.address, found.port, self._files)
        except RemoteError as error:
            raise unit_error(error) from error

    async def trust(self, line: str) -> str:
        """See FleetClient."""
        self._carrier.jobs()  # a read-only console changes nothing on the workstation either
        try:
            return await asyncio.to_thread(append_host_key, self._files, line)
        except OSError as error:
            text = f"{self._files.hosts_file} cannot be written: {error.strerror}"
            raise RefusedError(text, "name another file with --known-hosts") from error

    async def look_key(self, unit: str, key: str) -> str:
        """See FleetClient."""
        if self._carrier.unit(unit).elevate is Elevate.HELPER:
            text = f"the login of {unit} has no root's rights: a key that looks with them cannot be its own"
            raise RefusedError(text, 'say elevate = "sudo" in unit.toml, or use the login\'s own key: it may look already')
        return authorized_line(self._parts.target(self._carrier.unit(unit)), key)

    async def install_look_key(self, unit: str, key: str) -> str:
        """See FleetClient."""
        found = self._carrier.unit(unit)
        target = self._parts.target(found)
        if self._parts.keys is None:
            raise self._carrier.read_only()
        try:
            where = await self._parts.keys.install(target, frozen_probe(found, target), key)
        except RemoteError as error:
            raise unit_error(error) from error
        await self._parts.journal.record([("key", "", unit, f"a read-only key {where}: {' '.join(key.split()[2:])}")])
        return where

    async def install_helper(self, unit: str, login: str, root: str, keys: Sequence[str]) -> Sequence[str]:
        """See FleetClient."""
        found = self._carrier.unit(unit)
        if self._parts.helper is None:
            raise self._carrier.read_only()
        try:
            lines = await helper.install(self._parts, self._parts.helper, found, login, root, keys)
        except RemoteError as error:
            raise unit_error(error) from error
        await self._parts.journal.record([("helper", "", unit, f"for {login}: {lines[1]}")])
        return lines

    async def learn(self, unit: str, facts: Facts) -> bool:
        """What somebody else saw of a unit that cannot be reached from here; False where the fleet has none of that name."""
        found = self._parts.fleet.unit(unit)
        if found:
            await self._watch.learn(found, facts)
        return found is not None

    def hear(self, agents: list[AgentState]) -> None:
        """What is known of the agents."""
        self._watch.agents(by_unit(agents))

    async def watch(self) -> None:
        """See FleetClient."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch.keep_looking())
            group.create_task(self._pull.keep_asking())
            group.create_task(self._keep_reconciling())
            group.create_task(self._fleet_files.keep_comparing(self._watch.changed.set))

    async def _keep_reconciling(self) -> None:
        while self._parts.jobs:
            try:
                await self._rollouts.pause_orphans()
                await self._carrier.reconcile()
                await self._waiting.take_up()
            except JournalError as error:  # a full disk must not end it for good
                self._watch.not_written(error.text)
            await self._parts.clock.sleep(RECONCILE_S)

    async def settle_open(self) -> None:
        """Takes over what is open and waits for it: for a command that runs once."""
        if self._parts.jobs:
            await self._rollouts.pause_orphans()
        await self._carrier.settle_open()

    async def close(self) -> None:
        """See FleetClient."""
        try:
            await self._carrier.leave()
            await self._parts.runner.close()
        finally:
            await self._shut()


def _source_state(source: Source, at: float, evaluation: Evaluation | None) -> SourceState:
    return SourceState(source=source, at=at, evaluation=evaluation)
