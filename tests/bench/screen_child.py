"""One contestant of the screen benchmark, in a terminal: ``python -m tests.bench.screen_child ours|peer UNITS FILE``.

It loads its rows, takes a thousand updates in one burst, filters, and writes down what that took; then it is given keys while a
hundred updates a second arrive, until its terminal is closed.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from textual.app import App, ComposeResult
from textual.widgets import DataTable, Input

from clavel_tui.fleet.state import FleetState, UnitState
from clavel_tui.tui.app import ClavelApp
from clavel_tui.tui.messages import Snapshot
from tests.tui import fleets
from tests.tui.fake import FakeFleet

UPDATES = 1000
PER_SECOND = 100
PART = "7"
"""What is typed into the filter, and taken away again: it leaves a third of ten thousand units."""
SHOWN_FROM_THE_TOP = 100
"""Updates go to rows below these, so that whatever is painted while keys are pressed is painted for a key."""


def units(count: int) -> list[UnitState]:
    """All well, so that they stand by their names."""
    named = (fleets.unit(f"node-{n:05}", stacks=("web",) if n % 3 else ()) for n in range(count))
    return [fleets.seen(one, fleets.facts(one)) for one in named]


def updated(state: UnitState) -> UnitState:
    """Seen anew, and now its disk is fuller."""
    return fleets.seen(state.unit, fleets.facts(state.unit, disk=60, age=0.0))


def rss() -> int:
    """Resident bytes."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def painted(app: App[Any]) -> None:
    """Until what was asked for is on the terminal."""
    for _ in range(2):
        done = asyncio.get_running_loop().create_future()
        app.screen.call_after_refresh(lambda done=done: done.set_result(None) if not done.done() else None)
        await done


async def timed(app: App[Any], do: Callable[[], object]) -> float:
    """CPU seconds from the call until it is painted: a machine that does something else meanwhile counts for neither."""
    await asyncio.sleep(0.3)  # what the last thing left to be drawn is not counted here
    begun = time.process_time()
    do()
    await painted(app)
    return time.process_time() - begun


class Ours(ClavelApp):
    """The console as it is, on a fleet that only says what it is told to."""

    CSS_PATH = Path(inspect.getfile(ClavelApp)).with_name("clavel.tcss")

    def __init__(self, count: int, found: Path) -> None:
        self.fake = FakeFleet(FleetState(name="bench"))
        super().__init__(self.fake.opened, "bench")
        self._states = units(count)
        self._found = found

    def on_mount(self) -> None:
        """Measures behind the first paint."""
        super().on_mount()
        self.run_worker(self._measure())

    def _state_now(self) -> FleetState:
        return FleetState.model_construct(name="bench", units=tuple(self._states), operations=(), seq=0)

    async def _measure(self) -> None:
        await asyncio.sleep(0.5)
        before = rss()
        self.fake.state = self._state_now()
        load = await timed(self, lambda: self.post_message(Snapshot(self.fake.state)))
        memory = rss() - before
        fresh = [updated(self._states[-1 - n % (len(self._states) // 2)]) for n in range(UPDATES)]

        def burst() -> None:
            for n, one in enumerate(fresh):
                self._states[-1 - n % (len(self._states) // 2)] = one
            self.fake.state = self._state_now()
            self.post_message(Snapshot(self.fake.state))

        updates = await timed(self, burst)
        field = self.screen.query_one("#filter", Input)
        narrowed = await timed(self, lambda: setattr(field, "value", PART))
        narrowed += await timed(self, lambda: setattr(field, "value", ""))
        write(self._found, load, updates, narrowed, memory)
        await trickle(len(self._states), self._one)

    def _one(self, index: int) -> None:
        self._states[index] = updated(self._states[index])
        self.fake.show(self._state_now())


class Peer(App[None]):
    """A plain DataTable of the same cells."""

    COLUMNS = ("UNIT", "HEALTH", "SERVICES", "SEEN", "WHY")

    def __init__(self, count: int, found: Path) -> None:
        super().__init__()
        self._rows = [(f"node-{n:05}", "✓ ok", "1/1" if n % 3 else "-", "3 s", "") for n in range(count)]
        self._found = found

    def compose(self) -> ComposeResult:
        """Nothing but the table."""
        yield DataTable(cursor_type="row")

    def on_mount(self) -> None:
        """Measures behind the first paint."""
        table = self.query_one(DataTable)
        for title in self.COLUMNS:
            table.add_column(title, key=title)
        self.run_worker(self._measure())

    def _add(self, rows: Sequence[tuple[str, ...]]) -> None:
        table = self.query_one(DataTable)
        for row in rows:
            table.add_row(*row, key=row[0])

    async def _measure(self) -> None:
        await asyncio.sleep(0.5)
        before = rss()
        load = await timed(self, lambda: self._add(self._rows))
        memory = rss() - before
        updates = await timed(self, lambda: [self._one(-1 - n % (len(self._rows) // 2)) for n in range(UPDATES)])

        def narrow(part: str) -> None:
            self.query_one(DataTable).clear()
            self._add([row for row in self._rows if part in row[0]])

        narrowed = await timed(self, lambda: narrow(PART))
        narrowed += await timed(self, lambda: narrow(""))
        write(self._found, load, updates, narrowed, memory)
        await trickle(len(self._rows), self._one)

    def _one(self, index: int) -> None:
        table, key = self.query_one(DataTable), self._rows[index][0]
        table.update_cell(key, "SEEN", "0 s")
        table.update_cell(key, "WHY", "the disk at / is fuller")


def write(found: Path, load: float, updates: float, narrowed: float, memory: int) -> None:
    """Says that it is measured, and can be given keys."""
    fresh = found.with_suffix(".new")
    fresh.write_text(json.dumps({"load": load, "updates": updates, "filter": narrowed, "memory": memory}), encoding="utf-8")
    fresh.replace(found)


async def trickle(count: int, one: Callable[[int], None]) -> None:
    """A hundred updates a second, of rows that are not seen."""
    first, done = min(SHOWN_FROM_THE_TOP, count // 2), 0
    while True:
        await asyncio.sleep(1 / PER_SECOND)
        one(first + done % (count - first))
        done += 1


if __name__ == "__main__":
    {"ours": Ours, "peer": Peer}[sys.argv[1]](int(sys.argv[2]), Path(sys.argv[3])).run()
