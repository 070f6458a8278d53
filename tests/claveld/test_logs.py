"""What claveld writes into its log."""

from __future__ import annotations

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
        Event(seq=seq, at=0, kind=kind, operation="ab12", unit="", text="so it is")
        for seq, kind in enumerate(("begun", "step", "settled"))
    ]
    logs.tell([*events, Event(seq=9, at=0, kind="warn", unit="amber", text="amber: no")])
    assert lines(log) == [("INFO", 'settled operation=ab12 text="so it is"'), ("WARNING", 'warn unit=amber text="amber: no"')]
