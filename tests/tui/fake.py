"""A FleetClient without a fleet: shows one state, and remembers what it was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from clavel_tui.domain.agent import Order, RefState
from clavel_tui.domain.deployment import Deployment, Recorded
from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.operation import Event, FileChange, ImageChange, Operation, Plan, Request, Verb
from clavel_tui.domain.outcome import Outcome
from clavel_tui.domain.rollout import Word
from clavel_tui.domain.waves import RolloutSettings
from clavel_tui.fleet.state import FleetState, RolloutState, SourceState, UnitState
from tests.tui.fleets import NOW, operation, recorded, rolled_out, system_plan


class FakeFleet:
    """See FleetClient. ``asked`` has every call that changes or plans something, in order."""

    def __init__(self, state: FleetState) -> None:
        self.state = state
        self.asked: list[tuple[str, object]] = []
        self.refusal = ""
        self.rolled_out = rolled_out()
        self.reason = ""
        self.settings = RolloutSettings()
        self.submit_error = ""
        self.past: list[Operation] = []
        self.source_states: list[SourceState] = []
        self.recorded: list[Recorded] = []
        self.lines = ["one", "two \x1b[31mred\x1b[0m", "three"]
        self._news = asyncio.Event()

    def show(self, state: FleetState) -> None:
        self.state = state
        self._news.set()

    async def snapshot(self) -> FleetState:
        return self.state

    async def changed(self) -> None:
        await self._news.wait()
        self._news.clear()

    async def events(self, after: int) -> AsyncIterator[Event]:
        await asyncio.Event().wait()
        yield Event(seq=after, at=0, kind="")

    async def refresh(self, units: Sequence[str] = ()) -> None:
        self.asked.append(("refresh", tuple(units)))

    async def plan(self, request: Request) -> Plan:
        self.asked.append(("plan", request))
        if self.refusal:
            return Plan(request=request, title="refused", refusal=self.refusal)
        if not request.stack:
            return self._system(request)
        return Plan(
            request=request, title=f"{request.verb.value} {request.stack} on {request.unit}", release=request.release,
            commands=("cd /srv/web", "docker compose up -d --no-build --pull never"), notes=("volumes are not rolled back",),
            images=(ImageChange(service="app", before="222222222222", after="111111111111", note="registry.example/app:latest"),),
            files=(FileChange(path="compose.yaml", kind="changed", diff=("-image: app:2", "+image: app:1")),),
        )  # fmt: skip

    def _system(self, request: Request) -> Plan:
        """Not built until somebody has asked for it."""
        prepared = any(what == "submit" and said.verb is Verb.PREPARE for what, said in self.asked if isinstance(said, Request))
        system = system_plan(request.unit, built=prepared or request.verb is Verb.ROLLBACK)
        commands = (f"{system.nar_id}/bin/switch-to-configuration test", f"nix-env --profile … --set {system.nar_id}")
        notes = ("it returns to nixos-system-cinnabar-25.11 unless it is reached over a new connection within 60 s",)
        title = f"{request.verb.value} {request.unit}"
        return Plan(request=request, title=title, system=system, release=system.nar_id, commands=commands, notes=notes)

    async def sources(self) -> Sequence[SourceState]:
        return self.source_states

    async def evaluate(self, source: str, reason: str = "") -> str:
        self.asked.append(("evaluate", source))
        return "0123456789abcdef"

    async def source_changes(self, source: str) -> AsyncIterator[None]:
        await asyncio.Event().wait()
        yield

    async def deployments(self, name: str = "") -> Sequence[Recorded]:
        return self.recorded

    async def deployment(self, said: str) -> Deployment:
        return next(one.deployment for one in self.recorded if one.short == said)

    async def acknowledge(self, unit: str, code: str, text: str, until: float) -> None:
        self.asked.append(("acknowledge", (unit, code, text, until)))

    async def alarm_again(self, unit: str, code: str, text: str) -> None:
        self.asked.append(("alarm_again", (unit, code, text)))

    async def tell_agent(self, agent: str, order: Order) -> None:
        self.asked.append(("tell_agent", (agent, order)))

    async def pin_ref(self, name: str, why: str = "") -> RefState:
        self.asked.append(("pin_ref", (name, why)))
        return self._ref(name)

    async def unpin_ref(self, name: str) -> RefState:
        self.asked.append(("unpin_ref", name))
        return self._ref(name)

    def _ref(self, name: str) -> RefState:
        one = recorded(name, 3, days=0)
        return RefState(name=name, revision=1, deployment=one.deployment, short=one.short, at=NOW)

    async def submit(self, plan: Plan, reason: str = "") -> str:
        self.asked.append(("submit", plan.request))
        self.reason = reason
        if self.submit_error:
            raise RefusedError(self.submit_error)
        return "0123456789abcdef"

    async def put_off(self, plan: Plan, reason: str = "") -> str:
        self.asked.append(("put_off", plan.when_back))
        return "0123456789abcdef"

    async def roll_out(self, plans: Sequence[Plan], settings: RolloutSettings, reason: str = "") -> str:
        self.asked.append(("roll_out", tuple(plan.request for plan in plans)))
        self.settings = settings
        self.reason = reason
        if self.submit_error:
            raise RefusedError(self.submit_error)
        return self.rolled_out.operation.id

    async def rollout(self, ident: str) -> RolloutState:
        return self.rolled_out

    async def tell_rollout(self, ident: str, word: Word) -> str:
        self.asked.append(("tell", word))
        return "it goes on"

    async def wait(self, ident: str) -> Operation:
        return operation(Outcome.SUCCEEDED, text="release aaaa00001111 runs again")

    async def cancel(self, ident: str) -> str:
        self.asked.append(("cancel", ident))
        return "asked"

    async def history(self, limit: int = 200, unit: str = "") -> Sequence[Operation]:
        return self.past

    async def operation(self, ident: str) -> Operation | None:
        return next((o for o in self.past if o.id == ident), None)

    async def operation_events(self, ident: str) -> Sequence[Event]:
        return [Event(seq=1, at=NOW, kind="step", text="pull"), Event(seq=2, at=NOW + 2, kind="warn", text="it went bad")]

    async def logs(self, unit: str, stack: str, service: str, *, tail: int, follow: bool, on_line: Callable[[str], None]) -> str:
        self.asked.append(("logs", (unit, stack, service)))
        for text in self.lines:
            on_line(text)
        await asyncio.Event().wait()
        return ""

    async def check_images(self, unit: str, stack: str) -> dict[str, tuple[str, str]]:
        return {}

    async def unlock(self, unit: str) -> Sequence[str]:
        return []

    async def fingerprint(self, unit: str) -> tuple[str, str]:
        return "SHA256:abcdef", "cinnabar ssh-ed25519 AAAA"

    async def trust(self, line: str) -> str:
        self.asked.append(("trust", line))
        return "/home/ada/.ssh/known_hosts"

    async def watch(self) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        return None

    def unit_now(self, name: str) -> UnitState | None:
        return self.state.unit(name)

    @asynccontextmanager
    async def opened(self, _ask: object) -> AsyncIterator[FakeFleet]:
        yield self
