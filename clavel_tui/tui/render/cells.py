"""What a table is made of: cells with a role, and rows with a key by which they are told apart."""

from __future__ import annotations

from typing import NamedTuple

from clavel_tui.domain.health import Level
from clavel_tui.domain.operation import Operation, State
from clavel_tui.domain.outcome import Outcome


class Cell(NamedTuple):
    """A text and its role: plain, dim, ok, warn, bad, away, head. The theme decides how a role looks."""

    text: str
    role: str = "plain"


class Row(NamedTuple):
    """Cells under a key that stays the same while its content changes."""

    key: str
    cells: tuple[Cell, ...]


class Line(NamedTuple):
    """A line of a details pane: spans side by side."""

    spans: tuple[Cell, ...]


GLYPHS: dict[Level, tuple[str, str]] = {
    Level.OK: ("✓", "ok"),
    Level.DEGRADED: ("▲", "warn"),
    Level.FAILED: ("✗", "bad"),
    Level.UNREACHABLE: ("⊘", "bad"),
    Level.AWAY: ("☾", "away"),
    Level.UNKNOWN: ("?", "dim"),
}


def level_cell(level: Level) -> Cell:
    """Glyph and word of a health."""
    glyph, role = GLYPHS[level]
    return Cell(f"{glyph} {level.value}", role)


_OUTCOME_ROLES = {
    Outcome.SUCCEEDED: "ok", Outcome.NO_CHANGE: "ok", Outcome.RETURNED: "warn", Outcome.CANCELLED: "warn",
    Outcome.NEEDS_REBOOT: "warn", Outcome.REFUSED: "warn", Outcome.NEVER_STARTED: "warn",
}  # fmt: skip


def outcome_cell(operation: Operation) -> Cell:
    """How an operation ended, or that it has not."""
    if operation.state is not State.SETTLED:
        return Cell(f"… {operation.word}", "warn" if operation.state is State.UNKNOWN else "away")
    role = _OUTCOME_ROLES.get(operation.outcome or Outcome.UNKNOWN, "bad")
    glyph = {"ok": "✓", "warn": "▲", "bad": "✗"}[role]
    return Cell(f"{glyph} {operation.word}", role)


def line(*spans: Cell | str) -> Line:
    """A line from cells and plain texts."""
    return Line(tuple(Cell(s) if isinstance(s, str) else s for s in spans))
