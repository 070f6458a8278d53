"""The three panes of the Fleet mode, and its headline."""

from __future__ import annotations

from clavel_tui.domain import limits
from clavel_tui.domain.health import Level, container_reason, rank
from clavel_tui.domain.text import age
from clavel_tui.fleet.state import FleetState, UnitState
from clavel_tui.tui.render.cells import Cell, Row, level_cell

UNIT_COLUMNS = ("UNIT", "HEALTH", "SERVICES", "SEEN", "WHY")
DEPLOYMENT_COLUMNS = ("UNIT", "WHAT", "RUNS", "STATE")
AGENT_COLUMNS = ("UNIT", "CLAVEL-AGENT", "DOCKER", "SYSTEM")


def headline(state: FleetState | None, now: float) -> tuple[Cell, ...]:
    """One line that answers at once: how many, how they are, and how old that is."""
    if state is None:
        return (Cell("reading what was last known…", "dim"),)
    counts = [(level, sum(u.health.level is level for u in state.units)) for level in sorted(Level, key=rank, reverse=True)]
    spans = [Cell(f"{len(state.units)} unit{'' if len(state.units) == 1 else 's'}")]
    for level, count in counts:
        if count:
            cell = level_cell(level)
            spans.append(Cell(f"{cell.text[0]} {count} {level.value}", cell.role))
    if drifting := sum(bool(u.drift) for u in state.units):
        spans.append(Cell(f"≠ {drifting} drift", "warn"))
    spans.append(_freshness(state, now))
    return tuple(spans)


def _freshness(state: FleetState, now: float) -> Cell:
    looking = sum(u.looking for u in state.units)
    seen = [u.facts.at for u in state.units if u.facts]
    if looking:
        return Cell(f"looking at {looking}…", "dim")
    if not seen:
        return Cell("nothing was seen yet", "dim")
    oldest = now - min(seen)
    return Cell(f"oldest view {age(oldest)} ago", "dim") if oldest > limits.STALE_S else Cell("")


def sorted_units(units: tuple[UnitState, ...]) -> list[UnitState]:
    """What wants a person first; otherwise by name, so that rows do not jump about."""
    return sorted(
        units,
        key=lambda u: (
            -rank(u.health.level) if u.health.level not in {Level.OK, Level.AWAY, Level.UNKNOWN} else 0,
            not u.drift,
            u.unit.name,
        ),
    )


def unit_row(state: UnitState, now: float) -> Row:
    """A unit: its worst reason, else its first drift."""
    why = Cell(state.health.headline, level_cell(state.health.level).role)
    if state.health.level is Level.OK:
        why = Cell(f"≠ {state.drift[0].text}", "warn") if state.drift else Cell("")
    containers = [c for s in state.stacks for c in s.containers]
    well = sum(container_reason(c) is None for c in containers)
    services = f"{well}/{len(containers)}" if containers else ("0" if state.stacks else "-")
    stacks = Cell(services, "plain" if well == len(containers) else "warn")
    return Row(state.unit.name, (Cell(state.unit.name, "head"), level_cell(state.health.level), stacks, _seen(state, now), why))


def _seen(state: UnitState, now: float) -> Cell:
    if state.looking and state.facts is None:
        return Cell("…", "dim")
    if state.facts is None:
        return Cell("never", "dim")
    return Cell(f"{age(now - state.facts.at)}", "dim")


def deployment_rows(units: list[UnitState]) -> list[Row]:
    """What runs where: the system of each Nix unit, and the release of each stack."""
    rows = []
    for state in units:
        if state.facts and state.facts.current:
            number = next(
                (n for n, path in state.facts.generations if state.facts.current.endswith(path.rpartition("/")[2])), None
            )
            name = state.facts.current.rpartition("/")[2].partition("-")[2] or state.facts.current
            entry = Cell(f"generation {number}" if number else "", "dim")
            rows.append(Row(f"{state.unit.name}/", (Cell(state.unit.name), Cell("system", "dim"), Cell(name), entry)))
        for view in state.stacks:
            held = Cell("■ HELD", "warn") if view.held else Cell("")
            if not view.containers:
                held = Cell("does not run", "warn") if state.facts and not state.trouble else Cell("")
            runs = Cell(view.running) if view.running else Cell("not recorded" if view.containers else "-", "dim")
            rows.append(Row(f"{state.unit.name}/{view.name}", (Cell(state.unit.name), Cell(view.name, "head"), runs, held)))
    return rows


def agent_rows(units: list[UnitState]) -> list[Row]:
    """What was seen on each unit of a clavel-agent, of Docker, and of its system."""
    rows = []
    for state in units:
        facts = state.facts
        agent = (
            Cell("not seen", "dim")
            if not (facts and facts.agent)
            else Cell(facts.agent, "ok" if facts.agent == "active" else "warn")
        )
        docker = {"missing": Cell("-", "dim"), "silent": Cell("✗ silent", "bad"), "": Cell("-", "dim")}
        engine = docker.get(facts.docker if facts else "", Cell(facts.docker if facts else ""))
        rows.append(Row(state.unit.name, (Cell(state.unit.name), agent, engine, Cell(facts.os if facts else "", "dim"))))
    return rows
