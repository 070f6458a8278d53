"""Rollouts in the console: begun on what is marked, steered, and found again."""

from __future__ import annotations

from textual.widgets import Input

from clavel_tui.domain.rollout import Word
from clavel_tui.tui.app import ClavelApp
from clavel_tui.tui.screens.fleet import FleetScreen
from clavel_tui.tui.screens.reading import TextScreen
from clavel_tui.tui.screens.rollout import RolloutScreen
from tests.tui import fleets
from tests.tui.conftest import MakeApp
from tests.tui.fake import FakeFleet
from tests.tui.test_keys import settle, toasts, until
from tests.tui.test_modes import seen


async def test_marked_ones_are_rolled_out_and_steered(console: MakeApp) -> None:
    app, fake = console(fleets.fleet(fleets.evaluated(), *fleets.eleven().units[1:]))
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("w")
        await settle(pilot)
        assert "mark units with space first" in toasts(app)
        for key in ("space", "w"):
            await pilot.press(key)
            await settle(pilot)
        assert "wave 1" in seen(app)
        assert "1 first, then 25% at a time" in seen(app)
        await pilot.press("y")
        await until(pilot, lambda: isinstance(app.screen, RolloutScreen))
        await settle(pilot)
        assert [word for word, _ in fake.asked if word == "roll_out"] == ["roll_out"]
        assert "watching before wave 3 of 4" in seen(app)
        assert "✗ returned by itself" in seen(app)
        await pilot.press("p")
        fake.rolled_out = fleets.rolled_out("paused")
        await app.screen.reread()
        await pilot.press("p")
        await pilot.press("c")
        await settle(pilot)
        assert [said for word, said in fake.asked if word == "tell"] == [Word.PAUSE, Word.RESUME, Word.ABORT]
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, TextScreen)
        for _ in range(2):
            await pilot.press("escape")
            await settle(pilot)
        assert isinstance(app.screen, FleetScreen)


async def test_the_waves_of_one_rollout_are_said_before_it_begins(console: MakeApp) -> None:
    app, fake = console(fleets.fleet(fleets.evaluated(), *fleets.eleven().units[1:]))
    async with app.run_test(size=(120, 35), notifications=True) as pilot:
        await settle(pilot)
        for key in ("space", "w", "o"):
            await pilot.press(key)
            await settle(pilot)
        field = app.screen.query_one("#otherwise", Input)
        assert app.screen.query_one("#question").region.y - field.region.bottom <= 1  # no hole between field and keys
        assert field.value == "canary=1 wave=25% soak_seconds=60 stop_at=1 on_stop=leave"
        field.value = "wave=none"
        await pilot.press("enter", "y")
        await settle(pilot)
        assert "wave=none: it is so many units" in toasts(app)
        assert field.has_focus
        looks = [word for word, _ in fake.asked if word == "plan"]
        field.value = "canary=3 wave=50% soak_seconds=5"
        await pilot.press("enter")
        await settle(pilot)
        assert "3 first, then 50% at a time, 5 s watched between" in seen(app)
        assert "said for this rollout alone" in seen(app)
        assert [word for word, _ in fake.asked if word == "plan"] == looks  # nobody was asked again
        await pilot.press("o", *" wave=1", "escape")  # opened once more, and left as it is
        await settle(pilot)
        assert not app.screen.query_one("#otherwise").display
        await pilot.press("y")
        await until(pilot, lambda: isinstance(app.screen, RolloutScreen))
        assert (fake.settings.canary, fake.settings.wave, fake.settings.soak_seconds) == (3, "50%", 5)
        assert fake.settings.stop_at == 1


async def test_other_waves_are_asked_of_rollouts_alone(console: MakeApp) -> None:
    app, _ = console(fleets.eleven())
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        for key in ("u", "o"):
            await pilot.press(key)
            await settle(pilot)
        assert "other waves" not in seen(app)
        assert not app.screen.query_one("#otherwise", Input).has_focus


async def test_a_rollout_that_runs_is_found_again() -> None:
    """In the history by enter; a read-only console looks at it and steers nothing."""
    running = fleets.rollout("paused: its console ended")
    fake = FakeFleet(fleets.fleet(*fleets.one().units, operations=(running,)))
    app = ClavelApp(fake.opened, "vanixiets", now=lambda: fleets.NOW, read_only="--read-only")
    fake.past = [running]
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        for key in ("5", "enter"):
            await pilot.press(key)
            await settle(pilot)
        assert isinstance(app.screen, RolloutScreen)
        await pilot.press("p")
        await settle(pilot)
        assert "read-only" in toasts(app)
        assert not [word for word, _ in fake.asked if word == "tell"]
