"""A fleet that is seen through a claveld elsewhere: a console without the fleet's files, and without a way to any unit.

What agents tell is what is seen; what a console may change is what claveld does: evaluate, and move refs. All else is
refused with a word, and nothing is guessed.
"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from typing import NoReturn
from urllib.parse import urlsplit

from clavel_tui.bus.claveld import ClaveldError, as_refusal
from clavel_tui.bus.for_console import ConsoleClient, LookingClient
from clavel_tui.bus.rolling_back import carry_rollback, held, plan_rollback
from clavel_tui.domain.agent import AgentState, Order, RefState
from clavel_tui.domain.deployment import Deployment, Recorded
from clavel_tui.domain.errors import ClavelError, RefusedError
from clavel_tui.domain.operation import Event, Operation, Origin, Plan, PullPlan, Request, State, Verb
from clavel_tui.domain.outcome import Outcome
from clavel_tui.domain.rollout import Word
from clavel_tui.domain.waves import RolloutSettings
from clavel_tui.fleet.state import FleetState, RolloutState, SourceState, UnitState

WAIT_S = 15.0
"""How long a question for news waits: agents that are only heard of are seen behind it."""
PAUSE_S = 0.5
"""Between two answers: a fleet in which everything moves must not fill a slow line."""
AWAY_FIRST_S, AWAY_MOST_S = 1.0, 60.0
POLL_S = 1.0
MOST = 1000
"""Operations that claveld tells at once."""


class FarFleet:
    """See FleetClient. ``change``: the same claveld, for one who may change something; else ``read_only`` says who forbids it."""

    def __init__(self, look: LookingClient, change: ConsoleClient | None, origin: Origin, read_only: str = "") -> None:
        self._look = look
        self._change = change
        self._origin = origin
        self._read_only = read_only
        self._host = urlsplit(look.url).netloc
        self._start, self._version = "", 0
        self._told: FleetState | None = None
        self._state: FleetState | None = None
        self._trouble = ""
        self._changed = asyncio.Event()
        self._own: dict[str, Operation] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    # ---- what is seen

    async def snapshot(self) -> FleetState:
        """See FleetClient. A claveld that is away is said so, beside what it said last."""
        if self._state is None and not self._trouble:
            await self.refresh()
        state = self._state or FleetState(name=self._look.url)
        own = tuple(one for one in self._own.values() if one.state is State.RUNNING)
        return state.model_copy(update={"operations": (*own, *state.operations), "claveld": self._trouble})

    async def changed(self) -> None:
        """See FleetClient."""
        await self._changed.wait()
        self._changed.clear()

    async def watch(self) -> None:
        """See FleetClient."""
        away = AWAY_FIRST_S
        while True:
            await self._take(WAIT_S if self._version else 0.0)
            if self._trouble:
                await asyncio.sleep(away * random.uniform(0.5, 1.0))  # noqa: S311  jitter
                away = min(away * 2, AWAY_MOST_S)
            else:
                away = AWAY_FIRST_S
                await asyncio.sleep(PAUSE_S)

    async def refresh(self, units: Sequence[str] = ()) -> None:
        """See FleetClient. Units are looked at by their agents: what is asked anew is what claveld knows."""
        del units
        await self._take(0.0)

    async def _take(self, wait: float) -> None:
        asked = self._start
        try:
            news = await self._look.news(asked, self._version, wait)
        except ClaveldError as error:
            if self._trouble != str(error):
                self._trouble = str(error)
                self._changed.set()
            return
        if self._start != asked or (news.start == asked and news.version < self._version):
            return  # of two questions the one that was answered later
        self._told = news.told(self._told if news.start == asked else None)
        self._start, self._version = news.start, news.version
        self._state, self._trouble = news.heard(self._told).model_copy(update={"through": self._host}), ""
        self._changed.set()

    def unit_now(self, name: str) -> UnitState | None:
        """See FleetClient."""
        return self._state.unit(name) if self._state else None

    async def events(self, after: int) -> AsyncIterator[Event]:
        """See FleetClient."""
        after = after or (await self.snapshot()).seq  # from now on, and not claveld's whole journal over a slow line
        while True:
            try:
                found = await self._look.events(after, WAIT_S)
            except ClaveldError:  # what happened meanwhile is told when it is back
                await asyncio.sleep(AWAY_FIRST_S)
                continue
            for event in found:
                after = event.seq
                yield event

    async def sources(self) -> Sequence[SourceState]:
        """See FleetClient."""
        with as_refusal():
            return await self._look.sources()

    def source_changes(self, source: str) -> AsyncIterator[None]:
        """See FleetClient."""
        self._nowhere(f"watch {source}", "claveld watches its Sources itself")

    async def deployments(self, name: str = "") -> Sequence[Recorded]:
        """See FleetClient."""
        with as_refusal():
            return await self._look.deployments(name)

    async def deployment(self, said: str) -> Deployment:
        """See FleetClient."""
        with as_refusal():
            return await self._look.deployment(said)

    async def agents(self) -> Sequence[AgentState]:
        """See FleetClient."""
        with as_refusal():
            return (await self._look.agents())[0]

    async def history(self, limit: int = 200, unit: str = "") -> Sequence[Operation]:
        """See FleetClient: claveld's, and what was done from here."""
        with as_refusal():
            theirs = await self._look.operations(min(max(limit, 1), MOST))
        both = [one for one in (*self._own.values(), *theirs) if not unit or one.request.unit == unit]
        return sorted(both, key=lambda one: one.started, reverse=True)[:limit]

    async def operation(self, ident: str) -> Operation | None:
        """See FleetClient."""
        own = [one for one in self._own.values() if one.id.startswith(ident)]
        with as_refusal():
            return own[0] if len(own) == 1 else await self._look.operation(ident)

    async def operation_events(self, operation: str) -> Sequence[Event]:
        """See FleetClient."""
        with as_refusal():
            return [] if operation in self._own else await self._look.operation_events(operation)

    # ---- what claveld does

    async def plan(self, request: Request) -> Plan:
        """See FleetClient. Only a unit that pulls can be rolled back through claveld."""
        title = f"{request.verb.value} {request.stack or request.unit}"
        try:
            return await self._plan(request, title)
        except ClavelError as error:
            return Plan(request=request, title=title, refusal="; ".join(part for part in (error.text, error.hint) if part))

    async def _plan(self, request: Request, title: str) -> Plan:
        if request.verb is not Verb.ROLLBACK or request.stack:
            self._nowhere(f"{request.verb.value} anything on {request.unit}")
        with as_refusal():
            state = self.unit_now(request.unit) or (await self.snapshot()).unit(request.unit)
            if state is None:
                raise RefusedError(f"there is no unit {request.unit} in this fleet")
            if state.agent is None:
                raise RefusedError(f"{request.unit} has no agent that would apply it", "`claveld agent add` registers one")
            if held(state.agent, request.unit):
                raise RefusedError(f"the agent of {request.unit} is held", f"`clavel-tui agent release {request.unit}`")
            return await plan_rollback(self._look, request, title, state.facts)

    async def submit(self, plan: Plan, reason: str = "") -> str:
        """See FleetClient."""
        claveld = self._changing()
        if plan.pull is None:
            self._nowhere(plan.title)
        operation = Operation(
            id=uuid.uuid4().hex[:16],
            request=plan.request,
            origin=self._origin.model_copy(update={"reason": reason}),
            state=State.RUNNING,
            started=time.time(),
        )
        self._keep(operation)
        self._tasks[operation.id] = asyncio.create_task(self._carry(claveld, operation, plan.pull))
        return operation.id

    async def _carry(self, claveld: ConsoleClient, operation: Operation, pull: PullPlan) -> None:
        async def moved() -> None:
            self._keep(operation.model_copy(update={"step": "its agent applies it", "came_from": pull.before}))

        how: tuple[Outcome, str] = (Outcome.UNKNOWN, "the console was left before its agent had said what became of it")
        try:
            how = await carry_rollback(claveld, pull, operation.origin.reason, moved, asyncio.sleep)
        finally:
            self._keep(self._own[operation.id].ended_with(*how, time.time()))

    def _keep(self, operation: Operation) -> None:
        self._own[operation.id] = operation
        self._changed.set()

    async def wait(self, operation: str) -> Operation:
        """See FleetClient."""
        if operation in self._tasks:
            await asyncio.wait([self._tasks[operation]])
            return self._own[operation]
        while True:
            with as_refusal():
                found = await self._look.operation(operation)
            if found is None:
                raise RefusedError(f"claveld knows no operation {operation}")
            if found.state is not State.RUNNING:
                await self.refresh()  # who waits for it wants to see what came of it
                return found
            await asyncio.sleep(POLL_S)

    async def evaluate(self, source: str, reason: str = "") -> str:
        """See FleetClient."""
        del reason  # claveld says who has asked
        with as_refusal():
            known = [] if source else await self._look.sources()
            if not source and len(known) != 1:
                raise RefusedError("say which source", f"there are {', '.join(one.source.name for one in known) or 'none'}")
            return await self._changing().evaluate(source or known[0].source.name)

    async def tell_agent(self, agent: str, order: Order) -> None:
        """See FleetClient."""
        with as_refusal():
            await self._changing().tell(agent, order)

    async def roll_back_ref(self, name: str, to: str = "", why: str = "") -> RefState:
        """See FleetClient."""
        with as_refusal():
            return await self._changing().roll_back(name, to, why)

    async def pin_ref(self, name: str, why: str = "") -> RefState:
        """See FleetClient."""
        with as_refusal():
            return await self._changing().pin(name, why)

    async def unpin_ref(self, name: str) -> RefState:
        """See FleetClient."""
        with as_refusal():
            return await self._changing().unpin(name)

    async def cancel(self, operation: str) -> str:
        """See FleetClient."""
        own = self._own.get(operation)
        if own is None:
            return "it is claveld's, and cannot be stopped from here"
        hold = f"`clavel-tui agent hold {own.request.unit}` has it leave everything as it is"
        return f"its agent carries it, and cannot be stopped from here: {hold}"

    async def close(self) -> None:
        """See FleetClient."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _changing(self) -> ConsoleClient:
        if self._change is None:
            raise RefusedError(f"this console is read-only: {self._read_only} says so")
        return self._change

    # ---- what wants the fleet's files, or a way to its units

    def _nowhere(self, what: str, hint: str = "") -> NoReturn:
        where = f"do it where the fleet's files are; this console sees the fleet through {self._look.url}"
        raise RefusedError(f"there is no way from here to {what}", hint or where)

    async def acknowledge(self, unit: str, code: str, text: str, until: float) -> None:
        """See FleetClient."""
        del code, text, until
        self._nowhere(f"acknowledge anything of {unit}")

    async def alarm_again(self, unit: str, code: str, text: str) -> None:
        """See FleetClient."""
        del code, text
        self._nowhere(f"acknowledge anything of {unit}")

    async def put_off(self, plan: Plan, reason: str = "") -> str:
        """See FleetClient."""
        del reason
        self._nowhere(plan.title)

    async def roll_out(self, plans: Sequence[Plan], settings: RolloutSettings, reason: str = "") -> str:
        """See FleetClient."""
        del plans, settings, reason
        self._nowhere("roll out in waves")

    async def rollout(self, ident: str) -> RolloutState:
        """See FleetClient."""
        self._nowhere(f"the rollout {ident}")

    async def tell_rollout(self, ident: str, word: Word) -> str:
        """See FleetClient."""
        del word
        self._nowhere(f"the rollout {ident}")

    async def logs(self, unit: str, stack: str, service: str, *, tail: int, follow: bool, on_line: Callable[[str], None]) -> str:
        """See FleetClient."""
        del service, tail, follow, on_line
        return f"there is no way from here to the logs of {stack} on {unit}: this console sees it through {self._look.url}"

    async def check_images(self, unit: str, stack: str) -> dict[str, tuple[str, str]]:
        """See FleetClient."""
        self._nowhere(f"the registries of {stack} on {unit}")

    async def unlock(self, unit: str) -> Sequence[str]:
        """See FleetClient."""
        self._nowhere(unit)

    async def fingerprint(self, unit: str) -> tuple[str, str]:
        """See FleetClient."""
        self._nowhere(unit)

    async def trust(self, line: str) -> str:
        """See FleetClient."""
        del line
        self._nowhere("any unit")

    async def look_key(self, unit: str, key: str) -> str:
        """See FleetClient."""
        del key
        self._nowhere(unit)

    async def install_look_key(self, unit: str, key: str) -> str:
        """See FleetClient."""
        del key
        self._nowhere(unit)

    async def install_helper(self, unit: str, login: str, root: str, keys: Sequence[str]) -> Sequence[str]:
        """See FleetClient."""
        del login, root, keys
        self._nowhere(unit)
