"""When sources are evaluated: at the start, on a change, and again behind a failure; and no change goes unseen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

import pytest

from clavel_tui.claveld import evaluating
from clavel_tui.claveld.evaluating import Evaluations
from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.operation import Operation, Origin, Request, State, Verb
from clavel_tui.domain.outcome import Outcome
from clavel_tui.domain.source import Evaluation, Lock, Source, SourcePin, Trigger
from clavel_tui.fleet.state import SourceState

from .conftest import FLEET


class Engine:
    """Evaluates as it is told to, and tells changes when it is told to."""

    def __init__(self, *outcomes: Outcome | Exception) -> None:
        self.outcomes = list(outcomes)
        self.asked: list[str] = []
        self.changes: asyncio.Queue[None] = asyncio.Queue()
        self.takes = 0.0
        self.fails = 0
        self.now = list(FLEET.sources)
        self.evaluated: Evaluation | None = None
        self.watched = 0

    async def sources(self) -> Sequence[SourceState]:
        return [SourceState(source=one, at=1.0, evaluation=self.evaluated) for one in self.now if self.evaluated]

    async def standing(self) -> Sequence[Source]:
        return self.now

    async def source_changes(self, _source: str) -> AsyncIterator[None]:
        self.watched += 1
        if self.watched == 1:
            raise OSError("no more watches")
        while True:
            yield await self.changes.get()

    async def evaluate(self, _source: str, reason: str = "") -> str:
        self.asked.append(reason)
        pinned = self.now[0].pin
        if self.fails:
            self.fails -= 1
        else:
            lock = Lock(url="", nar_hash="", revision=pinned.revision if pinned else "head")
            self.evaluated = Evaluation(source=Source(name="main", url="/repository"), lock=lock)
        await asyncio.sleep(self.takes)
        return "0"

    async def wait(self, _operation: str) -> Operation:
        outcome = self.outcomes.pop(0) if self.outcomes else Outcome.NO_CHANGE
        if isinstance(outcome, Exception):
            raise outcome
        request = Request(unit="", stack="main", verb=Verb.EVALUATE)
        operation = Operation(id="0", request=request, origin=Origin(operator="x"), state=State.RUNNING, started=time.time())
        return operation.ended_with(outcome, "", 1)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluating, "FAILED_S", 0.02)


async def said(engine: Engine, count: int) -> list[str]:
    task = asyncio.create_task(Evaluations(FLEET, engine).keep_evaluating())
    async with asyncio.timeout(5):
        while len(engine.asked) < count:
            await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return engine.asked


async def test_at_the_start_and_on_each_change_also_where_watching_failed_at_first() -> None:
    engine = Engine()
    asyncio.get_running_loop().call_later(0.1, engine.changes.put_nowait, None)
    assert await said(engine, 2) == ["claveld has started", "it changed"]
    assert engine.watched == 2


async def test_what_changes_while_it_is_evaluated_is_evaluated_next() -> None:
    engine = Engine()
    engine.watched = 1
    engine.takes = 0.2
    asyncio.get_running_loop().call_later(0.05, engine.changes.put_nowait, None)
    assert await said(engine, 2) == ["claveld has started", "it changed"]


@pytest.mark.parametrize("failure", [Outcome.FAILED, RefusedError("no"), RuntimeError("a fault of ours")])
async def test_what_failed_is_tried_again(failure: Outcome | Exception) -> None:
    assert await said(Engine(failure, failure), 3) == ["claveld has started", "it failed before", "it failed before"]


async def test_each_evaluation_that_begins_and_each_refusal_is_a_line_of_the_log(log: pytest.LogCaptureFixture) -> None:
    engine = Engine(Outcome.FAILED, RefusedError('no "way" to https://ada:secret@git.example.org/f'), Outcome.SUCCEEDED)
    await said(engine, 3)
    assert [(one.levelname, one.getMessage()) for one in log.records] == [
        ("INFO", 'evaluating source=main why="claveld has started"'),
        ("INFO", 'evaluating source=main why="it failed before"'),
        ("WARNING", r'refused source=main text="no \"way\" to https://…@git.example.org/f"'),
        ("INFO", 'evaluating source=main why="it failed before"'),
    ]


async def test_one_that_is_broken_off_with_claveld_is_one_too(log: pytest.LogCaptureFixture) -> None:
    engine = Engine()
    engine.takes = 60
    await said(engine, 1)
    assert [one.getMessage() for one in log.records][1:] == ["stopped source=main"]


async def test_some_that_failed_are_no_failure_of_the_source() -> None:
    engine = Engine(Outcome.UNITS_FAILED)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await Evaluations(FLEET, engine).keep_evaluating()
    assert engine.asked == ["claveld has started"]


def source(name: str = "main", on: Trigger = Trigger.CHANGE, every_minutes: int = 0) -> Source:
    return Source(name=name, url="/repository", on=on, every_minutes=every_minutes)


async def test_on_a_schedule_and_then_no_change_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine()
    engine.now = [source(on=Trigger.SCHEDULE, every_minutes=1)]
    slept: list[float | None] = []

    def timeout(seconds: float | None) -> asyncio.Timeout:
        slept.append(seconds)
        return real(None if seconds is None else min(seconds, 0.02))

    real = asyncio.timeout
    task = asyncio.create_task(Evaluations(FLEET, engine).keep_evaluating())
    monkeypatch.setattr("clavel_tui.claveld.evaluating.asyncio.timeout", timeout)
    while len(engine.asked) < 3:
        await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert engine.asked[:3] == ["claveld has started", "each 1 min", "each 1 min"]
    assert (set(slept), engine.watched) == ({60}, 0)


async def test_on_request_nothing_is_evaluated_but_what_it_was_pinned_to() -> None:
    engine = Engine(Outcome.FAILED, Outcome.FAILED)
    engine.now = [source(on=Trigger.REQUEST)]
    evaluations = Evaluations(FLEET, engine)
    task = asyncio.create_task(evaluations.keep_evaluating())
    await asyncio.sleep(0.1)
    assert engine.asked == []
    pin = SourcePin(revision="1", url="/repository?rev=1", of="/repository", at=0.0, operator="ann")
    engine.now = [source(on=Trigger.REQUEST).model_copy(update={"pin": pin})]
    engine.fails = 2
    evaluations.look_again()
    async with asyncio.timeout(5):
        while len(engine.asked) < 3:
            await asyncio.sleep(0.005)
    engine.now = [source(on=Trigger.REQUEST)]
    evaluations.look_again()
    await asyncio.sleep(0.2)
    assert (engine.asked, engine.watched) == (["it was pinned"] * 3, 0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_is_taken_out_is_evaluated_no_more_and_what_stays_is_left_alone() -> None:
    engine = Engine()
    engine.watched = 1
    engine.now = [source("main"), source("other")]
    evaluations = Evaluations(FLEET, engine)
    task = asyncio.create_task(evaluations.keep_evaluating())
    async with asyncio.timeout(5):
        while (len(engine.asked), engine.watched) != (2, 3):
            await asyncio.sleep(0.005)
    engine.now = engine.now[:1]
    evaluations.look_again()
    await asyncio.sleep(0.1)
    for count in range(3, 6):
        engine.changes.put_nowait(None)
        async with asyncio.timeout(5):
            while len(engine.asked) < count:
                await asyncio.sleep(0.005)
    assert (len(engine.asked), engine.watched) == (5, 3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
