"""What is told for some seconds, while screens open: whenever its time runs out, the console goes on."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest
from textual.notifications import Notification
from textual.widgets._toast import Toast

from clavel_tui.tui.lasting import LEAST_S, LastingNotification
from tests.tui import fleets
from tests.tui.conftest import MakeApp
from tests.tui.test_keys import settle


@contextmanager
def no_longer_than(seconds: float) -> Iterator[None]:
    """An event loop that turns without an end lets no timeout of its own through."""

    def ended(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"it stands still: {frame}")

    before = signal.signal(signal.SIGALRM, ended)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_some_time_is_left_even_where_it_is_over() -> None:
    told = LastingNotification("told", timeout=4)
    assert 3 < told.time_left <= 4
    assert not told.has_expired
    told.raised_at -= 4
    assert told.time_left == LEAST_S
    assert told.has_expired


async def test_time_that_runs_out_while_a_screen_opens(console: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is taken off its core between Textual's two looks at the clock."""
    app, _ = console(fleets.one())
    made: list[Toast] = []
    init = Toast.__init__

    def late(toast: Toast, told: Notification) -> None:
        if made:
            told.raised_at = time.time() - told.timeout - 0.001
        made.append(toast)
        init(toast, told)

    monkeypatch.setattr(Toast, "__init__", late)
    with no_longer_than(20):
        async with app.run_test(size=(120, 35), notifications=True) as pilot:
            await settle(pilot)
            app.notify("told", timeout=60)
            await settle(pilot)
            await pilot.press("question_mark")
            await settle(pilot)
            assert len(made) == 2, "it was not shown anew"
            async with asyncio.timeout(10):
                while app.screen.query(Toast):
                    await asyncio.sleep(0.1)
            await pilot.press("escape")
            await settle(pilot)
