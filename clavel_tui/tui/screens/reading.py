"""Screens to read: one operation with its events, the help, and logs that follow."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Footer, Label, Log

from clavel_tui.domain import limits
from clavel_tui.domain.commands import COMMANDS, MOVES, shown_key
from clavel_tui.domain.text import clean
from clavel_tui.fleet.client import FleetClient
from clavel_tui.tui.render.cells import Cell, Line, line
from clavel_tui.tui.screens.badged import About, BadgedScreen
from clavel_tui.tui.screens.leaving import leave
from clavel_tui.tui.widgets.lines import Lines


class ReadingScreen(BadgedScreen):
    """A screen that is left again."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "leave", "Back")]

    def __init__(self, about: About | None = None) -> None:
        """``about``: what is read here, which stays what it is while rows come and go below."""
        super().__init__()
        self._about = about

    @property
    def about(self) -> About | None:
        """See BadgedScreen."""
        return self._about

    def action_leave(self) -> None:
        """Back to where it was opened."""
        leave(self)


class TextScreen(ReadingScreen):
    """A title and lines."""

    def __init__(self, title: str, lines: list[Line], about: About | None = None) -> None:
        super().__init__(about)
        self._title = title
        self._lines = lines

    def compose(self) -> ComposeResult:
        """Title, text, footer."""
        yield Label(self._title, classes="title", markup=False)
        yield Lines()
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Shows the text."""
        self.query_one(Lines).focus()
        self.show(self._lines)

    def show(self, lines: list[Line]) -> None:
        """Other lines, also when it is not up yet or no longer."""
        self._lines = lines
        for shown in self.query(Lines):
            shown.show(lines)


class HelpScreen(TextScreen):
    """All keys."""


def help_lines() -> list[Line]:
    """All keys, from the command table."""
    rows = [
        line(
            Cell(f"  {shown_key(c.key):<18}", "head"),
            f"{c.name:<12}",
            Cell(f"{c.tooltip}{'  (changes the unit)' if c.mutates else ''}", "dim"),
        )
        for c in COMMANDS
    ]
    moves = [line(Cell(f"  {key:<18}", "head"), text) for key, text in MOVES]
    legend = [
        line(
            Cell("  ✓ ok", "ok"),
            Cell("   ▲ degraded", "warn"),
            Cell("   ✗ failed", "bad"),
            Cell("   ⊘ unreachable", "bad"),
            Cell("   ☾ away, as expected", "away"),
            Cell("   ≠ drift", "warn"),
            Cell("   ■ held", "warn"),
        )
    ]
    filters = [
        line(Cell("  filter  ", "head"), Cell("words, tag: role: type: stack: health: drift:yes name:  ! inverts one", "dim"))
    ]
    return [line(Cell("Commands", "head")), *rows, line(""), line(Cell("Moving", "head")), *moves, line(""), *legend, *filters]


class LogScreen(ReadingScreen):
    """A stack's logs as they come, the last LOG_LINES of them: of all its services together, or of one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "follow", "Follow on/off"), Binding("s", "service", "Service"),
        Binding("k", "scroll(-1)", show=False), Binding("j", "scroll(1)", show=False),
    ]  # fmt: skip

    def __init__(self, client: FleetClient, unit: str, stack: str, services: Sequence[str] = ()) -> None:
        super().__init__((unit, stack))
        self._choices = ("", *services) if len(services) > 1 else ("",)
        self._service = ""
        self._client = client
        self._unit = unit
        self._stack = stack
        self._waiting: list[str] = []

    def compose(self) -> ComposeResult:
        """Title, log, footer."""
        yield Label(self._heading, classes="title", markup=False)
        yield Log(max_lines=limits.LOG_LINES, auto_scroll=True)
        yield Footer(compact=True)

    @property
    def _heading(self) -> str:
        return f"logs of {f'{self._service} in ' if self._service else ''}{self._stack} on {self._unit}"

    def on_mount(self) -> None:
        """Lines are written together: a burst of ten thousand must not cost ten thousand paints."""
        self.query_one(Log).focus()
        self.set_interval(0.1, self._write)
        self.run_worker(self._read(), exclusive=True, group="logs")

    async def _read(self) -> None:
        problem = await self._client.logs(self._unit, self._stack, self._service, tail=200, follow=True, on_line=self._take)
        await asyncio.sleep(0)
        self._take(f"-- the log ended{f': {clean(problem.strip())}' if problem.strip() else ''} --")

    def _take(self, text: str) -> None:
        self._waiting.append(clean(text))
        del self._waiting[: -limits.LOG_LINES]

    def _write(self) -> None:
        if self._waiting:
            lines, self._waiting = self._waiting, []
            self.query_one(Log).write_lines(lines)

    def action_service(self) -> None:
        """All services, then each alone, and round again. The log is read anew, so that also what was before is there."""
        if len(self._choices) == 1:
            self.notify("this stack has one service", timeout=2)
            return
        self._service = self._choices[(self._choices.index(self._service) + 1) % len(self._choices)]
        self.query_one(".title", Label).update(self._heading)
        self._waiting.clear()
        self.query_one(Log).clear()
        self.run_worker(self._read(), exclusive=True, group="logs")

    def action_follow(self) -> None:
        """Stands still to be read, or follows again."""
        log = self.query_one(Log)
        log.auto_scroll = not log.auto_scroll
        self.notify("following" if log.auto_scroll else "standing still", timeout=2)

    def action_scroll(self, by: int) -> None:
        """A line up or down."""
        self.query_one(Log).scroll_relative(y=by, animate=False)
