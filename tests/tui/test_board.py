"""The board works out only what differs: whatever happens, it must show what a board that begins anew would show."""

from __future__ import annotations

import random

import pytest

from clavel_tui.fleet.state import UnitState
from clavel_tui.tui.board import Board
from tests.tui import fleets
from tests.tui.conftest import MakeApp
from tests.tui.test_keys import settle
from tests.tui.test_modes import seen

FILTERS = ("", "health:failed", "drift:yes", "stack:web", "node-1", "!tag:pi")


def some(draw: random.Random, name: str) -> UnitState:
    """A unit as it may be seen at some moment."""
    one = fleets.unit(name, stacks=draw.choice(((), ("web",), ("web", "db"))), tags=draw.choice(((), ("pi",))))
    if draw.random() < 0.2:
        return fleets.seen(one, None, "it did not answer")
    what = fleets.facts(
        one, health=draw.choice(("healthy", "unhealthy")), held=draw.random() < 0.3, disk=draw.choice((40, 97)),
        current=draw.choice(("", fleets.path(name, 1))),
    )  # fmt: skip
    state = fleets.seen(one, what)
    return state.model_copy(update={"looking": draw.random() < 0.2})


def shown(board: Board) -> object:
    """Everything that the panes are made of."""
    tally = board.tally
    levels = {level: count for level, count in tally.levels.items() if count}
    panes = [list(pane) for pane in (board.units(fleets.NOW), board.deployments(), board.agents(fleets.NOW))]
    keys = [
        [pane.key(n) for n in range(len(pane))]
        for pane in (board.units(fleets.NOW), board.deployments(), board.agents(fleets.NOW))
    ]
    assert keys == [[row.key for row in rows] for rows in panes]
    return panes, levels, tally.count, tally.drifting, tally.looking, board.oldest


@pytest.mark.parametrize("seed", range(8))
def test_whatever_changes_it_shows_what_a_new_board_would(seed: int) -> None:
    draw = random.Random(seed)
    names = [f"node-{n}" for n in range(12)]
    units = [some(draw, name) for name in names]
    board = Board()
    for _ in range(60):
        for _ in range(draw.choice((0, 1, 3))):
            n = draw.randrange(len(units))
            units[n] = some(draw, units[n].unit.name)
        if draw.random() < 0.1:
            draw.shuffle(units)
        if draw.random() < 0.1:
            units = units[:-1] if len(units) > 6 else [some(draw, name) for name in names]
        wanted = draw.choice(FILTERS) if draw.random() < 0.3 else board._filter
        board.take(tuple(units), wanted)
        fresh = Board()
        fresh.take(tuple(units), wanted)
        assert shown(board) == shown(fresh)


async def test_one_changed_unit_leaves_the_picture_of_a_console_that_begins_anew(console: MakeApp) -> None:
    before = fleets.eleven()
    worse = fleets.seen(before.units[8].unit, fleets.facts(before.units[8].unit, disk=99))
    after = before.model_copy(update={"units": (*before.units[:8], worse, *before.units[9:])})
    pictures = []
    for first in (before, after):
        app, fake = console(first)
        async with app.run_test(size=(120, 35)) as pilot:
            await settle(pilot)
            fake.show(after)
            await pilot.pause(0.3)
            await settle(pilot)
            pictures.append(seen(app))
    assert "rpi-box-01  ✗ failed" in pictures[0]
    assert pictures[0] == pictures[1]


async def test_the_last_column_keeps_its_room_beside_long_names(console: MakeApp) -> None:
    app, _ = console(fleets.odd())
    async with app.run_test(size=(60, 20)) as pilot:
        await settle(pilot)
        line = next(line for line in seen(app).splitlines() if "▲ degr" in line)
        assert len(line.partition("3 s")[2].strip("│ ")) >= 15, line


async def test_no_scroll_bar_lies_upon_a_text(console: MakeApp) -> None:
    units = [fleets.evaluated(f"unit-{n:02}") for n in range(30)]
    app, _ = console(fleets.fleet(*units))
    async with app.run_test(size=(60, 24)) as pilot:
        await settle(pilot)
        lines = [line for line in seen(app).splitlines() if "unit-0" in line and "0/1" in line]
        assert len(lines) > 3
        assert all("unhealthy" in line or "…" in line[-5:] for line in lines), "\n".join(lines)
