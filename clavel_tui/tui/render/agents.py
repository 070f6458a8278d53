"""The rows of the Agents mode, and what an agent can be told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from clavel_tui.domain.agent import AgentState, Order, Phase, Report
from clavel_tui.domain.health import rank
from clavel_tui.domain.text import age
from clavel_tui.fleet.state import UnitState
from clavel_tui.tui.render.cells import Cell, Line, Row, level_cell, line
from clavel_tui.tui.render.fleet import agent_cell, system

AGENT_COLUMNS = ("UNIT", "AGENT", "SEEN", "HEALTH", "WANTS", "RUNS", "BEHIND", "VERSION", "WHY")
FEW_COLUMNS = ("UNIT", "AGENT", "SEEN", "BEHIND", "WHY")
"""Where there is no room for all: names that are cut are nobody's."""
TELL_COLUMNS = ("WHAT", "AND THEN")
PIN, UNPIN = "pin", "unpin"
_PLACES = {"refused": 0, "failed": 0, "quarantined": 0, "away": 1, "held": 2, "applying": 2, "never seen": 3}
_WELL = 4


def place(state: UnitState, agent: AgentState, now: float) -> tuple[int, int, str]:
    """Where it stands in the list: what wants a person first."""
    worst = agent.worst
    return _PLACES.get(agent.word(now), _WELL), -rank(worst.health) if worst else 0, state.unit.name


def agent_row(state: UnitState, agent: AgentState, now: float, columns: Sequence[str]) -> Row:
    """One unit's agent: what it wants and runs, and how far that is behind what the unit should run."""
    said = agent.of(state.unit.name) or agent.worst
    word = agent_cell(state, now)
    cells = {
        "UNIT": Cell(state.unit.name, "head"),
        "AGENT": word,
        "SEEN": Cell(age(now - agent.seen) if agent.seen else "never", "dim"),
        "HEALTH": level_cell(said.health) if said else Cell("-", "dim"),
        "WANTS": Cell(said.desired[:8] if said and said.desired else "-", "plain" if said else "dim"),
        "RUNS": Cell((system(said.running) if said else "") or "-"),
        "BEHIND": _behind(state, said, now),
        "VERSION": Cell(said.version if said and said.version else "-", "dim"),
        "WHY": Cell(agent.refused or (said.text if said else ""), word.role),
    }
    return Row(state.unit.name, tuple(cells[column] for column in columns))


def _behind(state: UnitState, said: Report | None, now: float) -> Cell:
    """Evaluations, and for how long there has been a newer one."""
    head = state.head
    if head is None or said is None or not said.running:
        return Cell("-", "dim")
    if said.running == head.nar_id:
        return Cell("0", "ok")
    known = head.behind(said.running)
    return Cell(f"{known[1] if known else '?'}, {age(now - head.at)}", "warn")


def agent_lines(state: UnitState, agent: AgentState, now: float) -> Iterator[Line]:
    """What the unit's agent has said, of each of its refs."""
    seen = Cell(f"  heard of {age(now - agent.seen)} ago" if agent.seen else "", "dim")
    yield line(Cell(f"⇣ agent {agent.agent.name}  ", "head"), agent_cell(state, now), seen)
    if agent.refused:
        yield line(Cell(f"  claveld refuses it: {agent.refused}", "bad"))
    for one in agent.reports:
        report = one.report
        outcome = f", {report.outcome.value}" if report.outcome else ""
        yield line(Cell(f"  {report.name}  ", "plain"), Cell(f"{report.phase.value}{outcome}", "dim"))
        if report.text:
            yield line(Cell(f"    {report.text}", "warn"))
        yield line(Cell(f"    wants {report.desired[:8] or '-'}  runs {system(report.running) or '-'}  {report.version}", "dim"))


def tell_rows(agent: AgentState) -> list[Row]:
    """What it can be told now, the likeliest first."""
    phases = {said.report.phase for said in agent.reports}
    rows = {
        Order.RELEASE.value: ("release", "a hold and a quarantine end: what was left alone is tried again"),
        Order.POLL.value: ("poll", "it looks now, and not within the next minutes"),
        Order.HOLD.value: ("hold", "it leaves everything as it is, until it is released"),
        PIN: ("pin its ref", "evaluations leave it where it is"),
        UNPIN: ("unpin its ref", "it points to what was evaluated last again, and the agent applies that"),
    }
    unheard = agent.told is not None and agent.told.order is Order.HOLD  # it may not have heard it yet
    if not unheard and not phases & {Phase.HELD, Phase.QUARANTINED, Phase.FAILED}:
        rows.pop(Order.RELEASE.value)
    if Phase.HELD in phases:
        rows.pop(Order.HOLD.value)
    return [Row(key, (Cell(what, "head"), Cell(then))) for key, (what, then) in rows.items()]
