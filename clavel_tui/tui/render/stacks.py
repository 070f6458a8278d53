"""The rows of the Stacks mode."""

from __future__ import annotations

from clavel_tui.domain.health import container_reason
from clavel_tui.domain.stackview import StackView
from clavel_tui.fleet.state import UnitState
from clavel_tui.tui.render.cells import Cell, Row

STACK_COLUMNS = ("UNIT", "STACK", "STATE", "SERVICES", "RELEASE", "WHY")


def stack_row(state: UnitState, view: StackView) -> tuple[int, Row]:
    """Its place, 0 for what wants a person most, and its row."""
    unwell = [c for c in view.containers if container_reason(c)]
    drift = [d.text for d in state.drift if d.stack == view.name and d.code != "held"]
    place, cell = _state(state, view, unwell=bool(unwell), drifting=bool(drift))
    why = next((f"{c.service}: {reason.text}" for c in unwell if (reason := container_reason(c))), "") or next(iter(drift), "")
    services = f"{len(view.containers) - len(unwell)}/{len(view.containers)}" if view.containers else "-"
    runs = Cell(view.running) if view.running else Cell("not recorded", "dim")
    return place, Row(
        f"{state.unit.name}/{view.name}",
        (
            Cell(state.unit.name), Cell(view.name, "head"), cell, Cell(services, "warn" if unwell else "plain"), runs,
            Cell(why, cell.role),
        ),
    )  # fmt: skip


def _state(state: UnitState, view: StackView, *, unwell: bool, drifting: bool) -> tuple[int, Cell]:
    if state.trouble or state.facts is None:
        return 3, Cell("? not seen", "dim")
    if unwell:
        return 0, Cell("✗ unwell", "bad")
    if not view.containers:
        return (1, Cell("▲ does not run", "warn")) if view.declared else (5, Cell("· does not run", "dim"))
    if view.held:
        return 2, Cell("■ HELD", "warn")
    return (2, Cell("≠ drift", "warn")) if drifting else (4, Cell("✓ ok", "ok"))
