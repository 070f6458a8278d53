"""Keys that come faster than screens go up and down, as over a slow link: none of them ends the console."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import pytest
from textual import events
from textual.widgets import Static

from clavel_tui.domain.commands import COMMANDS
from clavel_tui.domain.errors import ClavelError
from clavel_tui.domain.operation import Event, Operation, Request
from clavel_tui.fleet.state import FleetState
from clavel_tui.tui.app import ClavelApp
from clavel_tui.tui.screens.explain import ExplainScreen
from clavel_tui.tui.screens.history import HistoryScreen, OperationScreen
from clavel_tui.tui.screens.reading import HelpScreen
from clavel_tui.tui.widgets.listing import Listing
from tests.tui import fleets
from tests.tui.conftest import MakeApp
from tests.tui.fake import FakeFleet
from tests.tui.test_keys import settle, submitted, until

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


@pytest.mark.parametrize("answers", [True, False])
async def test_a_mode_is_there_before_the_journal_has_answered(
    console: MakeApp, monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    """What is typed behind its key is not done to the list that is about to go."""
    app, fake = console(two())
    fake.past = [fleets.operation(fleets.Outcome.RETURNED, text="it went bad")]
    answered = asyncio.Event()
    history = fake.history

    async def slow(*args: object) -> Sequence[Operation]:
        await answered.wait()
        if not answers:
            raise ClavelError("claveld does not answer")
        return await history()

    monkeypatch.setattr(fake, "history", slow)
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        fleet = app.screen
        under_the_cursor = app.screen.query_one("#units", Listing).key
        typed(app, "5", "j")
        await settle(pilot)
        assert isinstance(app.screen, HistoryScreen)
        assert "reading" in line_of(app, 1)
        answered.set()
        await settle(pilot)
        assert ("web" in line_of(app, 1)) is answers
        assert ("claveld does not answer" in line_of(app, 1)) is not answers
        typed(app, "escape")
        await settle(pilot)
        assert app.screen is fleet
        assert app.screen.query_one("#units", Listing).key == under_the_cursor


async def test_a_mode_shows_what_was_read_last(console: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    app, fake = console(two())
    late = asyncio.Event()
    first = True

    async def history(*_: object) -> Sequence[Operation]:
        nonlocal first
        if first:
            first = False
            await late.wait()
            return []
        return [fleets.operation(fleets.Outcome.RETURNED, text="it went bad")]

    monkeypatch.setattr(fake, "history", history)
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("5")
        await settle(pilot)
        fake.show(two())
        await settle(pilot)
        late.set()
        await until(pilot, lambda: "web" in line_of(app, 1))
        await settle(pilot)
        assert "web" in line_of(app, 1)


@pytest.mark.parametrize("behind", ["1", "5", "6"])
async def test_a_key_means_what_was_under_the_cursor_when_it_was_typed(console: MakeApp, behind: str) -> None:
    """The fleet's cursor is on another unit than that of the stacks, and shows when the mode goes."""
    app, fake = console(two())
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("3", "j")
        await settle(pilot)
        assert fleet_cursor(app) == "amber"
        typed(app, "u", behind)
        await settle(pilot)
        assert planned(fake) == ["beryl"]


@pytest.mark.parametrize("over", ["x", "enter", "question_mark"])
async def test_what_is_read_over_a_mode_is_no_way_to_another_unit(console: MakeApp, over: str) -> None:
    app, fake = console(two())
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("3", "j", over)
        await settle(pilot)
        assert fleet_cursor(app) == "amber"
        await pilot.press("u")
        await settle(pilot)
        assert planned(fake) == ["beryl"]


def two() -> FleetState:
    units = [fleets.unit(name, stacks=("web",)) for name in ("amber", "beryl")]
    return fleets.fleet(*(fleets.seen(unit, fleets.facts(unit)) for unit in units))


def fleet_cursor(app: ClavelApp) -> str | None:
    return app._fleet.query_one("#units", Listing).key


def planned(fake: FakeFleet) -> list[str]:
    return [request.unit for word, request in fake.asked if word == "plan" and isinstance(request, Request)]


def line_of(app: ClavelApp, y: int) -> str:
    return app.screen.query_one(Listing).render_line(y).text


def shown_text(app: ClavelApp) -> str:
    return str(app.screen.query_one("Lines > Static", Static).content)


async def test_an_operation_is_there_before_the_journal_has_answered(console: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    app, fake = console(fleets.one())
    fake.past = [fleets.operation(fleets.Outcome.RETURNED, text="it went bad")]
    answered = asyncio.Event()
    events_of = fake.operation_events

    async def slow(ident: str) -> Sequence[Event]:
        await answered.wait()
        return await events_of(ident)

    monkeypatch.setattr(fake, "operation_events", slow)
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("5")
        await settle(pilot)
        history = app.screen
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, OperationScreen)
        assert shown_text(app).endswith("reading…")
        answered.set()
        await settle(pilot)
        assert shown_text(app).endswith("▲ it went bad")
        typed(app, "escape")
        await settle(pilot)
        assert app.screen is history


@pytest.mark.parametrize(("key", "screen"), [("x", ExplainScreen), ("question_mark", HelpScreen)])
async def test_the_key_that_opened_it_leaves_it(console: MakeApp, key: str, screen: type) -> None:
    app, _ = console(fleets.one())
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        fleet = app.screen
        for expected in (True, False, True):
            await pilot.press(key)
            await settle(pilot)
            assert isinstance(app.screen, screen) is expected
            assert (app.screen is fleet) is not expected


async def test_help_and_explain_do_not_pile_up(console: MakeApp) -> None:
    app, _ = console(fleets.one())
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        fleet = app.screen
        for key in ("x", "question_mark", "x", "question_mark"):
            await pilot.press(key)
            await settle(pilot)
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("escape")
        await settle(pilot)
        assert app.screen is fleet
