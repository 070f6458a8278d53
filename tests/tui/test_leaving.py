"""Leaving the console at any moment: the fleet is closed once and wholly, and nothing of it keeps the process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
from textual.pilot import Pilot

from clavel_tui.tui import console as frame
from clavel_tui.tui.app import ClavelApp
from clavel_tui.tui.console import Ask
from clavel_tui.tui.messages import Snapshot
from tests.tui import fleets
from tests.tui.conftest import MakeApp
from tests.tui.fake import FakeFleet
from tests.tui.fleets import NOW
from tests.tui.test_keys import settle
from tests.tui.test_type_ahead import typed


class Slow(FakeFleet):
    """A fleet that takes its time to close, and notes how that went."""

    seconds = 0.3
    closed = ""

    @asynccontextmanager
    async def slowly(self, ask: Ask) -> AsyncIterator[FakeFleet]:
        try:
            async with self.opened(ask) as fleet:
                yield fleet
        finally:
            try:
                await asyncio.sleep(self.seconds)
                self.closed = "wholly"
            except asyncio.CancelledError:
                self.closed = "cut off"
                raise


def left(fleet: Slow, key: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """The console of that fleet, opened, left by the key, and the loop ended behind it as by the entry point."""
    app = ClavelApp(fleet.slowly, "slow", now=lambda: NOW)

    async def leaving(pilot: Pilot[None]) -> None:
        await settle(pilot)
        await pilot.press(key)

    monkeypatch.setattr(app, "run_async", partial(app.run_async, headless=True, auto_pilot=leaving))
    return asyncio.run(app.run_to_the_end())


def test_the_fleet_is_closed_before_the_process_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Slow(fleets.one())
    assert left(fleet, "q", monkeypatch) == 0
    assert fleet.closed == "wholly"


def test_what_does_not_let_go_keeps_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Slow(fleets.one())
    fleet.seconds = 600
    monkeypatch.setattr(frame, "CLOSE_S", 0.1)
    assert left(fleet, "q", monkeypatch) == 0
    assert fleet.closed == "cut off"


@pytest.mark.parametrize("turns", [*range(12), 20, 40, 80])
@pytest.mark.parametrize("key", ["5", "2", "question_mark", "u"])
async def test_left_while_a_screen_still_opens(console: MakeApp, key: str, turns: int) -> None:
    app, _ = console(fleets.one())
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        typed(app, key)
        for _ in range(turns):
            await asyncio.sleep(0)
        typed(app, "q")
        async with asyncio.timeout(10):
            while app.is_running:
                await asyncio.sleep(0.05)
                typed(app, "escape", "q")  # where a dialog was faster, the first one was its


async def test_news_that_come_while_the_screens_are_taken_down_are_nobodys() -> None:
    fleet = FakeFleet(fleets.one())
    app = ClavelApp(fleet.opened, "gone", now=lambda: NOW)
    async with app.run_test() as pilot:
        await settle(pilot)
    assert not app._fleet.query("#units")
    await app._take(Snapshot(await fleet.snapshot()))
