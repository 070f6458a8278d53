"""Pictures of the screens: what a person sees. Accept a wanted change with `pytest tests/tui --snapshot-update`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from clavel_tui.fleet.state import FleetState
from tests.tui import fleets
from tests.tui.conftest import MakeApp
from tests.tui.test_keys import settle
from tests.tui.test_modes import full

Compare = Callable[..., bool]
SIZES = [(60, 20), (80, 24), (120, 35), (160, 50)]


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
def test_eleven_units(console: MakeApp, snap_compare: Compare, size: tuple[int, int]) -> None:
    app, _ = console(fleets.eleven())
    assert snap_compare(app, terminal_size=size, run_before=settle)


@pytest.mark.parametrize("theme", ["clavel-light", "clavel-mono"])
def test_themes(console: MakeApp, snap_compare: Compare, theme: str) -> None:
    app, _ = console(fleets.eleven())
    app.theme = theme
    assert snap_compare(app, terminal_size=(120, 35), run_before=settle)


@pytest.mark.parametrize(
    "state",
    [fleets.fleet(), fleets.one(), fleets.thousand(), fleets.all_down(), fleets.odd()],
    ids=["empty", "one", "thousand", "down", "odd"],
)
def test_fleets(console: MakeApp, snap_compare: Compare, state: FleetState) -> None:
    app, _ = console(state)
    assert snap_compare(app, terminal_size=(120, 35), run_before=settle)


def test_a_terminal_too_small_for_panes_shows_the_units(console: MakeApp, snap_compare: Compare) -> None:
    app, _ = console(fleets.eleven())
    assert snap_compare(app, terminal_size=(40, 10), run_before=settle)


SCREENS = [("r",), ("r", "enter"), ("u",), ("question_mark",), ("2",), ("2", "enter"), ("3",), ("5",), ("5", "enter"), ("6",),
           ("6", "enter"), ("l",), ("x",), ("colon",)]  # fmt: skip


@pytest.mark.parametrize("keys", SCREENS, ids="-".join)
@pytest.mark.parametrize("size", [(60, 20), (80, 24), (160, 50)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_screens(console: MakeApp, snap_compare: Compare, keys: tuple[str, ...], size: tuple[int, int]) -> None:
    app, _ = full(console)

    async def press(pilot: Pilot[Any]) -> None:
        await settle(pilot)
        for key in keys:
            await pilot.press(key)
            await settle(pilot)
        await pilot.pause(0.25)
        app.clear_notifications()
        for field in app.screen.query(Input):
            field.cursor_blink = False

    assert snap_compare(app, terminal_size=size, run_before=press)
