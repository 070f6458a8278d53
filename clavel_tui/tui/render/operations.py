"""Operations: the running ones with their step, and the history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from clavel_tui.domain.operation import Event, Operation, State
from clavel_tui.domain.text import age
from clavel_tui.tui.render.cells import Cell, Line, Row, line, outcome_cell

HISTORY_COLUMNS = ("WHEN", "UNIT", "STACK", "WHAT", "OUTCOME", "BY", "TEXT")
STEPS = ("check", "record", "hook", "pull", "activate", "health", "confirm", "verify", "settle")


def running_lines(operations: Sequence[Operation], now: float) -> list[Line]:
    """One line for each operation that is not settled."""
    return [_running(o, now) for o in operations]


def _running(operation: Operation, now: float) -> Line:
    request = operation.request
    what = request.sentence
    if operation.state is State.PLANNED:
        waits = f"waits until {request.unit} is back  {age(now - operation.started)}"
        return line(Cell("… ", "away"), f"{what}  ", Cell(waits, "away"))
    if operation.state is State.UNKNOWN:
        return line(Cell("? ", "warn"), f"{what}  ", Cell(f"unknown: {operation.text}", "warn"))
    step = "going back" if operation.step == "return" else operation.step or "starting"
    lost = Cell("  connection lost, looking again", "warn") if operation.lost else Cell("")
    return line(Cell("▸ ", "away"), f"{what}  ", Cell(step, "warn" if operation.step == "return" else "away"),
                Cell(f"  {age(now - operation.started)}", "dim"), lost)  # fmt: skip


def history_row(operation: Operation) -> Row:
    """One row of the history."""
    request = operation.request
    return Row(operation.id, (
        Cell(_minute(operation.started), "dim"), Cell(request.unit), Cell(request.stack, "head"), Cell(request.verb.value),
        outcome_cell(operation), Cell(operation.origin.operator, "dim"), Cell(operation.told, "dim"),
    ))  # fmt: skip


def operation_lines(operation: Operation, events: Sequence[Event]) -> list[Line]:
    """All that was journalled of one operation."""
    request, origin = operation.request, operation.origin
    revision = f"  revision {origin.revision[:12]}{' (dirty)' if origin.dirty else ''}" if origin.revision else ""
    head = [
        line(Cell(request.sentence, "head"), "  ", outcome_cell(operation)),
        line(operation.text),
        line(
            Cell(f"by {origin.operator}@{origin.host}{revision}{f'  because: {origin.reason}' if origin.reason else ''}", "dim")
        ),
        line(""),
    ]
    return head + [line(Cell(f"{when(e.at)}  ", "dim"), *_event(e)) for e in events]


def _event(event: Event) -> tuple[Cell, ...]:
    match event.kind:
        case "step":
            return (Cell(f"▸ {event.text}", "head"),)
        case "warn":
            return (Cell(f"▲ {event.text}", "warn"),)
        case "run":
            return (Cell(f"$ {event.text}"),)
        case "out":
            return (Cell(f"  {event.text}", "dim"),)
        case _:
            return (Cell(event.text),)


def when(at: float) -> str:
    """Local time, to the second; the date only where it is not today's is left to the reader: it always stands."""
    return f"{datetime.fromtimestamp(at, tz=UTC).astimezone():%m-%d %H:%M:%S}"


def _minute(at: float) -> str:
    """As `when`, where seconds would cost the outcome its last letters in 80 columns."""
    return f"{datetime.fromtimestamp(at, tz=UTC).astimezone():%m-%d %H:%M}"
