"""A read-only console: the badge on every screen, and every key that changes something says why it does nothing."""

from __future__ import annotations

import pytest
from textual.widgets import Input

from clavel_tui.domain.commands import COMMANDS
from clavel_tui.tui.app import ClavelApp
from tests.tui import fleets
from tests.tui.fake import FakeFleet
from tests.tui.fleets import NOW
from tests.tui.test_keys import settle, toasts


def locked(**more: object) -> tuple[ClavelApp, FakeFleet]:
    state = fleets.one()
    fake = FakeFleet(state)
    app = ClavelApp(fake.opened, state.name, now=lambda: NOW, **more)  # type: ignore[arg-type]
    app.animation_level = "none"
    return app, fake


def upper_edge(app: ClavelApp) -> str:
    return "".join(segment.text for segment in app.screen._compositor.render_strips(app.size)[0])


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (160, 50)])
async def test_the_badge_is_on_every_screen(size: tuple[int, int]) -> None:
    app, _ = locked(read_only="--read-only")
    async with app.run_test(size=size) as pilot:
        for key in ("", "5", "question_mark", "l"):
            if key:
                await pilot.press("1", key)
            await settle(pilot)
            assert "READ-ONLY" in upper_edge(app), key
            await pilot.press("escape")


async def test_every_command_that_changes_something_says_why_it_does_nothing() -> None:
    app, fake = locked(read_only="/etc/x.toml")
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        for command in COMMANDS:
            if command.id == "quit":
                continue
            await pilot.press("1", command.key)
            await settle(pilot)
            if isinstance(app.focused, Input):
                await pilot.press("escape")
            if command.mutates:
                assert app.screen is app._fleet, command.id
                assert "this console is read-only: /etc/x.toml says so" in toasts(app), command.id
                app.clear_notifications()
            for key in ("enter", "y"):
                await pilot.press(key)
            await pilot.press("escape")
            await settle(pilot)
        assert {word for word, _ in fake.asked} <= {"refresh", "logs"}


async def test_a_console_that_may_change_has_no_badge() -> None:
    app, _ = locked()
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        assert "READ-ONLY" not in upper_edge(app)


async def test_another_key_for_a_command() -> None:
    app, fake = locked(keys={"update": "U"}, theme="light")
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("u")
        await settle(pilot)
        assert fake.asked == []
        await pilot.press("U")
        await settle(pilot)
        assert [word for word, _ in fake.asked] == ["plan"]
        assert app.theme == "clavel-light"


async def test_no_entry_of_the_palette_changes_anything() -> None:
    """Each one found by its own words, and then enter and y."""
    app, fake = locked(read_only="/etc/x.toml")
    entries = [c for c in COMMANDS if c.id not in {"details", "quit"}]
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        for command in entries:
            await pilot.press("1", "colon")
            app.screen.query_one(Input).value = command.tooltip
            await settle(pilot)
            await pilot.press("enter")
            await settle(pilot)
            if command.mutates:
                assert "this console is read-only: /etc/x.toml says so" in toasts(app), command.id
            app.clear_notifications()
            await pilot.press("enter", "y", "escape", "escape")
            await settle(pilot)
        assert {word for word, _ in fake.asked} <= {"refresh", "logs"}
