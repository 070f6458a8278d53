"""The real console over a real claveld: every key there is, while claveld answers and when it does not any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from clavel_tui.bus import far_fleet
from clavel_tui.bus.far_fleet import FarFleet
from clavel_tui.bus.for_agent import AgentClient
from clavel_tui.bus.for_console import ConsoleClient
from clavel_tui.domain.agent import Role
from clavel_tui.domain.commands import COMMANDS
from clavel_tui.domain.facts import Facts
from clavel_tui.domain.operation import Origin
from clavel_tui.domain.system import SystemRecord
from clavel_tui.tui.app import ClavelApp
from clavel_tui.tui.console import Ask
from clavel_tui.tui.screens.history import HistoryScreen
from clavel_tui.tui.widgets.listing import Listing
from tests.history.test_deployments import path
from tests.tui.test_keys import settle
from tests.tui.test_modes import seen

from .test_far_fleet import said
from .test_fuzz import Served

KEYS = [command.key for command in COMMANDS if command.id != "quit"]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    yield served
    served.stop()


@pytest.fixture
def app(served: Served, monkeypatch: pytest.MonkeyPatch) -> ClavelApp:
    monkeypatch.setattr(far_fleet, "AWAY_FIRST_S", 0.05)
    claveld = ConsoleClient(served.url, lambda: served.tokens[Role.OPERATOR], "test")

    @asynccontextmanager
    async def opened(_: Ask) -> AsyncIterator[FarFleet]:
        fleet = FarFleet(claveld, claveld, Origin(operator="ann"))
        try:
            yield fleet
        finally:
            await fleet.close()

    return ClavelApp(opened, served.url)


async def until(pilot: Pilot[None], text: str) -> None:
    """That stands on the screen."""
    try:
        async with asyncio.timeout(15):
            while text not in seen(pilot.app):
                await pilot.pause(0.05)
    except TimeoutError:
        raise AssertionError(f"{text} is not seen:\n{seen(pilot.app)}") from None


async def every_key(pilot: Pilot[None]) -> None:
    """Each, and what it opens is closed again."""
    for key in KEYS:
        await pilot.press(key)
        await asyncio.sleep(0.05)
        await settle(pilot)
        for _ in range(3):
            await pilot.press("escape")
        await pilot.press("1")
        await settle(pilot)
        assert pilot.app.is_running, key


async def test_no_key_ends_it_whether_claveld_answers_or_not(served: Served, app: ClavelApp) -> None:
    await asyncio.wrap_future(served.say(said("b", 1)))
    async with app.run_test(size=(120, 35), notifications=True) as pilot:
        await until(pilot, "amber")
        await until(pilot, "through 127.0.0.1")
        await every_key(pilot)
        served.stop()
        await until(pilot, "✗ no news from claveld")
        await every_key(pilot)
        assert "amber" in seen(app)


async def test_a_mode_that_cannot_be_read_says_why_and_what_was_read_stays(served: Served, app: ClavelApp) -> None:
    async with app.run_test(size=(120, 35), notifications=True) as pilot:
        await until(pilot, "amber")
        await pilot.press("2")
        await until(pilot, "amber@")
        served.stop()
        await until(pilot, "cannot be")  # the line is broken there
        assert "amber@" in seen(app)
        await pilot.press("1", "5")
        await settle(pilot)
        assert isinstance(app.screen, HistoryScreen)
        assert "cannot be reached" in app.screen.query_one(Listing).render_line(1).text


async def test_three_keys_bring_a_unit_back(served: Served, app: ClavelApp) -> None:
    for number, text in enumerate("ab", 1):
        await asyncio.wrap_future(served.say(said(text, number)))
    agent = AgentClient(served.url, lambda: served.tokens[Role.AGENT], "test")
    known = tuple(SystemRecord(at=1.0, path=path(text), label=f"amber@{text}", verdict="good") for text in "ab")
    b = path("b")
    await agent.tell(
        Facts(unit="amber", at=1.0, boot_id="x", current=b, booted=b, profile=b, systems=known, rooted=(path("a"), b))
    )
    async with app.run_test(size=(120, 35), notifications=True) as pilot:
        await until(pilot, "✓ idle")
        await pilot.press("r")
        await until(pilot, "enter  choose")
        await pilot.press("enter")
        await until(pilot, "y  do it now")
        await pilot.press("y")
        await until(pilot, "its agent applies it")
        await asyncio.wrap_future(served.say(said("a", 3)))
        await pilot.press("5")
        await until(pilot, "✓ succeeded")
