"""The daemon: one loop for each ref that it asks for, and one that sends what there is to report."""

from __future__ import annotations

import asyncio
import contextlib
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

from clavel_tui import __version__
from clavel_tui.agent import looking, memory
from clavel_tui.agent.deciding import RETRY_FIRST_S, RETRY_MOST_S, Decision, decide, forgiven
from clavel_tui.agent.outbox import Outbox
from clavel_tui.agent.ref import Folders, Ref, Refusal
from clavel_tui.agent.stacks import BY_CLAVELD, UNTOUCHED, decide_stack, request_for, unknown, worse
from clavel_tui.bus.claveld import NOT_EVALUATED, ClaveldError
from clavel_tui.bus.for_agent import AgentClient
from clavel_tui.domain.agent import POLL_S, Order, Phase, Report, Told
from clavel_tui.domain.deployment import Deployment
from clavel_tui.domain.errors import ClavelError
from clavel_tui.domain.operation import Operation, Request, Verb
from clavel_tui.domain.source import Evaluation, Lock, Source
from clavel_tui.domain.stackview import StackView
from clavel_tui.domain.system import Delivery
from clavel_tui.domain.unit import Unit
from clavel_tui.fleet.state import UnitState
from clavel_tui.history import JournalError
from clavel_tui.history.deployments import Deployments
from clavel_tui.operations import InProcessFleet

AWAY_FIRST_S, AWAY_MOST_S = 1.0, 60.0
"""Between two questions while claveld does not answer, and what that grows to."""
REFUSED_S = 60.0
"""Behind an answer that asking again does not change: a token that is good no more, say."""
MEMORY_S = 2.0
PAST = 50
"""By so many operations on the system, or on one stack, it is decided what is done about it."""
LOOK_S = 300.0
"""Between two looks at the unit's health while nothing happens: a probe takes a second of a small board's processor."""


class Daemon:
    """Applies what claveld says that ``unit`` should run. ``engine``: the same that a console has, for this unit alone."""

    def __init__(
        self, unit: Unit, name: str, refs: tuple[str, ...], claveld: AgentClient, engine: InProcessFleet,
        deployments: Deployments, outbox: Outbox, folders: Folders, wall: Callable[[], float], log: Callable[[str], object],
    ) -> None:  # fmt: skip
        self._unit = unit
        self._name = name
        self._refs = [Ref(ref) for ref in refs]
        self._claveld = claveld
        self._engine = engine
        self._deployments = deployments
        self._outbox = outbox
        self._folders = folders
        self._wall = wall
        self._log = log
        self._turn = asyncio.Lock()
        self._post = asyncio.Event()
        self._looked = -LOOK_S
        self._told = 0.0
        self._sums: dict[str, str] = {}

    async def run(self) -> None:
        """Until cancelled. What is under way goes on, on the unit, and is met again at the next start."""
        await asyncio.sleep(random.uniform(0, 2))  # noqa: S311  a fleet that comes up together does not ask at once
        async with asyncio.TaskGroup() as group:
            group.create_task(self._send())
            group.create_task(self._tell_facts())
            group.create_task(self._watch_memory())
            for ref in self._refs:
                group.create_task(self._ask(ref))
                group.create_task(self._keep(ref))

    # ---- what should run

    async def _ask(self, ref: Ref) -> None:
        away = AWAY_FIRST_S
        while True:
            begun = asyncio.get_running_loop().time()
            ref.asking = asyncio.create_task(self._claveld.deployment(ref.name, ref.tag, POLL_S if ref.tag else 0.0))
            try:
                await asyncio.wait([ref.asking])
                if ref.asking.cancelled():
                    continue
                got = ref.asking.result()
            except asyncio.CancelledError:
                ref.ask_again()
                raise
            except ClaveldError as error:
                self._note(ref, str(error))
                ref.woken.set()
                pause = REFUSED_S if error.refused and error.status != NOT_EVALUATED else away
                away = min(away * 2, AWAY_MOST_S)
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  jitter
                continue
            away = AWAY_FIRST_S
            self._note(ref, "")
            ref.tag = got.tag
            if got.deployment:
                await self._take(ref, got.deployment, got.told)
            ref.woken.set()
            # A proxy that changes ETags would have it ask without a pause.
            await asyncio.sleep(max(0.0, begun + AWAY_FIRST_S - asyncio.get_running_loop().time()))

    def _note(self, ref: Ref, trouble: str) -> None:
        """Once, where it is another one: an administrator looks for it in the machine's own log."""
        if trouble != ref.trouble:
            self._log(f"{ref.name}: {trouble or 'claveld answers again'}")
            ref.trouble = trouble

    async def _take(self, ref: Ref, wanted: Deployment, told: Told | None) -> None:
        """What is under way for another one, or is to be held, is stopped at its next safe point."""
        other = ref.wanted is not None and ref.wanted.id != wanted.id
        ref.wanted = wanted
        if other:
            ref.forgive()
        try:
            self._hear(ref, told)
        except OSError as error:  # a full disk: it is asked for anew, and heard then
            self._note(ref, f"what it was told cannot be kept: {error}")
            ref.tag = ""
        if other and ref.operation:
            await self._engine.cancel(ref.operation)
        elif self.memory.held:
            await self._stop_preparing(ref)

    async def _stop_preparing(self, ref: Ref) -> None:
        """As long as nothing that runs was touched; an activation is left to its end."""
        operation = await self._engine.operation(ref.operation) if ref.operation else None
        if operation and operation.step in (UNTOUCHED if operation.request.stack else {"", "fetch"}):
            await self._engine.cancel(operation.id)

    def _hear(self, ref: Ref, told: Told | None) -> None:
        """An order counts once, however often it is read."""
        if told is None or told.number == self.memory.heard.get(ref.name, 0):  # less, where it was registered anew
            return

        def changed(known: memory.Memory) -> memory.Memory:
            held = {Order.HOLD: "held by an operator", Order.RELEASE: ""}.get(told.order, known.held)
            released = memory.quarantines([ref.name], self._unit) if told.order is Order.RELEASE else {}
            heard = {**known.heard, ref.name: told.number}
            return known.model_copy(update={"held": held, "heard": heard, "released": {**known.released, **released}})

        memory.change(self._folders.memory, changed)
        self._looked = -LOOK_S

    @property
    def memory(self) -> memory.Memory:
        """Read anew each time: `clavel-agent hold` writes it from another process."""
        return memory.load(self._folders.memory)

    async def _watch_memory(self) -> None:
        """`clavel-agent hold` and `release` are heard within seconds, and not only when something else happens."""
        known = self.memory
        while True:
            await asyncio.sleep(MEMORY_S)
            if self.memory != known:
                known, self._looked = self.memory, -LOOK_S
                for ref in self._refs:
                    if known.held:
                        await self._stop_preparing(ref)
                    ref.forgive()
                    ref.woken.set()

    # ---- what is done about it

    async def _keep(self, ref: Ref) -> None:
        """Decides whenever something was heard, and once in a while without."""
        wait = 0.0
        while True:
            try:
                async with asyncio.timeout(wait):
                    await ref.woken.wait()
            except TimeoutError:
                pass
            ref.woken.clear()
            wait = POLL_S
            if ref.wanted:
                async with self._turn:  # one thing at a time, as on every unit
                    wait = await self._consider(ref, ref.wanted)

    async def _consider(self, ref: Ref, wanted: Deployment) -> float:
        """Returns after how many seconds it wants to be asked again."""
        if not wanted.genuine:
            await self._say(ref, wanted, Decision(Phase.FAILED, f"what came as {wanted.name} is not what its id says"))
            return POLL_S
        decision = await self._patiently(ref, "", partial(self._decide, ref, wanted), partial(self._apply, ref, wanted))
        if decision.phase is Phase.IDLE:
            decision = await self._see_to_stacks(ref, wanted, decision)
        await self._say(ref, wanted, decision)
        return min(POLL_S, decision.wait or POLL_S)

    async def _patiently(
        self, ref: Ref, what: str, decide: Callable[[], Awaitable[Decision]], apply: Callable[[], Awaitable[None]]
    ) -> Decision:
        """What is decided in the end. What the engine refuses is tried again, less and less often."""
        now = asyncio.get_running_loop().time()
        refusal = ref.refused.get(what, Refusal())
        try:
            decision = await decide()
            if decision.apply and now < refusal.retry:
                return Decision(Phase.FAILED, refusal.text, wait=refusal.retry - now)
            if decision.phase is Phase.APPLYING and not decision.apply:
                await self._engine.settle_open()  # nobody carries it: its last word could not be read or written
                return await decide()
            if decision.apply:
                await apply()
                ref.refused.pop(what, None)
                return await decide()
        except (ClavelError, JournalError, OSError) as error:
            pause = min(RETRY_FIRST_S * 2.0**refusal.times, RETRY_MOST_S)
            text = f"{what}: {error}" if what else str(error)
            ref.refused[what] = Refusal(text, min(refusal.times + 1, 20), now + pause)
            return Decision(Phase.FAILED, text, wait=pause)
        return decision

    async def _decide(self, ref: Ref, wanted: Deployment) -> Decision:
        past = await self._past("")
        tried = [one for one in past if one.request.release == _release(wanted)]
        released = forgiven(tried, past, self._released(ref, "", past))
        runs = await asyncio.to_thread(looking.runs, self._unit, self._folders.root)
        return decide(self._unit, wanted, runs, tried, held=self.memory.held, released=released, now=self._wall())

    async def _past(self, stack: str) -> list[Operation]:
        """Of that stack, or of the system where none is named."""
        return list(await self._engine.history(PAST, self._unit.name, stack))

    def _released(self, ref: Ref, stack: str, past: list[Operation]) -> str:
        """The operation behind which somebody has ended the quarantine: whatever was tried until then is behind it."""
        key = memory.quarantine(ref.name, stack)
        released = self.memory.released.get(key, "")
        if released == "*":
            released = past[0].id if past else ""
            memory.change(self._folders.memory, lambda m: m.model_copy(update={"released": {**m.released, key: released}}))
        return released

    async def _apply(self, ref: Ref, wanted: Deployment) -> None:
        """By the engine, as a push is: previewed, journalled, tried, confirmed from here, and only then kept."""
        await self._record(wanted)
        request = Request(
            unit=self._unit.name, stack="", verb=Verb.DEPLOY, release=_release(wanted), delivery=Delivery.SUBSTITUTE,
            reason=self._reason,
        )  # fmt: skip
        await self._carry(ref, wanted, request)

    @property
    def _reason(self) -> str:
        return f"{BY_CLAVELD}{self._claveld.url}"

    async def _carry(self, ref: Ref, wanted: Deployment, request: Request) -> None:
        plan = await self._engine.plan(request)
        self._looked = -LOOK_S
        ref.operation = await self._engine.submit(plan)
        try:
            await self._say(ref, wanted, Decision(Phase.APPLYING, request.sentence if request.stack else ""))
            await self._engine.wait(ref.operation)
        finally:
            ref.operation = ""
            ref.ask_again()

    # ---- its stacks

    async def _see_to_stacks(self, ref: Ref, wanted: Deployment, decision: Decision) -> Decision:
        """One after the other, once the system runs; one that fails does not keep back the next."""
        root = self._folders.root
        for name, folder in (await asyncio.to_thread(looking.brought, self._unit, root)).items():
            if ref.wanted != wanted:  # it moved meanwhile: what runs now is on its way out
                break
            if self._unit.stack(name) is None:
                decision = worse(decision, unknown(name))
                continue
            ask, apply = partial(self._decide_stack, ref, name, folder), partial(self._apply_stack, ref, wanted, name, folder)
            decision = worse(decision, await self._patiently(ref, name, ask, apply))
        return decision

    async def _decide_stack(self, ref: Ref, name: str, folder: str) -> Decision:
        if held := self.memory.held:
            return Decision(Phase.HELD, held)
        files, tried = await self._files(folder), await self._past(name)
        released = self._released(ref, name, tried)
        return decide_stack(name, files, tried, self._view(name), released=released, now=self._wall())

    async def _files(self, folder: str) -> str:
        """A store path never changes, and so is read once."""
        if folder not in self._sums:
            self._sums[folder] = await asyncio.to_thread(looking.files_of, folder, self._folders.root)
        return self._sums[folder]

    async def _apply_stack(self, ref: Ref, wanted: Deployment, name: str, folder: str) -> None:
        await self._engine.refresh([self._unit.name])  # somebody may hold it, or have pruned its images, since the last look
        if (await self._decide_stack(ref, name, folder)).apply:
            files, tried = await self._files(folder), await self._past(name)
            await self._carry(ref, wanted, request_for(self._unit, name, files, tried, self._view(name), self._reason))

    def _view(self, name: str) -> StackView | None:
        state = self._engine.unit_now(self._unit.name)
        return state.stack(name) if state else None

    async def _record(self, wanted: Deployment) -> None:
        """In the unit's own journal, where a plan looks it up."""
        source = Source(name="claveld", url=wanted.metadata.get("source", self._claveld.url))
        lock = Lock(url=source.url, nar_hash=wanted.source_hash, revision=wanted.metadata.get("revision", ""))
        why = f"served by {self._claveld.url}"
        await self._deployments.record(Evaluation(source=source, lock=lock), [wanted], "claveld", why)

    # ---- what is said of it

    async def _say(self, ref: Ref, wanted: Deployment, decision: Decision) -> None:
        """Reported where it is unlike what was said last."""
        state = await self._state(always=decision.phase is not Phase.APPLYING)
        runs = await asyncio.to_thread(looking.runs, self._unit, self._folders.root)
        report = Report(
            event=uuid.uuid4().hex,
            agent=self._name,
            name=ref.name,
            at=self._wall(),
            type=self._unit.type,
            version=__version__,
            desired=wanted.id if wanted.genuine else "",
            running=runs.current,
            phase=decision.phase,
            outcome=decision.outcome,
            text=decision.text[:2000],
            health=state.health.level if state else "unknown",
            reasons=tuple(reason.text[:200] for reason in state.health.reasons[:20]) if state else (),
        )
        if ref.said is None or _without_time(ref.said) != _without_time(report):
            if await asyncio.to_thread(self._outbox.put, report):
                ref.said = report
            self._post.set()

    async def _state(self, *, always: bool) -> UnitState | None:
        now = asyncio.get_running_loop().time()
        if always and now - self._looked >= LOOK_S:
            with contextlib.suppress(ClavelError, JournalError, OSError):  # a full disk is no reason to say nothing
                await self._engine.refresh([self._unit.name])
            self._looked = now
        return self._engine.unit_now(self._unit.name)

    async def _tell_facts(self) -> None:
        """What was seen last, behind each look: consoles that have no way to this unit see it so. Older facts are no loss."""
        if self._unit.name not in {ref.name for ref in self._refs}:
            return
        while True:
            state = self._engine.unit_now(self._unit.name)
            if state and state.facts and state.facts.at != self._told:
                try:
                    await self._claveld.tell(state.facts)
                    self._told = state.facts.at
                except ClaveldError as error:
                    if error.refused:  # or it knows no facts yet: it is not asked again for these
                        self._told = state.facts.at
                        self._log(f"what was seen of this unit is not taken: {error}")
                    await asyncio.sleep(AWAY_MOST_S * random.uniform(0.5, 1.0))  # noqa: S311  jitter
            await asyncio.sleep(MEMORY_S)

    async def _send(self) -> None:
        """Oldest first, until claveld has each; one that it refuses is dropped, since it would stand before all others."""
        away = AWAY_FIRST_S
        while True:
            self._post.clear()  # before it is looked for: one that comes meanwhile is not missed
            found = await asyncio.to_thread(self._outbox.oldest)
            if found is None:
                await self._post.wait()
                continue
            file, report = found
            try:
                await self._claveld.report(report)
            except ClaveldError as error:
                if not error.hopeless:
                    await asyncio.sleep(away * random.uniform(0.5, 1.0))  # noqa: S311  jitter
                    away = min(away * 2, AWAY_MOST_S)
                    continue
            away = AWAY_FIRST_S
            file.unlink(missing_ok=True)


@asynccontextmanager
async def running(daemon: Daemon) -> AsyncIterator[asyncio.Task[None]]:
    """The daemon, as long as the block lasts."""
    task = asyncio.create_task(daemon.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _release(wanted: Deployment) -> str:
    return f"{wanted.name}@{wanted.id}"


def _without_time(report: Report) -> Report:
    return report.model_copy(update={"event": "", "at": 0.0})
