"""Pictures of the screens: what a person sees. Accept a wanted change with `pytest tests/tui --snapshot-update`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from clavel_tui.fleet.state import FleetState
from tests.tui import fleets
from tests.tui.conftest import MakeApp
from tests.tui.scenes import MODES, opened, press
from tests.tui.test_keys import settle

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


@pytest.mark.parametrize("scene", ["details", "rollback", "update", "explain", "deployments", "stacks", "history", "palette"])
@pytest.mark.parametrize("theme", ["clavel-light", "clavel-mono"])
def test_scenes_in_other_themes(console: MakeApp, snap_compare: Compare, scene: str, theme: str) -> None:
    app = opened(console)
    app.theme = theme
    assert snap_compare(app, terminal_size=(80, 24), run_before=press(scene))


@pytest.mark.parametrize("scene", [name for name in MODES if name != "fleet"])
def test_odd_names_and_hostile_text(console: MakeApp, snap_compare: Compare, scene: str) -> None:
    assert snap_compare(opened(console, fleets.odd()), terminal_size=(80, 24), run_before=press(scene))
