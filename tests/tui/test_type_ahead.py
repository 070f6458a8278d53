"""Keys that come faster than screens go up and down, as over a slow link: none of them ends the console."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import pytest
from textual import events

from clavel_tui.domain.commands import COMMANDS
from clavel_tui.domain.operation import Operation
from clavel_tui.tui.app import ClavelApp
from clavel_tui.tui.screens.explain import ExplainScreen
from clavel_tui.tui.screens.history import HistoryScreen
from tests.tui import fleets
from tests.tui.conftest import MakeApp
from tests.tui.test_keys import settle, submitted

KEYS = [c.key for c in COMMANDS if c.id != "quit"] + ["1", "5"] * 3 + ["escape", "enter"] * 5 + ["w", "n", "tab", "j", "end"]


def typed(app: ClavelApp, *keys: str) -> None:
    """All at once, with nothing in between."""
    for key in keys:
        app.post_message(events.Key(key, key if len(key) == 1 else None))


async def test_the_history_is_left_before_the_chosen_operation_opened(console: MakeApp) -> None:
    app, _ = console(fleets.one())
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        for _ in range(10):
            typed(app, "5")
            await pilot.pause()
            typed(app, "enter", "escape", "escape", "5", "z", "1", "5", "enter", "1")
            await settle(pilot)
        assert not isinstance(app.screen, HistoryScreen)


@pytest.mark.parametrize("seed", range(3))
async def test_anything_typed_ahead(console: MakeApp, seed: int) -> None:
    draw = random.Random(seed)
    app, _ = console(fleets.one())
    async with app.run_test(size=(120, 35)) as pilot:
        for _ in range(25):
            typed(app, *(draw.choice(KEYS) for _ in range(8)))
            await pilot.pause()
        await settle(pilot)
        assert app.is_running


async def test_explain_is_there_and_gone_again_before_the_journal_has_answered(
    console: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A screen that came up behind the escape would keep all keys that were meant for the list."""
    app, fake = console(fleets.one())
    answered = asyncio.Event()
    history = fake.history

    async def slow(limit: int, unit: str = "") -> Sequence[Operation]:
        await answered.wait()
        return await history(limit, unit)

    monkeypatch.setattr(fake, "history", slow)
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        fleet = app.screen
        typed(app, "x")
        await settle(pilot)
        assert isinstance(app.screen, ExplainScreen)
        typed(app, "escape")
        await settle(pilot)
        assert app.screen is fleet
        answered.set()
        await settle(pilot)
        assert app.screen is fleet


async def test_a_reason_that_is_typed_ahead_is_no_yes(console: MakeApp) -> None:
    app, fake = console(fleets.one())
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("u")
        await settle(pilot)
        typed(app, "w", "y", "e", "s")
        await settle(pilot)
        assert submitted(fake) == []
        await pilot.press("enter", "y")
        await settle(pilot)
        assert len(submitted(fake)) == 1
