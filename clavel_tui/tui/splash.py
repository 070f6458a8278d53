"""The first paint: what was last shown, with its age, drawn before anything heavy is imported.

Textual, pydantic and the database take a third of a second together; a person who opens the console sees the fleet at once
instead. Only the standard library is used here, and a frame that is missing, odd or of another size draws nothing.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ENTER = "\x1b[?1049h\x1b[H\x1b[2J\x1b[?25l"
LEAVE = "\x1b[?25h\x1b[?1049l"


def save(path: Path, fleet: str, columns: Sequence[str], rows: Sequence[Sequence[str]], count: int, seen: float) -> None:
    """Keeps the first rows of ``count``. A frame that cannot be kept costs the next start its first paint, and nothing else."""
    frame = {
        "fleet": fleet,
        "columns": list(columns),
        "rows": [list(row) for row in rows],
        "count": count,
        "seen": seen,
    }
    with contextlib.suppress(OSError):
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(frame), encoding="utf-8")
        fresh.replace(path)


def draw(path: Path) -> bool:
    """Draws the kept frame on the terminal. False where there is none; then nothing was written."""
    try:
        text = render(json.loads(path.read_text(encoding="utf-8")), time.time(), *shutil.get_terminal_size())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    sys.stdout.write(ENTER + text)
    sys.stdout.flush()
    return True


def render(frame: dict[str, Any], now: float, width: int, height: int) -> str:
    """The frame as lines of a terminal of that size; plain, so that every terminal shows it alike."""
    lines = [f" {frame['fleet']}   {frame['count']} units   as they were {_age(now - frame['seen'])} ago; opening…"]
    table = [frame["columns"], *frame["rows"]]
    widths = [min(max(len(row[n]) for row in table), 44) for n in range(len(frame["columns"]))]
    lines += [" " + "  ".join(cell[:w].ljust(w) for cell, w in zip(row, widths, strict=True)) for row in table]
    return "\r\n".join(_printable(line)[:width] for line in lines[: max(height - 1, 1)])


def _printable(line: str) -> str:
    return "".join(c if c.isprintable() else " " for c in line)


def _age(seconds: float) -> str:
    for size, word in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {word}"
    return f"{max(seconds, 0):.0f} s"
