"""The list of units at a thousand and more, against a plain DataTable: load, burst of updates, filter, memory, key to byte.

A burst comes to the table as two cells a unit, and to the console as it comes there: as one snapshot of what holds after it.
What it lets go behind the paint is not counted: a person waits for the paint.
"""

import json
import os
import pty
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

from .measure import Aim, Row, Sample, Verdict, interleaved
from .start import LIMIT_S, _become, _drain, _size

OURS, PEER = "clavel-tui", "Textual, a plain DataTable"
KEYS = 120
GAP_S = 0.03
AIMS = {"load": 0.12, "updates": 0.2, "filter": 0.15, "memory": 0.2, "key": 0.5}
AIMED_FROM = 10_000
"""Units: with fewer there is no aim, and the ratio is only told."""
UNIT = {"memory": "MB", "key": "s, p95"}


def screen(count: int, runs: int) -> tuple[list[Row], list[Verdict]]:
    """Load, burst of updates and filter in seconds of CPU until they are painted; of a key, wall seconds to its bytes."""
    found: dict[str, list[dict[str, float]]] = {OURS: [], PEER: []}

    def run(name: str, kind: str) -> Sample:
        found[name].append(measured(kind, count))
        return Sample(0, 0)

    interleaved({OURS: lambda: run(OURS, "ours"), PEER: lambda: run(PEER, "peer")}, runs)
    rows, verdicts = [], []
    for quantity, most in AIMS.items():
        median = {name: statistics.median(one[quantity] for one in of) for name, of in found.items()}
        rows += [Row(quantity, name, count, runs, value, unit=UNIT.get(quantity, "s")) for name, value in median.items()]
        aim = Aim(quantity, PEER, most if count >= AIMED_FROM else None)
        verdicts.append(Verdict("screen", count, OURS, aim, median[OURS] / median[PEER]))
    return rows, verdicts


def measured(kind: str, count: int) -> dict[str, float]:
    """One process in a terminal of its own."""
    with tempfile.TemporaryDirectory(prefix="clavel-bench-") as folder:
        file = Path(folder, "found.json")
        pid, terminal = pty.fork()
        if pid == 0:
            _become([sys.executable, "-m", "tests.bench.screen_child", kind, str(count), str(file)])
        try:
            _size(terminal)
            _until_there(terminal, file)
            latencies = [_press(terminal, n) for n in range(KEYS)]
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(terminal)
        found = json.loads(file.read_text(encoding="utf-8"))
        return {**found, "memory": found["memory"] / 1e6, "key": statistics.quantiles(latencies, n=20)[-1]}


def _until_there(terminal: int, file: Path) -> None:
    end = time.monotonic() + LIMIT_S
    while not file.exists():
        _drain(terminal)
        if time.monotonic() > end:
            raise SystemExit(f"it was not measured within {LIMIT_S:.0f} s")
    _quiet(terminal, 1.0)


def _quiet(terminal: int, seconds: float) -> None:
    """Reads whatever comes for that long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        _drain(terminal)


def _press(terminal: int, index: int) -> float:
    """Seconds from the key's byte to the bytes of the row that the cursor is then on: ten down, ten up, and so on."""
    down = index // 10 % 2 == 0
    place = index % 10 + 1 if down else 9 - index % 10
    _quiet(terminal, GAP_S)
    begun, said = time.perf_counter(), b""
    os.write(terminal, b"\x1b[B" if down else b"\x1b[A")
    while f"node-{place:05}".encode() not in said:
        said += _drain(terminal)
        if time.perf_counter() - begun > LIMIT_S:
            raise SystemExit(f"never saw node-{place:05}: {said[-500:]!r}")
    return time.perf_counter() - begun
