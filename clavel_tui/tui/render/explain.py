"""Why a unit is not ok, as `x` shows it: each reason with its evidence and the next step, the last operations, log lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from clavel_tui.domain.advice import advice
from clavel_tui.domain.health import container_reason
from clavel_tui.domain.operation import Operation
from clavel_tui.domain.text import age
from clavel_tui.fleet.state import UnitState
from clavel_tui.tui.render.cells import Cell, Line, level_cell, line, outcome_cell

READING = "  reading…"
PAST = 3
"""Operations that are told."""
LOGGED = 3
"""Services whose log is asked for: the answer must come while the person looks."""


def unwell_services(state: UnitState) -> list[tuple[str, str]]:
    """(stack, service) of what does not run well, the first few."""
    found = [(view.name, c.service) for view in state.stacks for c in view.containers if container_reason(c)]
    return list(dict.fromkeys(found))[:LOGGED]


def explain_lines(
    state: UnitState,
    operations: Sequence[Operation] | None,
    logs: Mapping[tuple[str, str], Sequence[str]] | None,
    now: float,
) -> list[Line]:
    """``operations`` and ``logs`` None: they are still being read."""
    return [
        line(Cell(state.unit.name, "head"), "  ", level_cell(state.health.level), Cell(_seen(state, now), "dim")),
        *_reasons(state),
        *_drift(state),
        line(""),
        line(Cell("What was done last", "head")),
        *_past(operations, now),
        *_logs(state, logs),
    ]


def _seen(state: UnitState, now: float) -> str:
    return f"  seen {age(now - state.facts.at)} ago" if state.facts else "  never seen"


def _reasons(state: UnitState) -> Iterator[Line]:
    yield line("")
    for reason in state.health.reasons:
        cell = level_cell(reason.level)
        yield line(Cell(f"{cell.text[0]} {reason.text}", cell.role))
        if reason.evidence and reason.evidence != reason.text:
            yield line(Cell(f"    seen: {reason.evidence}", "dim"))
        hint = state.hint if reason.code in {"unreachable", "away"} and state.hint else ""
        if step := hint or advice(reason.code, unit=state.unit.name, evidence=reason.evidence):
            yield line(Cell(f"    → {step}", "away"))
    if not state.health.reasons:
        yield line(Cell("✓ nothing is wrong that we know of", "ok"))


def _drift(state: UnitState) -> Iterator[Line]:
    for drift in state.drift:
        yield line(Cell(f"≠ {drift.text}", "warn"))
        if step := advice(drift.code, unit=state.unit.name):
            yield line(Cell(f"    → {step}", "away"))


def _past(operations: Sequence[Operation] | None, now: float) -> Iterator[Line]:
    if operations is None:
        yield line(Cell(READING, "dim"))
    elif not operations:
        yield line(Cell("  nothing, as far as this workstation's journal knows", "dim"))
    else:
        yield from (_done(one, now) for one in operations[:PAST])


def _done(one: Operation, now: float) -> Line:
    return line(f"  {one.request.sentence}  ", outcome_cell(one), Cell(f"  {age(now - one.started)} ago  {one.text}", "dim"))


def _logs(state: UnitState, logs: Mapping[tuple[str, str], Sequence[str]] | None) -> Iterator[Line]:
    for key in unwell_services(state):
        yield line("")
        yield line(Cell(f"Log of {key[1]} in {key[0]}", "head"))
        if logs is None:
            yield line(Cell(READING, "dim"))
        else:
            yield from (line(f"  {text}") for text in logs.get(key, ()) or ["(nothing)"])
