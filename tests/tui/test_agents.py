"""Agents in the console: what claveld says of each, in the pane and in the unit's details; and that claveld is away."""

from __future__ import annotations

import pytest

from clavel_tui.domain.agent import Order, Phase, Told
from clavel_tui.fleet.state import FleetState, UnitState
from clavel_tui.tui.render import fleet as render
from clavel_tui.tui.render.agents import AGENT_COLUMNS, tell_rows
from clavel_tui.tui.render.details import unit_lines
from clavel_tui.tui.widgets.listing import Listing
from tests.tui import fleets
from tests.tui.conftest import MakeApp
from tests.tui.test_keys import settle, toasts, until
from tests.tui.test_modes import seen


def pulling(phase: Phase | None = Phase.IDLE, *, ago: float = 5.0, refused: str = "", **said: object) -> UnitState:
    """Cinnabar, whose agent has said so."""
    one = fleets.evaluated()
    return one.model_copy(update={"agent": fleets.agent(one.unit.name, phase, ago=ago, refused=refused, **said)})


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (pulling(), "✓ idle"),
        (pulling(Phase.APPLYING), "▸ applying"),
        (pulling(Phase.HELD), "■ held"),
        (pulling(Phase.QUARANTINED), "■ quarantined"),
        (pulling(Phase.FAILED), "✗ failed"),
        (pulling(refused="its token has ended"), "✗ refused"),
        (pulling(ago=1000.0), "✗ away"),
        (pulling(None), "✓ seen"),
        (pulling(None, ago=0.0), "never seen"),
    ],
)
def test_the_pane_says_how_each_agent_is_in_a_word_and_a_glyph(state: UnitState, word: str) -> None:
    assert render.agent_row(state, fleets.NOW).cells[1].text == word


def test_the_details_say_what_it_wants_what_runs_and_why_not() -> None:
    state = pulling(
        Phase.FAILED, desired="3f9c2a1b" + "0" * 56, running="/nix/store/" + "a" * 32 + "-nixos-1", text="in no cache"
    )
    text = "\n".join("".join(cell.text for cell in line.spans) for line in unit_lines(state, fleets.NOW))
    for words in ("agent cinnabar", "✗ failed", "heard of 5 s ago", "in no cache", "wants 3f9c2a1b  runs nixos-1"):
        assert words in text


async def test_a_claveld_that_is_away_is_told_in_the_panes_frame_and_its_words_are_no_markup(console: MakeApp) -> None:
    state = fleets.fleet(pulling(), *fleets.eleven().units[1:]).model_copy(
        update={"claveld": "https://c [red]cannot be reached[/]"}
    )
    app, _ = console(state)
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        assert "Agents  ✗ https://c [red]cannot be reached[/]" in seen(app)
        assert "✓ idle" in seen(app)


def agents() -> FleetState:
    """Amber is well, beryl's agent has left something alone, and coral has none."""
    well, bad, none = (fleets.evaluated(name) for name in ("amber", "beryl", "coral"))
    well = well.model_copy(update={"agent": fleets.agent("amber", running=well.head.nar_id if well.head else "")})
    bad = bad.model_copy(
        update={"agent": fleets.agent("beryl", Phase.QUARANTINED, text="it went back", running=fleets.path("beryl", 1))}
    )
    return fleets.fleet(well, bad, none)


async def test_the_mode_has_what_wants_a_person_first_and_how_far_behind_it_is(console: MakeApp) -> None:
    app, fake = console(agents())
    async with app.run_test(size=(160, 35)) as pilot:
        await settle(pilot)
        await pilot.press("7")
        await settle(pilot)
        listing = app.screen.query_one(Listing)
        rows = {row.key: dict(zip(AGENT_COLUMNS, (cell.text for cell in row.cells), strict=True)) for row in listing.rows}
        assert list(rows) == ["beryl", "amber"]
        assert (rows["amber"]["AGENT"], rows["amber"]["BEHIND"]) == ("✓ idle", "0")
        assert (rows["beryl"]["AGENT"], rows["beryl"]["WHY"]) == ("■ quarantined", "it went back")
        assert rows["beryl"]["BEHIND"].startswith("2, ")
        fake.show(fleets.fleet(fake.state.units[0]))
        await until(pilot, lambda: [row.key for row in listing.rows] == ["amber"])
        await pilot.press("enter")
        await settle(pilot)
        assert "Agent of amber" in seen(app)


@pytest.mark.parametrize(
    ("unit", "keys", "asked", "word"),
    [
        ("beryl", ("enter", "y"), ("tell_agent", ("beryl", Order.RELEASE)), "told to release"),
        ("amber", ("enter", "y"), ("tell_agent", ("amber", Order.POLL)), "told to poll"),
        ("amber", ("j", "enter", "y"), ("tell_agent", ("amber", Order.HOLD)), "told to hold"),
        ("amber", ("j", "j", "enter", "w", "h", "m", "enter", "y"), ("pin_ref", ("amber", "hm")), "and stays there"),
        ("amber", ("j", "j", "j", "enter", "y"), ("unpin_ref", "amber"), "follows its source again"),
        ("amber", ("enter", "n"), None, ""),
        ("amber", ("escape",), None, ""),
    ],
)
async def test_an_agent_is_told_after_a_yes(console: MakeApp, unit: str, keys: tuple[str, ...], asked: object, word: str) -> None:
    app, fake = console(agents())
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("7")
        await settle(pilot)
        listing = app.screen.query_one(Listing)
        listing.show(listing.rows, select=unit)
        for key in ("A", *keys):
            await pilot.press(key)
            await settle(pilot)
        assert [one for one in fake.asked if one[0] in {"tell_agent", "pin_ref", "unpin_ref"}] == ([asked] if asked else [])
        assert word in toasts(app)


async def test_who_has_no_agent_is_told_nothing(console: MakeApp) -> None:
    app, _ = console(fleets.fleet(agents().units[2]))
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("A")
        await settle(pilot)
        assert "no claveld knows an agent of coral" in toasts(app)
        await pilot.press("7")
        await settle(pilot)
        assert "no claveld tells of agents" in seen(app)


def test_what_was_told_and_maybe_not_heard_can_be_taken_back() -> None:
    idle = fleets.agent("amber")
    told = idle.model_copy(update={"told": Told(order=Order.HOLD, number=1)})
    assert [next(row.key for row in tell_rows(one)) for one in (idle, told)] == ["poll", "release"]


async def test_one_that_is_away_is_said_to_hear_it_late(console: MakeApp) -> None:
    app, _ = console(fleets.fleet(pulling(ago=4000.0)))
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        for key in ("A", "enter"):
            await pilot.press(key)
            await settle(pilot)
        assert "hears what it is told last when it is back" in seen(app)
