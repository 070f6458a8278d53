"""What claveld writes into its log."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from clavel_tui.claveld import logs
from clavel_tui.domain.agent import Role
from clavel_tui.domain.operation import Event
from clavel_tui.domain.outcome import Outcome
from tests.history.test_agents import report
from tests.history.test_deployments import deployment

from .conftest import Claveld


def lines(log: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(one.levelname, one.getMessage()) for one in log.records]


async def test_what_people_and_agents_told_it_is_said_once(claveld: Claveld, log: pytest.LogCaptureFixture) -> None:
    first, second = deployment("amber"), deployment("amber", "b")
    claveld.coordinator.told = logs.tell
    await claveld.evaluated(second)
    await claveld.post("/v1/refs/amber/rollback", {"to": first.id, "why": "b is slow"})
    await claveld.post("/v1/reports", report(1, desired=first.id, outcome=Outcome.SUCCEEDED).model_dump(mode="json"), "amber")
    for _ in range(2):
        await claveld.coordinator.look()
    said = lines(log)
    assert [text.split()[:2] for _, text in said] == [["ref", "unit=amber"], ["report", "unit=amber"]]
    assert all(word in said[0][1] for word in (first.id[:8], "b is slow", "ann"))


async def test_no_token_is_in_it(claveld: Claveld, log: pytest.LogCaptureFixture) -> None:
    claveld.coordinator.told = logs.tell
    token = await claveld.coordinator.agents.new_token("amber", Role.AGENT)
    await claveld.coordinator.look()
    assert [text.split()[0] for _, text in lines(log)] == ["token"]
    assert token not in log.text


def test_progress_is_for_who_watches_it(log: pytest.LogCaptureFixture) -> None:
    events = [
        Event(seq=seq, at=time.time(), kind=kind, operation="ab12", unit="", text="so it is")
        for seq, kind in enumerate(("begun", "step", "settled"))
    ]
    logs.tell([*events, Event(seq=9, at=time.time(), kind="warn", unit="amber", text="amber: no")])
    assert lines(log) == [("INFO", 'settled operation=ab12 text="so it is"'), ("WARNING", 'warn unit=amber text="amber: no"')]


async def test_nothing_is_lost_where_all_is_read_again_and_nothing_said_twice(claveld: Claveld) -> None:
    told: list[int] = []
    coordinator = claveld.coordinator
    await coordinator.look()
    coordinator.told = lambda events: told.extend(event.seq for event in events)
    before = (await coordinator.journal.marks())[0]

    async def looks() -> None:
        while len(told) < 200:
            coordinator.forget()
            await coordinator.look()

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(looks())
        for n in range(200):
            await coordinator.journal.record([("report", "", "amber", f"{n}")])
    assert told == list(range(before + 1, before + 201))


def test_of_a_whole_past_the_end_is_told(log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MANY", 2)
    logs.tell([Event(seq=seq, at=time.time(), kind="report", unit="amber", text=str(seq)) for seq in range(5)])
    assert [text for _, text in lines(log)] == ["past events=3", "report unit=amber text=3", "report unit=amber text=4"]


def test_what_is_heard_of_late_says_when_it_was(log: pytest.LogCaptureFixture) -> None:
    logs.tell([Event(seq=1, at=1_700_000_000, kind="report", unit="amber", text="well")])
    assert lines(log) == [("INFO", "report at=2023-11-14T22:13:20+00:00 unit=amber text=well")]


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("see https://ada:s3cret@git.example.org/f now", "see https://…@git.example.org/f now"),
        ("https://ada:p@ss@git.example.org/f", "https://…@git.example.org/f"),
        ("https://git.example.org/f?ref=main&private_token=s3cret", "https://git.example.org/f?ref=main&private_token=…"),
        ("'https://git.example.org/f?access_token=s3cret'", "'https://git.example.org/f?access_token=…'"),
        ("https://git.example.org/a@b?monkey=1", "https://git.example.org/a@b?monkey=1"),
    ],
)
def test_a_login_in_a_reference_is_not_in_it(said: str, line: str) -> None:
    assert json.loads(logs.line("x", text=f"{said} ").partition("text=")[2]) == f"{line} "
