"""Agents in the console: what claveld says of each, in the pane and in the unit's details; and that claveld is away."""

from __future__ import annotations

import pytest

from clavel_tui.domain.agent import Phase
from clavel_tui.fleet.state import UnitState
from clavel_tui.tui.render import fleet as render
from clavel_tui.tui.render.details import unit_lines
from tests.tui import fleets
from tests.tui.conftest import MakeApp
from tests.tui.test_keys import settle
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
