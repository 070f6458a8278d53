"""Printing: results to stdout, as lines or as JSON; everything else to stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from clavel_tui.domain.errors import RefusedError

Put = Callable[[str], None]
"""Takes one line."""


def result(text: str) -> None:
    """A line of the result. A pipe that was closed ends the command quietly.

    Raises:
        RefusedError: there is no room for it where it goes.
    """
    try:
        print(text)
    except BrokenPipeError:
        raise
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left of it is said by nobody else
        raise RefusedError(f"the result could not be written: {error.strerror}") from error


def when(at: float) -> str:
    """Local time, to the second."""
    return datetime.fromtimestamp(at, tz=UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def as_json(value: Any) -> None:  # noqa: ANN401  whatever json takes
    """The result as one JSON document; escaped where the locale cannot carry its letters."""
    plain = "utf" not in (sys.stdout.encoding or "").lower()
    result(json.dumps(value, indent=2, ensure_ascii=plain, default=str))


def note(text: str) -> None:
    """For the person at the keyboard; never part of the result."""
    print(text, file=sys.stderr)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as they need to be, parted by two blanks; the last one is not padded."""
    widths = [max(len(row[n]) for row in (header, *rows)) for n in range(len(header))]
    for row in (header, *rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        result("  ".join(cells).rstrip())


def asked(question: str) -> str:
    """A line that is typed; nothing where there is no terminal."""
    if not sys.stdin.isatty():
        return ""
    print(f"{question} ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()


def confirmed(question: str, otherwise: str = "say --yes") -> bool:
    """Asks on the terminal. Where there is none nobody confirms, and ``otherwise`` is how it can be said."""
    if not sys.stdin.isatty():
        note(f"not confirmed: there is no terminal to ask on; {otherwise}")
        return False
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
