"""Deployments that wait for a unit: taken up once, to what was meant when they were asked for, or not at all. The journal is real."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clavel_tui.domain.deployment import Head
from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.facts import Facts
from clavel_tui.domain.health import Health, Level
from clavel_tui.domain.operation import Operation, Origin, Plan, Request, State, Verb
from clavel_tui.domain.outcome import Outcome
from clavel_tui.domain.system import SystemPlan, SystemRecord
from clavel_tui.fleet.state import UnitState
from clavel_tui.history import MIGRATIONS, Journal
from clavel_tui.operations.carrier import Carrier
from clavel_tui.operations.parts import Clock
from clavel_tui.operations.planner import when_back
from clavel_tui.operations.waiting import Waiting
from clavel_tui.store import Database
from tests.domain.build import facts, unit

HEAD = Head(name="h1", id="x", short="h1@aaaa1111", nar_id="/nix/store/x", at=1.0)
FIRST = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-nixos-system-h1-1"
KNOWN: Any = {"current": FIRST, "born": "born"}
DEPLOY = Request(unit="h1", stack="", verb=Verb.DEPLOY)


@dataclass
class Scene:
    """One unit, which is away, and a console that would carry what it is told to."""

    journal: Journal
    state: UnitState
    refusal: str = ""
    now: float = 100.0
    planned: int = 0
    taken: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        async def origin() -> Origin:
            return Origin(operator="ada", host="desk")

        parts: Any = SimpleNamespace(
            journal=self.journal,
            fleet=SimpleNamespace(unit=lambda name: unit(name=name)),
            jobs=object(),
            read_only="",
            runner_name="me",
            clock=Clock(lambda: self.now),
            origin=origin,
            at_once=asyncio.Semaphore(8),
            checkpoint=lambda _name: None,
        )
        watch: Any = SimpleNamespace(state=lambda _unit: self.state)
        self.carrier = Carrier(parts, watch)
        cast("Any", self.carrier).take_up = self._take_up
        self.waiting = Waiting(parts, self.carrier, cast("Any", self), watch)

    async def plan(self, request: Request) -> Plan:
        self.planned += 1
        return Plan(request=request, title=request.sentence, refusal=self.refusal, system=SystemPlan(nar_id="/x", label="x"))

    def _take_up(self, operation: Operation, plan: Plan) -> None:
        async def carried() -> None:
            if await self.journal.take_up(operation.model_copy(update={"state": State.RUNNING})):
                self.taken.append(plan.request.release)

        self.carrier.track(operation.id, plan.request.unit, carried())

    async def carried(self) -> None:
        """All that was taken up until now; what nobody carries any more is left as it is."""
        await asyncio.gather(*self.carrier._runs.values())

    async def put_off(self, **more: Any) -> str:  # noqa: ANN401
        request = DEPLOY.model_copy(update={"release": "h1@aaaa1111", **more})
        return await self.waiting.put_off(Plan(request=DEPLOY, title="deploy h1", refusal="away", when_back=request), "why")

    def back(self, **more: Any) -> None:  # noqa: ANN401
        self.state = self.state.model_copy(update={"trouble": "", "kind": "", "facts": facts(**{"at": 200.0, **KNOWN, **more})})

    async def of(self, ident: str) -> Operation:
        found = await self.journal.operation(ident)
        assert found
        return found


def away(seen: Facts | None = None) -> UnitState:
    health = Health(level=Level.UNREACHABLE, reasons=())
    return UnitState(unit=unit(name="h1"), trouble="no answer", kind="unreachable", health=health, facts=seen, head=HEAD)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    database = await Database.open(tmp_path / "journal.db", MIGRATIONS)
    yield Scene(Journal(database, "me"), away(facts(at=50.0, **KNOWN)))
    await database.close()


async def test_it_waits_until_the_unit_was_seen_and_is_taken_up_once(scene: Scene) -> None:
    ident = await scene.put_off()
    await scene.waiting.take_up()
    assert (await scene.of(ident)).word == "waits for its unit"
    assert scene.taken == []
    scene.back()
    for _ in range(3):
        await scene.waiting.take_up()
    await scene.carried()
    assert scene.taken == ["h1@aaaa1111"]
    assert (await scene.of(ident)).state is State.RUNNING


async def test_what_was_seen_before_it_was_asked_for_is_no_return(scene: Scene) -> None:
    await scene.put_off()
    scene.state = scene.state.model_copy(update={"trouble": "", "kind": ""})
    await scene.waiting.take_up()
    assert scene.taken == []


async def test_a_newer_one_takes_its_place(scene: Scene) -> None:
    first, second = await scene.put_off(), await scene.put_off(release="h1@bbbb2222")
    ended = await scene.of(first)
    assert (ended.outcome, ended.text) == (
        Outcome.CANCELLED,
        "it waited for h1, and was not begun: another one waits in its place",
    )
    scene.back()
    await scene.waiting.take_up()
    await scene.carried()
    assert scene.taken == ["h1@bbbb2222"]
    assert (await scene.of(second)).state is State.RUNNING


async def test_cancelled_it_waits_no_longer(scene: Scene) -> None:
    ident = await scene.put_off()
    assert await scene.carrier.cancel(ident) == "it waits no longer"
    scene.back()
    await scene.waiting.take_up()
    assert scene.taken == []
    assert (await scene.of(ident)).outcome is Outcome.CANCELLED


async def test_what_somebody_deployed_meanwhile_is_not_undone(scene: Scene) -> None:
    ident = await scene.put_off()
    scene.back(systems=(SystemRecord(at=150.0, verdict="good", path="/nix/store/y", label="h1@cccc3333", operator="bob@desk"),))
    await scene.waiting.take_up()
    ended = await scene.of(ident)
    assert (ended.outcome, scene.taken) == (Outcome.REFUSED, [])
    assert ended.text.endswith("meanwhile bob@desk deployed h1@cccc3333 (good)")


async def test_what_somebody_did_by_hand_is_not_undone_either(scene: Scene) -> None:
    ident = await scene.put_off()
    scene.back(current=FIRST.replace("h1-1", "h1-7"))
    await scene.waiting.take_up()
    ended = await scene.of(ident)
    assert (ended.outcome, scene.taken) == (Outcome.REFUSED, [])
    assert ended.text.endswith("meanwhile it was given nixos-system-h1-7, and ran nixos-system-h1-1 before")


async def test_another_machine_of_that_name_gets_nothing(scene: Scene) -> None:
    ident = await scene.put_off()
    scene.back(born="another")
    await scene.waiting.take_up()
    assert ((await scene.of(ident)).outcome, scene.taken) == (Outcome.REFUSED, [])


async def test_after_a_month_nobody_waits(scene: Scene) -> None:
    ident = await scene.put_off()
    scene.now = 100.0 + 31 * 86400
    await scene.waiting.take_up()
    assert (await scene.of(ident)).text.endswith("it was not back for 30 days")


async def test_a_cancel_that_comes_too_late_goes_the_ordinary_way(scene: Scene) -> None:
    ident = await scene.put_off()
    waiting = await scene.of(ident)
    assert await scene.journal.take_up(waiting.model_copy(update={"state": State.RUNNING}))
    assert not await scene.journal.settle(waiting.ended_with(Outcome.CANCELLED, "", 1.0), only=State.PLANNED)
    assert (await scene.of(ident)).state is State.RUNNING


async def test_what_is_refused_at_its_return_is_tried_again_for_a_while(scene: Scene) -> None:
    """Another operation runs there, its Nix daemon is not up yet: that passes."""
    ident = await scene.put_off()
    scene.back()
    scene.refusal = "its disk is full"
    for seconds in (0.0, 10.0, 40.0):
        scene.now = 200.0 + seconds
        await scene.waiting.take_up()
    assert scene.planned == 2
    assert (await scene.of(ident)).state is State.PLANNED
    scene.now = 1200.0
    await scene.waiting.take_up()
    ended = await scene.of(ident)
    assert (ended.outcome, scene.taken) == (Outcome.REFUSED, [])
    assert ended.text.endswith("not begun: its disk is full")


async def test_any_console_takes_up_what_another_one_put_off(scene: Scene) -> None:
    """The command line that did so has ended; and where two are open, the journal gives it to one."""
    other = Journal(scene.journal._db, "other")
    operation = Operation(
        id="0123456789abcdef",
        request=DEPLOY.model_copy(update={"release": "h1@aaaa1111"}),
        origin=Origin(operator="bob"),
        state=State.PLANNED,
        started=100.0,
        born="born",
        came_from=FIRST,
    )
    await other.begin(operation)
    scene.back()
    await scene.carrier.reconcile()  # which settles what died, and leaves alone what only waits
    await scene.waiting.take_up()
    await scene.carried()
    assert scene.taken == ["h1@aaaa1111"]


async def test_only_a_deployment_of_a_unit_that_is_away_can_wait(scene: Scene) -> None:
    there = away(facts(at=50.0, **KNOWN))
    assert when_back(DEPLOY, there) == DEPLOY.model_copy(update={"release": "h1@aaaa1111"})
    assert when_back(DEPLOY.model_copy(update={"release": "h1"}), there) == DEPLOY.model_copy(update={"release": "h1@aaaa1111"})
    assert when_back(DEPLOY.model_copy(update={"release": "7"}), there) is None  # a generation may be another one then
    assert when_back(DEPLOY, away()) is None  # of what was never seen nothing can be compared
    assert when_back(DEPLOY, there.model_copy(update={"kind": "host-key-changed"})) is None
    assert when_back(DEPLOY, there.model_copy(update={"head": None})) is None
    assert when_back(DEPLOY.model_copy(update={"verb": Verb.ROLLBACK}), there) is None
    assert when_back(Request(unit="h1", stack="web", verb=Verb.UPDATE), there) is None
    with pytest.raises(RefusedError, match="cannot wait: its unit is there"):
        await scene.waiting.put_off(Plan(request=DEPLOY, title="deploy h1"), "")
