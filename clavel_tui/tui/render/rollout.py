"""A rollout: its waves before it begins, and its table while it runs."""

from __future__ import annotations

from collections.abc import Sequence

from clavel_tui.domain.operation import Operation, Plan, State, Verb
from clavel_tui.domain.rollout import failed, named, wave_names
from clavel_tui.domain.waves import RolloutSettings
from clavel_tui.fleet.state import RolloutState, RolloutUnit
from clavel_tui.tui.render.bulk import bulk_lines
from clavel_tui.tui.render.cells import Cell, Line, Row, line, outcome_cell

ROLLOUT_COLUMNS = ("WAVE", "UNIT", "OUTCOME", "TEXT")
PINNED = "each unit pulls when its turn comes: where a tag may move meanwhile, name images by their digest"


def rollout_lines(plans: Sequence[Plan], left_out: Sequence[str], settings: RolloutSettings, *, of_the_fleet: bool) -> list[Line]:
    """Who goes when, and what stops it; then what would change, as for many at once. ``of_the_fleet``: its files say so."""
    possible = [plan for plan in plans if not plan.refusal]
    names = wave_names(possible, settings)
    waves = [line(Cell(f"wave {number:<3}", "head"), ", ".join(units)) for number, units in enumerate(names, 1)]
    pulls = [line(Cell(f"▲ {PINNED}", "warn"))] if any(plan.request.verb is Verb.UPDATE for plan in possible) else []
    whose = "[rollout] of fleet.toml says so; o: other waves" if of_the_fleet else "said for this rollout alone; o: other waves"
    how = [*waves, line(Cell(settings.sentence, "away")), line(Cell(whose, "dim")), *pulls, line("")]
    return [*(how if possible else []), *bulk_lines(plans, left_out)]


def rollout_row(key: str, one: RolloutUnit) -> Row:
    """One unit. What went wrong is what the eye should find first, so it alone has colour beside the outcome."""
    text = Cell(one.text, "plain" if one.failure else "dim")
    return Row(key, (Cell(f"{one.wave}", "dim"), Cell(named(one.request), "head"), _outcome(one), text))


def _outcome(one: RolloutUnit) -> Cell:
    if one.back:
        return outcome_cell(one.back)._replace(text=f"↶ {one.word}")
    if one.operation and not failed(one.operation) and not one.failure:
        return outcome_cell(one.operation)
    if one.failure or one.operation:
        return Cell(f"✗ {one.word}", "bad")
    return Cell(f"· {one.word}", "dim")


def heading(state: RolloutState) -> Line:
    """What it is about and how it stands."""
    whole = state.operation
    paused = whole.step.startswith("paused")
    now = outcome_cell(whole) if whole.state is State.SETTLED else Cell(whole.step or "beginning", "warn" if paused else "away")
    done = sum(bool(one.operation and one.operation.state is State.SETTLED) for one in state.units)
    return line(Cell(whole.request.sentence, "head"), "  ", now, Cell(f"  {done} of {len(state.units)} ended", "dim"))


def said(state: RolloutState) -> Line:
    """Its last word, or while it runs what would stop it."""
    whole = state.operation
    return line(Cell(whole.text if whole.state is State.SETTLED else state.settings.sentence, "dim"))


def open_rollouts(operations: Sequence[Operation]) -> list[Operation]:
    """Those that have not ended, the newest first."""
    found = [operation for operation in operations if operation.request.verb is Verb.ROLLOUT]
    return sorted(found, key=lambda operation: -operation.started)
