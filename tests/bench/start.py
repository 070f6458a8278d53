"""From the start of the process to the first content on a terminal, against an empty Textual application with one Label."""

import asyncio
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Sequence
from pathlib import Path

from clavel_tui.history import MIGRATIONS, Journal
from clavel_tui.store import Database
from tests.tui import fleets

from .measure import Aim, Row, Sample, Verdict, interleaved, row, verdicts
from .ours import write_fleet

WIDTH, HEIGHT = 160, 50
SEEN_ROW = 11
"""The console's frame and its panes are both high enough for so many units."""
LIMIT_S = 120.0
FIRST, PANES, EMPTY = "clavel-tui, first paint (the kept frame)", "clavel-tui, its panes", "Textual, empty with one Label"
AIMS = (Aim("wall", EMPTY, 1.4),)

EMPTY_APP = """
from textual.app import App
from textual.widgets import Label

class Empty(App):
    def compose(self):
        yield Label("bench-content")

Empty().run()
"""
OUR_APP = "import sys; from clavel_tui.wiring import main; sys.exit(main())"


def start(runs: int, count: int) -> tuple[list[Row], list[Verdict]]:
    """The console's second start and on, with all units in its cache: the first one has no frame to paint."""
    with tempfile.TemporaryDirectory(prefix="clavel-bench-") as name:
        ours = _console(Path(name), count)
        last = f"b{min(count, HEIGHT - 4):03}"
        empty = [sys.executable, "-c", EMPTY_APP]
        contestants = {
            FIRST: lambda: shown(ours, ("opening…", last)),
            EMPTY: lambda: shown(empty, ("bench-content",)),
            PANES: lambda: shown(ours, ("Units", "Deployments", "Agents", f"b{SEEN_ROW:03}")),
        }
        interleaved(contestants, 1)  # not counted: byte code and the disk's cache
        samples = interleaved(contestants, runs)
    rows = [row("start", name, count, found) for name, found in samples.items()]
    return rows, verdicts(rows, FIRST, AIMS)


def _console(folder: Path, count: int) -> list[str]:
    """The command line, after the console has run once and kept its frame. No unit is there: nobody listens on that port."""
    units = [(f"b{n:03}", "127.0.0.1") for n in range(1, count + 1)]
    fleet = write_fleet(folder / "hosts", units, "/nowhere", port=1)
    asyncio.run(_cached(folder / "journal.db", [name for name, _ in units]))
    argv = [sys.executable, "-c", OUR_APP, "--fleet", str(fleet), "--db", str(folder / "journal.db")]
    shown(argv, (f"b{SEEN_ROW:03}",), until=lambda: bool(list(folder.glob("frame-*.json"))))
    return argv


async def _cached(file: Path, names: Sequence[str]) -> None:
    """What the console knew of them when it was closed, a minute ago."""
    database = await Database.open(file, MIGRATIONS)
    journal = Journal(database, "bench", time.time)
    facts = {name: fleets.facts(fleets.unit(name, stacks=("web",))) for name in names}
    await asyncio.gather(*(journal.save_facts(n, f.model_copy(update={"at": time.time() - 60}), "") for n, f in facts.items()))
    await database.close()


def shown(argv: Sequence[str], texts: Sequence[str], *, until: object = None) -> Sample:
    """Until all of the texts were written to the terminal; then the process is killed. Its CPU till then is counted."""
    begun = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        _become(argv)
    try:
        _size(terminal)
        _read(terminal, [text.encode() for text in texts])
        took, cpu = time.perf_counter() - begun, _cpu(pid)
        while callable(until) and not until():
            _drain(terminal)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)
    return Sample(took, cpu)


def _become(argv: Sequence[str]) -> None:
    env = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "COLUMNS", "LINES"}}
    _size(0)
    os.execvpe(argv[0], list(argv), {**env, "TERM": "xterm-256color"})


def _size(terminal: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))


def _read(terminal: int, texts: Sequence[bytes]) -> None:
    said, end = b"", time.monotonic() + LIMIT_S
    while not all(text in said for text in texts):
        if time.monotonic() > end:
            raise SystemExit(f"never saw {texts}:\n{said[-2000:]!r}")
        said += _drain(terminal)


def _drain(terminal: int) -> bytes:
    ready, _, _ = select.select([terminal], [], [], 0.5)
    try:
        return os.read(terminal, 65536) if ready else b""
    except OSError as error:
        raise SystemExit("it ended before it showed what was waited for") from error


def _cpu(pid: int) -> float:
    """Of the process and of children that it waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
