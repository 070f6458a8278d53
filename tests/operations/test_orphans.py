"""What a console that died has left, and what is said while something is only just being begun."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clavel_tui.bus.claveld import ClaveldError
from clavel_tui.bus.rolling_back import carry_rollback
from clavel_tui.domain.operation import Operation, Origin, Plan, PullPlan, Request, Verb
from clavel_tui.domain.outcome import Outcome
from clavel_tui.domain.rollout import Rollout, Word, child
from clavel_tui.domain.unit import Fleet, Stack
from clavel_tui.domain.waves import RolloutSettings
from clavel_tui.history import MIGRATIONS, Journal
from clavel_tui.operations.carrier import Carrier
from clavel_tui.operations.parts import Clock
from clavel_tui.operations.rollouts import Rollouts
from clavel_tui.remote.errors import RemoteError
from clavel_tui.remote.jobs import JobEnd
from clavel_tui.remote.target import Target
from clavel_tui.store import Database
from tests.domain.build import unit

UNIT = unit(name="h1", stacks=(Stack(name="web", path="/srv/web"),))
PLAN = Plan(request=Request(unit="h1", stack="web", verb=Verb.RESTART), title="restart web")
ROLLOUT = Rollout.of([PLAN], RolloutSettings(soak_seconds=0), {})
WHOLE = Request(unit="", stack="", verb=Verb.ROLLOUT, release=ROLLOUT.title)


class Jobs:
    """A unit whose job waits for its confirmation, or for a word that stops it."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.reached = True

    async def put(self, *_: object) -> str:
        if not self.reached:
            await asyncio.sleep(3600)
        return "/tmp/x"

    async def start(self, *_: object) -> str:
        self.said.append("start")
        return "b"

    async def settle(self, *_: object) -> JobEnd:
        if not self.reached:
            raise RemoteError("unreachable", "h1 did not answer within 10 s")
        return JobEnd("running")

    async def follow(self, _target: object, _ident: str, _offset: int, tell: Any) -> JobEnd:  # noqa: ANN401
        tell("step", "confirm")
        while not {"ack", "cancel"} & {*self.said}:
            await asyncio.sleep(0.01)
        outcome = "cancelled" if "cancel" in self.said else "succeeded"
        return JobEnd("ended", 1, {"outcome": outcome, "text": outcome})

    async def acknowledge(self, *_: object) -> None:
        await asyncio.sleep(0.05)
        self.said.append("ack")

    async def leave_word(self, _target: object, _ident: str, word: str) -> None:
        self.said.append(word)


@dataclass
class World:
    """One unit, one journal, and consoles over it."""

    database: Database
    jobs: Jobs = field(default_factory=Jobs)
    slow: float = 0.0

    def console(self, name: str = "me") -> tuple[Journal, Carrier, Rollouts]:
        journal = Journal(self.database, name)
        unseen = SimpleNamespace(trouble="", health=SimpleNamespace(reasons=()), facts=None, stack=lambda _name: None)

        async def look(_unit: object) -> None: ...

        async def forget(_target: object) -> None: ...

        async def origin() -> Origin:
            await asyncio.sleep(self.slow)
            return Origin(operator="ada")

        async def soon(seconds: float) -> None:
            await asyncio.sleep(min(seconds, 0.02))

        watch: Any = SimpleNamespace(state=lambda _unit: unseen, look=look)
        parts: Any = SimpleNamespace(
            fleet=Fleet(name="f", units=(UNIT,)), runner=SimpleNamespace(forget=forget), jobs=self.jobs, journal=journal,
            clock=Clock(time.time, soon), origin=origin, runner_name=name, is_alive=lambda one: one != "dead", read_only="",
            claveld=None, workshop=None, failing_too=None, checkpoint=lambda _name: None, at_once=asyncio.Semaphore(8),
            target=lambda one: Target(name=one.name, address="x"), nix="nix", deployments=None,
        )  # fmt: skip
        carrier = Carrier(parts, watch)
        return journal, carrier, Rollouts(parts, carrier, watch)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    database = await Database.open(tmp_path / "j.db", MIGRATIONS)
    yield World(database)
    await database.close()


async def ends(journal: Journal, ident: str) -> Operation:
    found = await journal.operation(ident)
    assert found
    return found


async def test_an_abort_is_told_to_what_a_dead_console_has_begun_before_anybody_confirms_it(world: World) -> None:
    _, dead, _ = world.console("dead")
    whole = await dead.begin(WHOLE, "", rollout=ROLLOUT)
    await dead.begin(PLAN.request, "", ident=child(whole.id, PLAN), parent=whole.id)
    journal, carrier, rollouts = world.console()
    assert "asked to stop" in await rollouts.tell(whole.id, Word.ABORT)
    await carrier.wait(whole.id)
    assert world.jobs.said[0] == "cancel"
    assert (await ends(journal, child(whole.id, PLAN))).outcome is Outcome.CANCELLED
    assert (await ends(journal, whole.id)).outcome is Outcome.CANCELLED


async def test_an_abort_stops_what_is_only_just_being_begun(world: World) -> None:
    journal, carrier, rollouts = world.console()
    world.slow = 0.8
    ident = await rollouts.begin([PLAN], RolloutSettings(soak_seconds=0), "")
    await asyncio.sleep(0.2)
    await journal.record([("word", ident, "", "abort by ada")])
    await carrier.wait(ident)
    assert "ack" not in world.jobs.said
    assert (await ends(journal, child(ident, PLAN))).outcome is Outcome.CANCELLED


async def test_what_is_stopped_before_it_came_to_its_unit_is_said_so(world: World) -> None:
    world.jobs.reached = False
    journal, carrier, rollouts = world.console()
    ident = await rollouts.begin([PLAN], RolloutSettings(soak_seconds=0), "")
    await asyncio.sleep(0.3)
    await rollouts.tell(ident, Word.ABORT)
    async with asyncio.timeout(10):
        await carrier.wait(ident)
    for one in (child(ident, PLAN), ident):
        assert (await ends(journal, one)).outcome is Outcome.CANCELLED
    assert "nothing was changed" in (await ends(journal, ident)).text
    assert "cannot be written" not in (await ends(journal, ident)).text


async def test_what_can_be_done_about_a_cancel_is_said_by_its_verb(world: World) -> None:
    _, carrier, _ = world.console("dead")
    for verb, word in ((Verb.ROLLBACK, "goes on to its end"), (Verb.UPDATE, "returns to what ran before")):
        operation = await carrier.begin(PLAN.request.model_copy(update={"verb": verb}), "")
        assert word in await world.console()[1].cancel(operation.id)


async def test_what_kept_the_word_back_is_named_though_it_holds_again_behind_the_way_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, carrier, _ = world.console()
    failing = {"tcp 443"}

    async def follow(_target: object, _ident: str, _offset: int, tell: Any) -> JobEnd:  # noqa: ANN401
        tell("step", "confirm")
        await asyncio.sleep(0.2)
        failing.clear()
        tell("step", "return")
        await asyncio.sleep(0.3)
        return JobEnd("ended", 1, {"outcome": "returned", "text": "nobody confirmed"})

    async def now_failing() -> frozenset[str]:
        return frozenset(failing)

    monkeypatch.setattr(world.jobs, "follow", follow)
    monkeypatch.setattr(carrier._parts, "failing_too", now_failing)
    ident = await carrier.submit(PLAN)
    await carrier.wait(ident)
    ended = await ends(journal, ident)
    assert ended.outcome is Outcome.RETURNED
    assert ended.text.endswith("kept back, since from here it did not hold: tcp 443")
    assert "ack" not in world.jobs.said


PULL = PullPlan(name="h1", deployment="a" * 64, short="h1@aaaa", nar_id="/nix/store/a", revision=4, before="h1@bbbb")


class Claveld:
    """Does not say whether it has moved the ref."""

    def __init__(self, status: int, points_to: str | None) -> None:
        self.status = status
        self.points_to = points_to

    async def roll_back(self, *_: object) -> None:
        raise ClaveldError("too slow", self.status)

    async def ref(self, _name: str) -> Any:  # noqa: ANN401  what of a RefState is read
        if self.points_to is None:
            raise ClaveldError("away")
        return SimpleNamespace(deployment=SimpleNamespace(id=self.points_to), short="h1@cccc")

    async def agents(self) -> tuple[list[object], int]:
        return [], 0


@pytest.mark.parametrize(
    ("status", "points_to", "outcome", "word", "moved"),
    [
        (409, None, Outcome.REFUSED, "nothing was changed", 0),
        (503, None, Outcome.UNKNOWN, "did not say whether it moved the ref (too slow)", 0),
        (0, "c" * 64, Outcome.UNKNOWN, "it points to h1@cccc now", 0),
        (0, PULL.deployment, Outcome.UNKNOWN, "the ref points to h1@aaaa, and its agent has not said that it runs", 1),
    ],
)
async def test_a_rollback_without_an_answer_is_refused_by_nobody(
    status: int, points_to: str | None, outcome: Outcome, word: str, moved: int
) -> None:
    told: list[int] = []
    now = iter([0.0, 1.0, 5000.0])

    async def tell() -> None:
        told.append(1)

    claveld: Any = Claveld(status, points_to)
    found, text = await carry_rollback(claveld, PULL, "", tell, asyncio.sleep, lambda: next(now))
    assert (found, len(told)) == (outcome, moved)
    assert word in text
