"""The three panes of the Fleet mode, and its headline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from clavel_tui.domain import limits
from clavel_tui.domain.health import Level, container_reason, rank
from clavel_tui.domain.text import age
from clavel_tui.fleet.state import UnitState
from clavel_tui.tui.render.cells import Cell, Row, level_cell

UNIT_COLUMNS = ("UNIT", "HEALTH", "SERVICES", "SEEN", "WHY")
DEPLOYMENT_COLUMNS = ("UNIT", "WHAT", "RUNS", "STATE")
AGENT_COLUMNS = ("UNIT", "CLAVEL-AGENT", "DOCKER", "SYSTEM")
_CALM = frozenset({Level.OK, Level.AWAY, Level.UNKNOWN})


class Tally:
    """How many units are how: counted once, and then kept up by what changes."""

    def __init__(self, units: Iterable[UnitState] = ()) -> None:
        self.levels: Counter[Level] = Counter()
        self.count = self.drifting = self.looking = 0
        for unit in units:
            self.add(unit)

    def add(self, unit: UnitState) -> None:
        """One more."""
        self.count += 1
        self.levels[unit.health.level] += 1
        self.drifting += bool(unit.drift)
        self.looking += unit.looking

    def change(self, old: UnitState, new: UnitState) -> bool:
        """One of them is another now; whether it counts otherwise, but for being looked at."""
        was, now, drift = old.health.level, new.health.level, bool(new.drift) - bool(old.drift)
        if was is not now:
            self.levels[was] -= 1
            self.levels[now] += 1
        self.drifting += drift
        self.looking += new.looking - old.looking
        return was is not now or drift != 0


def headline(tally: Tally | None, oldest: float | None, now: float) -> tuple[Cell, ...]:
    """One line that answers at once: how many, how they are, and how old that is. ``oldest``: when the stalest was seen."""
    if tally is None:
        return (Cell("reading what was last known…", "dim"),)
    spans = [Cell(f"{tally.count} unit{'' if tally.count == 1 else 's'}")]
    for level in sorted(Level, key=rank, reverse=True):
        if count := tally.levels[level]:
            cell = level_cell(level)
            spans.append(Cell(f"{cell.text[0]} {count} {level.value}", cell.role))
    if tally.drifting:
        spans.append(Cell(f"≠ {tally.drifting} drift", "warn"))
    return (*spans, _freshness(tally, oldest, now))


def _freshness(tally: Tally, oldest: float | None, now: float) -> Cell:
    if tally.looking:
        return Cell(f"looking at {tally.looking}…", "dim")
    if oldest is None:
        return Cell("nothing was seen yet", "dim")
    return Cell(f"oldest view {age(now - oldest)} ago", "dim") if now - oldest > limits.STALE_S else Cell("")


def urgency(state: UnitState) -> tuple[int, bool, str]:
    """The order of the units: what wants a person first; otherwise by name, so that rows do not jump about."""
    level = state.health.level
    return -rank(level) if level not in _CALM else 0, not state.drift, state.unit.name


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


def entries(state: UnitState) -> tuple[str, ...]:
    """What of the unit stands among the deployments: its system of Nix, by an empty name, and its stacks."""
    system = ("",) if state.facts and state.facts.current else ()
    return (*system, *(view.name for view in state.stacks)) if state.stacks else system


def same_entries(one: UnitState, other: UnitState) -> bool:
    """Whether both have the same entries. Asked of each unit that is looked at, and so made of nothing."""
    if bool(one.facts and one.facts.current) is not bool(other.facts and other.facts.current):
        return False
    if len(one.stacks) != len(other.stacks):
        return False
    for ours, theirs in zip(one.stacks, other.stacks, strict=True):  # noqa: SIM110  a generator for each unit is half of the cost
        if ours.name != theirs.name:
            return False
    return True


def deployment_row(state: UnitState, entry: str) -> Row:
    """What runs where: the system of a Nix unit, or the release of a stack."""
    return Row(f"{state.unit.name}/{entry}", _stack_cells(state, entry) if entry else _system_cells(state))


def _system_cells(state: UnitState) -> tuple[Cell, ...]:
    facts = state.facts
    current = facts.current if facts else ""
    of = facts.generations if facts else ()
    number = next((n for n, path in of if current.endswith(path.rpartition("/")[2])), None)
    return (
        Cell(state.unit.name),
        Cell("system", "dim"),
        Cell(system(current)),
        Cell(f"generation {number}" if number else "", "dim"),
    )


def system(path: str) -> str:
    """A store path as people know it: without the store and its hash."""
    return path.rpartition("/")[2].partition("-")[2] or path


def _stack_cells(state: UnitState, stack: str) -> tuple[Cell, ...]:
    view = state.stack(stack)
    containers = view.containers if view else ()
    held = Cell("■ HELD", "warn") if view and view.held else Cell("")
    if not containers:
        held = Cell("does not run", "warn") if state.facts and not state.trouble else Cell("")
    running = view.running if view else None
    runs = Cell(running) if running else Cell("not recorded" if containers else "-", "dim")
    return Cell(state.unit.name), Cell(stack, "head"), runs, held


_AGENT_CELLS = {
    "idle": Cell("✓ idle", "ok"),
    "applying": Cell("▸ applying", "warn"),
    "held": Cell("■ held", "warn"),
    "quarantined": Cell("■ quarantined", "bad"),
    "failed": Cell("✗ failed", "bad"),
    "refused": Cell("✗ refused", "bad"),
    "away": Cell("✗ away", "bad"),
    "seen": Cell("✓ seen", "ok"),
}


def agent_cell(state: UnitState, now: float) -> Cell:
    """What claveld says of the unit's agent, else what was seen of one on the unit."""
    if state.agent:
        word = state.agent.word(now)
        return _AGENT_CELLS.get(word, Cell(word, "dim"))
    known = state.facts.agent if state.facts else ""
    return Cell(known, "ok" if known == "active" else "warn") if known else Cell("not seen", "dim")


def agent_row(state: UnitState, now: float) -> Row:
    """The unit's clavel-agent, its Docker, and its system."""
    facts = state.facts
    agent = agent_cell(state, now)
    docker = {"missing": Cell("-", "dim"), "silent": Cell("✗ silent", "bad"), "": Cell("-", "dim")}
    engine = docker.get(facts.docker if facts else "", Cell(facts.docker if facts else ""))
    return Row(state.unit.name, (Cell(state.unit.name), agent, engine, Cell(facts.os if facts else "", "dim")))
