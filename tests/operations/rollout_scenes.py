"""A rollout whose units end as they are told to: for the order of its steps. The journal is a real one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.health import Health, Level, Reason
from clavel_tui.domain.operation import Operation, Origin, Plan, Request, State, Verb
from clavel_tui.domain.outcome import Outcome
from clavel_tui.domain.rollout import Rollout, child
from clavel_tui.domain.waves import RolloutSettings
from clavel_tui.fleet.state import UnitState
from clavel_tui.history import MIGRATIONS, Journal, JournalError
from clavel_tui.operations.parts import Clock
from clavel_tui.operations.rollout_run import RolloutRun
from clavel_tui.store import Database
from tests.domain.build import facts, unit

ORIGIN = Origin(operator="ada", host="desk")


@dataclass
class Stage:
    """Stands in for the carrier, the watch and the planner; ``lines`` is what was done, in its order."""

    journal: Journal
    ends: dict[str, Outcome]
    """How a unit's operation ends, where not well."""
    ills: dict[str, str] = field(default_factory=dict)
    """What is wrong with a unit when it is looked at behind its operation."""
    breaks: str = ""
    """The unit at which the journal fails."""
    waits: set[str] = field(default_factory=set)
    """Units whose operation goes on until `go` is set."""
    lines: list[str] = field(default_factory=list)
    running: list[int] = field(default_factory=list)
    """How many ran at once, whenever one more began."""
    go: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    # ---- the carrier

    async def submit(self, plan: Plan, reason: str = "", *, ident: str, parent: str) -> str:
        request = plan.request
        if request.unit == self.breaks:
            raise JournalError("the disk is full", "")
        if self.ends.get(request.unit) is Outcome.REFUSED:
            raise RefusedError("its files have changed")
        assert not await self.journal.some([ident]), f"{request.sentence} is begun twice"
        operation = Operation(id=ident, request=request, origin=ORIGIN, state=State.RUNNING, started=1.0, parent=parent)
        await self.journal.begin(operation)
        self.tasks[ident] = asyncio.create_task(self._end(operation))
        self.lines.append(f"{request.verb.value} {request.unit}")
        self.running.append(sum(not task.done() for task in self.tasks.values()))
        return ident

    async def _end(self, operation: Operation) -> None:
        name = operation.request.unit
        if name in self.waits:
            await self.go.wait()
        await asyncio.sleep(0.01)
        outcome = self.ends.get(name, Outcome.SUCCEEDED) if operation.request.verb is Verb.DEPLOY else Outcome.SUCCEEDED
        operation = operation.model_copy(update={"came_from": f"old of {name}"})
        await self.journal.settle(operation.ended_with(outcome, "as told", 2.0))

    async def wait(self, ident: str) -> Operation:
        if task := self.tasks.get(ident):
            await asyncio.wait([task])
        operation = await self.journal.operation(ident)
        assert operation
        return operation

    async def cancel(self, ident: str) -> str:
        self.lines.append("cancel")
        self.go.set()
        return ""

    async def reconcile(self) -> None:
        """One that another console began has ended on its unit."""
        for operation, _, _ in await self.journal.open_operations():
            if operation.parent and operation.id not in self.tasks:
                await self.journal.settle(operation.ended_with(Outcome.SUCCEEDED, "taken over", 2.0))

    def carries(self, ident: str) -> bool:
        return ident in self.tasks and not self.tasks[ident].done()

    def unit(self, name: str) -> Any:  # noqa: ANN401
        return unit(name=name)

    # ---- the watch

    async def look(self, seen: Any) -> None:  # noqa: ANN401
        self.lines.append(f"look {seen.name}")

    def state(self, seen: Any) -> UnitState:  # noqa: ANN401
        ill = self.ills.get(seen.name, "")
        reasons = (Reason(code="service", level=Level.FAILED, text=ill),) if ill else ()
        return UnitState(unit=seen, facts=facts(), health=Health(level=Level.FAILED if ill else Level.OK, reasons=reasons))

    # ---- the planner

    async def plan(self, request: Request) -> Plan:
        return Plan(request=request, title=request.sentence)


@dataclass
class Play:
    """One rollout on a stage."""

    stage: Stage
    rollout: Rollout
    operation: Operation
    make: Callable[..., RolloutRun]

    def run(self) -> asyncio.Task[None]:
        parts = cast("Any", _Parts(self.stage.journal))
        stage = cast("Any", self.stage)
        run = self.make(parts, stage, stage, self.operation, self.rollout)
        run._planner = stage
        return asyncio.create_task(run.carry())

    async def end(self) -> Operation:
        await asyncio.wait_for(self.run(), 20)
        return await self.end_of_it()

    async def end_of_it(self) -> Operation:
        operation = await self.stage.journal.operation(self.operation.id)
        assert operation
        return operation

    async def say(self, word: str) -> None:
        await self.stage.journal.record([("word", self.operation.id, "", f"{word} by ada")])

    async def until(self, line: str) -> None:
        async with asyncio.timeout(10):
            while line not in self.stage.lines:
                await asyncio.sleep(0.01)

    async def step(self) -> str:
        operation = await self.stage.journal.operation(self.operation.id)
        return operation.step if operation else ""

    def child(self, name: str) -> str:
        return child(self.operation.id, next(plan for plan in self.rollout.plans if plan.request.unit == name))


@dataclass
class _Parts:
    journal: Journal
    clock: Clock = field(default_factory=lambda: Clock(lambda: 3.0, lambda _: asyncio.sleep(0.01)))

    def checkpoint(self, _name: str) -> None: ...


@asynccontextmanager
async def play(
    folder: Path, units: str, make: Callable[..., RolloutRun], ends: dict[str, Outcome] | None = None, **settings: object
) -> AsyncIterator[Play]:
    """A rollout of `deploy` to units of one letter each."""
    database = await Database.open(folder / "journal.db", MIGRATIONS)
    stage = Stage(Journal(database, "me", lambda: 1.0), ends or {})
    try:
        plans = [Plan(request=Request(unit=name, stack="", verb=Verb.DEPLOY), title=name) for name in units]
        rollout = Rollout.of(plans, RolloutSettings.model_validate({"soak_seconds": 0, **settings}), {})
        request = Request(unit="", stack="", verb=Verb.ROLLOUT, release=rollout.title)
        operation = Operation(id="0123456789abcdef", request=request, origin=ORIGIN, state=State.RUNNING, started=1.0)
        await stage.journal.begin(operation, rollout)
        yield Play(stage, rollout, operation, make)
    finally:
        for task in stage.tasks.values():
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*stage.tasks.values(), return_exceptions=True)
        await database.close()


# ---------------------------------------------------------------- scenarios: each ends well, or an assertion fails

Make = Callable[..., RolloutRun]


async def goes_in_waves(folder: Path, make: Make) -> None:
    """The canary alone, and nothing of the next wave before every unit of this one was looked at."""
    async with play(folder, "abcde", make, canary=1, wave="2") as scene:
        ended = await scene.end()
        lines = scene.stage.lines
        assert (ended.outcome, ended.text) == (Outcome.SUCCEEDED, "5 of 5 done")
        assert [line for line in lines if line.startswith("deploy")] == [f"deploy {name}" for name in "abcde"]
        assert "look a" in lines[: lines.index("deploy b")]
        assert "look c" in lines[: lines.index("deploy d")]
        assert max(scene.stage.running) == 2


async def stops_at_a_failure(folder: Path, make: Make) -> None:
    async with play(folder, "abcd", make, {"b": Outcome.RETURNED}, canary=1, wave="1") as scene:
        ended = await scene.end()
        assert ended.outcome is Outcome.UNITS_FAILED
        assert ended.text == "1 of 4 done; b: returned by itself: as told; 2 not begun"
        assert "deploy c" not in scene.stage.lines
        assert "rollback a" not in scene.stage.lines


async def stops_within_a_wave(folder: Path, make: Make) -> None:
    """Those of the wave that have not begun yet are spared as well."""
    async with play(folder, "abcdefghijklmnop", make, {"a": Outcome.FAILED}, canary=0, wave="100%") as scene:
        scene.stage.waits = set("bcdefgh")
        running = scene.run()
        await scene.until("deploy h")
        while not await _failed(scene, "a"):
            await asyncio.sleep(0.01)
        scene.stage.go.set()
        await asyncio.wait_for(running, 10)
        assert [line[-1] for line in scene.stage.lines if line.startswith("deploy")] == list("abcdefgh")


async def _failed(scene: Play, name: str) -> bool:
    events = await scene.stage.journal.events(0, scene.operation.id)
    return any(event.kind == "failure" and event.unit == name for event in events)


async def brings_back_what_is_done(folder: Path, make: Make) -> None:
    """All that have changed and only they, each to what ran there before; what had nothing to change is left alone."""
    ends = {"b": Outcome.NO_CHANGE, "c": Outcome.RETURNED}
    async with play(folder, "abcd", make, ends, canary=0, wave="1", on_stop="return") as scene:
        ended = await scene.end()
        assert [line for line in scene.stage.lines if line.startswith("rollback")] == ["rollback a"]
        back = [o for o in await scene.stage.journal.operations() if o.request.verb is Verb.ROLLBACK]
        assert [(o.request.unit, o.request.release, o.parent) for o in back] == [("a", "old of a", scene.operation.id)]
        assert ended.outcome is Outcome.RETURNED
        assert "1 of 1 brought back" in ended.text


async def an_illness_behind_it_counts(folder: Path, make: Make) -> None:
    """Its operation ended well, and then a service of it fell over: the next wave does not begin."""
    async with play(folder, "abc", make, canary=1, on_stop="return") as scene:
        scene.stage.ills["a"] = "web/app keeps restarting"
        ended = await scene.end()
        assert "a: it fell ill behind its operation: web/app keeps restarting" in ended.text
        assert [line for line in scene.stage.lines if not line.startswith("look")] == ["deploy a", "rollback a"]


async def an_old_illness_does_not(folder: Path, make: Make) -> None:
    async with play(folder, "ab", make, canary=1) as scene:
        scene.stage.ills["a"] = "web/app keeps restarting"
        scene.rollout = scene.rollout.model_copy(update={"unwell": {"a": ("web/app keeps restarting",)}})
        assert (await scene.end()).outcome is Outcome.SUCCEEDED


async def goes_on_below_its_bound(folder: Path, make: Make) -> None:
    async with play(folder, "abcd", make, {"a": Outcome.RETURNED}, canary=1, stop_at=2) as scene:
        ended = await scene.end()
        assert (ended.outcome, "deploy d" in scene.stage.lines) == (Outcome.UNITS_FAILED, True)


async def a_refusal_counts(folder: Path, make: Make) -> None:
    async with play(folder, "ab", make, {"a": Outcome.REFUSED}, canary=1) as scene:
        ended = await scene.end()
        assert (ended.outcome, scene.stage.lines) == (Outcome.FAILED, [])
        assert "a: its files have changed" in ended.text


async def pauses_and_goes_on(folder: Path, make: Make) -> None:
    async with play(folder, "abc", make, canary=1, wave="1") as scene:
        scene.stage.waits = {"a"}
        running = scene.run()
        await scene.until("deploy a")
        await scene.say("pause")
        while await scene.step() != "paused":
            await asyncio.sleep(0.01)
        scene.stage.go.set()
        await scene.until("look a")
        await asyncio.sleep(0.2)
        assert "deploy b" not in scene.stage.lines
        await scene.say("resume")
        await asyncio.wait_for(running, 10)
        assert "deploy c" in scene.stage.lines


async def aborts(folder: Path, make: Make) -> None:
    """What runs is asked to stop, nothing more begins, and what is done goes back if that was asked for."""
    async with play(folder, "abc", make, {"b": Outcome.CANCELLED}, canary=1, wave="1", on_stop="return") as scene:
        scene.stage.waits = {"b"}
        running = scene.run()
        await scene.until("deploy b")
        await scene.say("abort")
        await asyncio.wait_for(running, 10)
        ended = await scene.end_of_it()
        assert ended.outcome is Outcome.CANCELLED
        assert [line for line in scene.stage.lines if not line.startswith("look")] == [
            "deploy a", "deploy b", "cancel", "rollback a",
        ]  # fmt: skip


async def is_taken_up_where_it_was(folder: Path, make: Make) -> None:
    """The next console begins nothing twice, waits for what the dead one began, and knows what had failed."""
    async with play(folder, "abcd", make, {"c": Outcome.RETURNED}, canary=1, wave="1", stop_at=2) as scene:
        scene.stage.waits = {"b"}
        first = scene.run()
        await scene.until("deploy b")
        first.cancel()
        await asyncio.wait([first])
        scene.stage.tasks.pop(scene.child("b")).cancel()
        await scene.stage.journal.record([("failure", scene.operation.id, "z", "it had failed")])
        ended = await scene.end()
        assert [line for line in scene.stage.lines if line.startswith("deploy")] == ["deploy a", "deploy b", "deploy c"]
        assert (ended.outcome, "z: it had failed" in ended.text) == (Outcome.UNITS_FAILED, True)
        taken = await scene.stage.journal.operation(scene.child("b"))
        assert taken
        assert (taken.outcome, taken.text) == (Outcome.SUCCEEDED, "taken over")


async def a_stop_waits_for_what_had_begun(folder: Path, make: Make) -> None:
    """Taken up when it is stopped already: it ends behind what was begun, and not before."""
    async with play(folder, "ab", make, canary=0, wave="1") as scene:
        scene.stage.waits = {"a"}
        first = scene.run()
        await scene.until("deploy a")
        first.cancel()
        await asyncio.wait([first])
        await scene.stage.journal.record([("failure", scene.operation.id, "z", "it had failed")])
        second = scene.run()
        await asyncio.sleep(0.3)
        assert not second.done()
        scene.stage.go.set()
        await asyncio.wait_for(second, 10)


async def what_never_came_to_its_unit_is_begun_again(folder: Path, make: Make) -> None:
    """Its console died between the journal's row and the unit; nobody's failure, and nothing is brought back for it."""
    async with play(folder, "abc", make, canary=1, wave="1", on_stop="return") as scene:
        scene.stage.waits = {"b"}
        first = scene.run()
        await scene.until("deploy b")
        first.cancel()
        await asyncio.wait([first])
        scene.stage.tasks.pop(scene.child("b")).cancel()
        lost = await scene.stage.journal.operation(scene.child("b"))
        assert lost
        await scene.stage.journal.settle(lost.ended_with(Outcome.NEVER_STARTED, "it never started", 2.0))
        scene.stage.waits = set()
        ended = await scene.end()
        assert (ended.outcome, ended.text) == (Outcome.SUCCEEDED, "3 of 3 done")
        assert [line for line in scene.stage.lines if not line.startswith("look")] == [
            "deploy a", "deploy b", "deploy b", "deploy c",
        ]  # fmt: skip


async def what_ends_one_ends_the_wave(folder: Path, make: Make) -> None:
    """A journal that can no longer be written: nobody would hear a stop, so nothing more of the wave begins."""
    async with play(folder, "abcdefghijkl", make, canary=0, wave="100%") as scene:
        scene.stage.breaks = "c"
        running = scene.run()
        await asyncio.wait([running], timeout=10)
        assert isinstance(running.exception(), JournalError)
        await asyncio.sleep(0.3)
        assert len([line for line in scene.stage.lines if line.startswith("deploy")]) < 11


SCENARIOS = (
    goes_in_waves, stops_at_a_failure, stops_within_a_wave, brings_back_what_is_done, an_illness_behind_it_counts,
    an_old_illness_does_not, goes_on_below_its_bound, a_refusal_counts, pauses_and_goes_on, aborts, is_taken_up_where_it_was,
    a_stop_waits_for_what_had_begun, what_never_came_to_its_unit_is_begun_again, what_ends_one_ends_the_wave,
)  # fmt: skip
