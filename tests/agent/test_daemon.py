"""The daemon's order of steps, with a scripted claveld and engine: what it asks, applies, stops, and says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from clavel_tui.agent import daemon as daemons
from clavel_tui.agent import memory
from clavel_tui.agent.daemon import Daemon, running
from clavel_tui.agent.outbox import Outbox
from clavel_tui.agent.ref import Folders
from clavel_tui.bus.claveld import ClaveldError
from clavel_tui.bus.for_agent import Got
from clavel_tui.domain.agent import Order, Phase, Report, Told
from clavel_tui.domain.deployment import Deployment, Specification, Template
from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.facts import Facts
from clavel_tui.domain.health import Health, Level
from clavel_tui.domain.operation import Operation, Origin, Plan, Request, State
from clavel_tui.domain.outcome import Outcome
from clavel_tui.domain.unit import Stack, Unit, UnitType
from clavel_tui.fleet.state import UnitState

WEB = Stack(name="web", path="/srv/web")
AMBER = Unit(name="amber", type=UnitType.NIXOS, arch="x86_64-linux", address="local", stacks=(WEB,))


def path(text: str) -> str:
    return f"/nix/store/{text * 32}-system"


def wanted(text: str) -> Deployment:
    return Deployment.of(Specification(unit="amber", template=Template(nar_id=path(text))), "/repository", f"sha256-{text}")


@dataclass
class FakeClaveld:
    """Answers what ``answer`` is; waits where it was answered already."""

    url: str = "https://claveld"
    answer: Got | Exception = field(default_factory=lambda: Got('"a"', wanted("a")))
    reports: list[Report] = field(default_factory=list)
    told: list[Facts] = field(default_factory=list)
    away: bool = False
    asked: int = 0

    async def deployment(self, _name: str, tag: str = "", wait: float = 0.0) -> Got:
        self.asked += 1
        while not isinstance(self.answer, Exception) and tag == self.answer.tag and wait:
            await asyncio.sleep(0.005)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def tell(self, facts: Facts) -> None:
        if self.away:
            raise ClaveldError("away")
        self.told.append(facts)

    async def report(self, report: Report) -> None:
        if self.away:
            raise ClaveldError("away")
        self.reports.append(report)


@dataclass
class FakeEngine:
    """Carries an operation until it is told how that ends."""

    root: Path
    refusal: str = ""
    past: list[Operation] = field(default_factory=list)
    plans: int = 0
    refused_stacks: dict[str, str] = field(default_factory=dict)
    settled: int = 0
    facts: Facts | None = None
    ends: asyncio.Queue[Outcome] = field(default_factory=asyncio.Queue)

    async def plan(self, request: Request) -> Plan:
        self.plans += 1
        if why := self.refused_stacks.get(request.stack, self.refusal):
            raise RefusedError(why)
        return Plan(request=request, title="")

    async def submit(self, plan: Plan) -> str:
        origin = Origin(operator="root")
        ident = f"{len(self.past):032x}"
        self.past.insert(
            0, Operation(id=ident, request=plan.request, origin=origin, state=State.RUNNING, started=1, step="fetch")
        )
        return ident

    async def wait(self, ident: str) -> Operation:
        outcome = await self.ends.get()
        self.past[0] = self.past[0].ended_with(outcome, "why", time.time())
        if outcome is Outcome.SUCCEEDED and not self.past[0].request.stack:
            self.runs(self.past[0].request.release.partition("@")[2])
        return self.past[0]

    def runs(self, ident: str) -> None:
        text = next(text for text in "abc" if wanted(text).id == ident)
        store = self.root / path(text)[1:]
        store.mkdir(parents=True, exist_ok=True)
        for link in ("run/current-system", "nix/var/nix/profiles/system"):
            where = self.root / link
            where.parent.mkdir(parents=True, exist_ok=True)
            where.unlink(missing_ok=True)
            where.symlink_to(store)

    def brings(self, text: str, *stacks: str) -> None:
        for stack in stacks:
            folder = self.root / path(text)[1:] / "etc/clavel/stacks" / stack
            folder.mkdir(parents=True)
            (folder / "compose.yaml").write_text("services: {}")

    async def cancel(self, _ident: str) -> str:
        self.ends.put_nowait(Outcome.CANCELLED)
        return "asked"

    async def operation(self, ident: str) -> Operation | None:
        return next((one for one in self.past if one.id == ident), None)

    async def history(self, _limit: int, _unit: str, stack: str) -> list[Operation]:
        return [one for one in self.past if one.request.stack == stack]

    async def settle_open(self) -> None:
        self.settled += 1
        self.past[0] = self.past[0].ended_with(Outcome.RETURNED, "why", time.time())

    async def refresh(self, _units: object) -> None:
        pass

    def unit_now(self, _name: str) -> UnitState | None:
        return UnitState(unit=AMBER, facts=self.facts, health=Health(level=Level.OK)) if self.facts else None


class Nothing:
    """Stands for the journal's Deployments."""

    async def record(self, *_: object) -> None:
        pass


@dataclass
class Scene:
    """A daemon that runs, and all that it meets."""

    claveld: FakeClaveld
    engine: FakeEngine
    folder: Path
    said: list[str]

    @property
    def last(self) -> Report:
        return self.claveld.reports[-1]

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(8):
            while not holds():
                await asyncio.sleep(0.01)

    async def until_phase(self, phase: Phase) -> None:
        await self.until(lambda: bool(self.claveld.reports) and self.last.phase is phase)


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    monkeypatch.setattr(daemons, "AWAY_FIRST_S", 0.02)
    monkeypatch.setattr(daemons, "REFUSED_S", 0.02)
    monkeypatch.setattr(daemons, "MEMORY_S", 0.02)
    monkeypatch.setattr(daemons.random, "uniform", lambda *_: 0.0)
    made = Scene(FakeClaveld(), FakeEngine(tmp_path / "root"), tmp_path, [])
    parts: Any = (made.claveld, made.engine, Nothing(), Outbox(tmp_path / "outbox"))
    daemon = Daemon(AMBER, "amber", ("amber",), *parts, Folders(tmp_path, tmp_path / "root"), time.time, made.said.append)
    async with running(daemon) as task:
        yield made
        assert not task.done() or not task.exception()


async def test_it_applies_what_it_is_told_and_says_so(scene: Scene) -> None:
    await scene.until_phase(Phase.APPLYING)
    scene.engine.ends.put_nowait(Outcome.SUCCEEDED)
    await scene.until_phase(Phase.IDLE)
    assert (scene.last.outcome, scene.last.running, scene.last.desired) == (Outcome.SUCCEEDED, path("a"), wanted("a").id)
    scene.claveld.answer = Got('"b"', wanted("b"))
    await scene.until_phase(Phase.APPLYING)
    scene.engine.ends.put_nowait(Outcome.RETURNED)
    await scene.until_phase(Phase.QUARANTINED)
    assert scene.engine.plans == 2


async def test_what_is_seen_of_the_unit_is_told_once_also_where_claveld_was_away(scene: Scene) -> None:
    scene.claveld.away = True
    scene.engine.facts = Facts(unit="amber", at=1.0)
    await asyncio.sleep(0.2)
    assert not scene.claveld.told
    scene.claveld.away = False
    await scene.until(lambda: bool(scene.claveld.told))
    scene.engine.facts = Facts(unit="amber", at=2.0)
    await scene.until(lambda: len(scene.claveld.told) > 1)
    await asyncio.sleep(0.1)
    assert [facts.at for facts in scene.claveld.told] == [1.0, 2.0]


async def test_a_ref_that_moves_stops_what_is_under_way(scene: Scene) -> None:
    await scene.until_phase(Phase.APPLYING)
    scene.claveld.answer = Got('"b"', wanted("b"))
    await scene.until(lambda: scene.engine.plans == 2)
    assert scene.engine.past[-1].outcome is Outcome.CANCELLED
    scene.engine.ends.put_nowait(Outcome.SUCCEEDED)
    await scene.until_phase(Phase.IDLE)
    assert scene.last.running == path("b")


@pytest.mark.parametrize("way", ["an order", "on the unit"])
async def test_a_hold_stops_a_fetch_and_not_an_activation(scene: Scene, way: str) -> None:
    def hold() -> None:
        if way == "an order":
            scene.claveld.answer = Got('"a.1"', wanted("a"), Told(order=Order.HOLD, number=1))
        else:
            memory.change(scene.folder / "memory.json", lambda known: known.model_copy(update={"held": "a demo"}))

    await scene.until_phase(Phase.APPLYING)
    hold()
    await scene.until_phase(Phase.HELD)
    assert scene.engine.past[0].outcome is Outcome.CANCELLED


async def test_an_activation_that_has_begun_is_not_stopped_by_a_hold(scene: Scene) -> None:
    await scene.until_phase(Phase.APPLYING)
    scene.engine.past[0] = scene.engine.past[0].model_copy(update={"step": "activate"})
    scene.claveld.answer = Got('"a.1"', wanted("a"), Told(order=Order.HOLD, number=1))
    await asyncio.sleep(0.2)
    assert scene.engine.ends.empty()
    scene.engine.ends.put_nowait(Outcome.SUCCEEDED)
    await scene.until_phase(Phase.HELD)
    assert scene.last.running == path("a")


async def test_what_the_engine_refuses_is_tried_again_less_and_less_often(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemons, "RETRY_FIRST_S", 0.1)
    scene.engine.refusal = "another operation runs on amber"
    await scene.until_phase(Phase.FAILED)
    await asyncio.sleep(1.0)
    assert 3 <= scene.engine.plans <= 5  # after 0.1, 0.3 and 0.7 seconds
    assert [report.phase for report in scene.claveld.reports] == [Phase.FAILED]
    scene.engine.refusal = ""
    await scene.until_phase(Phase.APPLYING)


async def test_one_that_nobody_carries_is_settled(scene: Scene) -> None:
    await scene.until_phase(Phase.APPLYING)
    scene.engine.ends.put_nowait(Outcome.SUCCEEDED)
    await scene.until_phase(Phase.IDLE)
    request = Request(unit="amber", stack="", verb=scene.engine.past[0].request.verb, release=f"amber@{wanted('b').id}")
    scene.engine.past.insert(
        0, scene.engine.past[0].model_copy(update={"id": "f" * 32, "request": request, "state": State.UNKNOWN})
    )
    scene.claveld.answer = Got('"b"', wanted("b"))
    await scene.until_phase(Phase.QUARANTINED)
    assert scene.engine.settled == 1


async def test_an_order_of_a_new_registration_is_heard_and_one_twice_is_not(scene: Scene) -> None:
    memory.change(scene.folder / "memory.json", lambda known: known.model_copy(update={"heard": {"amber": 7}}))
    scene.claveld.answer = Got('"a.1"', wanted("a"), Told(order=Order.HOLD, number=1))
    await scene.until_phase(Phase.HELD)
    memory.change(scene.folder / "memory.json", lambda known: known.model_copy(update={"held": ""}))
    scene.claveld.answer = Got('"a.1 again"', wanted("a"), Told(order=Order.HOLD, number=1))
    await scene.until_phase(Phase.APPLYING)


@pytest.mark.parametrize("ident", ["0" * 64, "sha256-which-is-no-id-of-ours"])
async def test_another_units_deployment_and_one_that_was_changed_on_the_way_are_refused(scene: Scene, ident: str) -> None:
    await scene.until_phase(Phase.APPLYING)
    scene.claveld.answer = Got('"x"', wanted("a").model_copy(update={"id": ident}))
    # What was under way is cancelled first, and may be reported before this is looked at.
    await scene.until(lambda: "is not what its id says" in scene.last.text)
    assert scene.last.phase is Phase.FAILED


async def test_trouble_with_claveld_is_logged_once(scene: Scene) -> None:
    await scene.until_phase(Phase.APPLYING)
    scene.claveld.answer = ClaveldError("https://claveld says 401: this token is not good (any more)", 401)
    await scene.until(lambda: len(scene.said) == 1)
    asked = scene.claveld.asked
    await scene.until(lambda: scene.claveld.asked > asked + 3)
    scene.claveld.answer = Got('"b"', wanted("a"))
    await scene.until(lambda: len(scene.said) == 2)
    assert scene.said == ["amber: https://claveld says 401: this token is not good (any more)", "amber: claveld answers again"]


async def test_reports_wait_while_claveld_is_away(scene: Scene) -> None:
    scene.claveld.away = True
    await scene.until(lambda: bool(scene.engine.past))
    scene.engine.ends.put_nowait(Outcome.SUCCEEDED)
    await scene.until(lambda: len(Outbox(scene.folder / "outbox")) == 2)
    scene.claveld.away = False
    await scene.until_phase(Phase.IDLE)
    assert [report.phase for report in scene.claveld.reports] == [Phase.APPLYING, Phase.IDLE]


async def test_the_stacks_that_a_system_brings_come_behind_it_and_once(scene: Scene) -> None:
    scene.engine.brings("a", "web")
    scene.engine.ends.put_nowait(Outcome.SUCCEEDED)
    await scene.until(lambda: len(scene.engine.past) == 2)
    request = scene.engine.past[0].request
    assert (request.stack, request.verb) == ("web", "update")
    await scene.until(lambda: bool(scene.claveld.reports) and scene.last.text == "update web on amber")
    scene.engine.ends.put_nowait(Outcome.SUCCEEDED)
    await scene.until_phase(Phase.IDLE)
    assert (scene.last.outcome, scene.last.text) == (Outcome.SUCCEEDED, "")
    scene.engine.brings("b", "web")
    scene.claveld.answer = Got('"b"', wanted("b"))
    scene.engine.ends.put_nowait(Outcome.SUCCEEDED)
    await scene.until(lambda: scene.last.running == path("b") and scene.last.phase is Phase.IDLE)
    assert scene.engine.plans == 3  # the same files in another closure are no other stack


async def test_a_stack_that_returned_is_quarantined_until_it_is_released(scene: Scene) -> None:
    scene.engine.brings("a", "web")
    scene.engine.ends.put_nowait(Outcome.SUCCEEDED)
    await scene.until(lambda: len(scene.engine.past) == 2)
    scene.engine.past[0] = scene.engine.past[0].model_copy(update={"step": "return"})
    scene.engine.ends.put_nowait(Outcome.RETURNED)
    await scene.until_phase(Phase.QUARANTINED)
    assert (scene.last.text, scene.last.running) == ("web: why", path("a"))
    scene.claveld.answer = Got('"a.1"', wanted("a"), Told(order=Order.RELEASE, number=1))
    await scene.until(lambda: len(scene.engine.past) == 3)
    assert scene.engine.past[0].request.stack == "web"  # and not the system, which runs
    scene.engine.past[0] = scene.engine.past[0].model_copy(update={"step": "health"})
    scene.engine.ends.put_nowait(Outcome.FAILED)
    await scene.until(lambda: scene.last.phase is Phase.QUARANTINED and scene.last.outcome is Outcome.FAILED)
    await asyncio.sleep(0.2)
    assert len(scene.engine.past) == 3  # one release, one try


async def test_one_stack_that_is_refused_keeps_back_neither_the_next_nor_the_word_of_one_that_nobody_knows(scene: Scene) -> None:
    scene.engine.brings("a", "blog", "web")
    scene.engine.refused_stacks["web"] = "Docker does not answer on amber"
    scene.engine.ends.put_nowait(Outcome.SUCCEEDED)
    await scene.until_phase(Phase.FAILED)
    assert "brings the stack blog along, and agent.toml does not name it" in scene.last.text
    assert scene.engine.plans == 2


async def test_a_hold_stops_a_stack_before_it_is_touched(scene: Scene) -> None:
    scene.engine.brings("a", "web")
    scene.engine.ends.put_nowait(Outcome.SUCCEEDED)
    await scene.until(lambda: len(scene.engine.past) == 2)
    scene.engine.past[0] = scene.engine.past[0].model_copy(update={"step": "pull"})
    scene.claveld.answer = Got('"a.1"', wanted("a"), Told(order=Order.HOLD, number=1))
    await scene.until_phase(Phase.HELD)
    assert scene.engine.past[0].outcome is Outcome.CANCELLED
