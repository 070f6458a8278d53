"""The console's frame: opens the fleet, brings its changes in as messages, and says which command can be used now."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType
from typing import ClassVar

from textual import on, work
from textual.app import App
from textual.binding import Binding, BindingType
from textual.notifications import Notify, SeverityLevel
from textual.reactive import reactive
from textual.screen import Screen
from textual.widgets import Input
from textual.worker import Worker, WorkerCancelled, WorkerFailed

from clavel_tui.domain.commands import COMMANDS, command
from clavel_tui.domain.errors import ClavelError
from clavel_tui.domain.operation import Operation
from clavel_tui.fleet.client import FleetClient
from clavel_tui.fleet.state import FleetState, UnitState
from clavel_tui.tui import choices, themes
from clavel_tui.tui.choices import Choice
from clavel_tui.tui.lasting import LastingNotification
from clavel_tui.tui.messages import Snapshot
from clavel_tui.tui.questions import Questions
from clavel_tui.tui.render.fleet import UNIT_COLUMNS
from clavel_tui.tui.render.rollout import open_rollouts
from clavel_tui.tui.screens.badged import BadgedScreen
from clavel_tui.tui.screens.dialogs import ChooseScreen
from clavel_tui.tui.screens.fleet import FleetScreen
from clavel_tui.tui.screens.mode import ModeScreen
from clavel_tui.tui.screens.rollout import RolloutScreen
from clavel_tui.tui.screens.stacks import StacksScreen
from clavel_tui.tui.widgets.listing import Listing
from clavel_tui.tui.widgets.tour import OVER, after

Ask = Callable[[str, str], Awaitable[str | None]]
OpenClient = Callable[[Ask], AbstractAsyncContextManager[FleetClient]]
Keep = Callable[[Sequence[str], Sequence[Sequence[str]], int, float], None]
KEEP_S = 10.0
CLOSE_S = 5.0
"""Who leaves is not kept longer by what does not let go."""
KEPT_ROWS = 200
"""No terminal is higher."""
COALESCE_S = 0.1
"""Changes of a tenth of a second become one paint: eight hundred units answer at once after a refresh."""
BEHIND_S = COALESCE_S / 2
"""What was shown before is let go that long behind a snapshot: to free a thousand units takes as long as to show them, and the
paint comes first."""


class Console(App[None]):
    """The frame in which all commands stand: see app.py for what they do."""

    CSS_PATH = "clavel.tcss"
    TITLE = "clavel-tui"
    ENABLE_COMMAND_PALETTE = False
    tour_step = reactive(OVER, bindings=False)
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(c.key, f"command('{c.id}')", c.name, show=c.shown, tooltip=c.tooltip, id=c.id, priority=c.id == "filter")
            for c in COMMANDS
            if c.id != "details"
        ),
        Binding("ctrl+p", "command('palette')", show=False),
    ]

    def __init__(
        self,
        open_client: OpenClient,
        name: str,
        *,
        keep: Keep = lambda *_: None,
        now: Callable[[], float] = time.time,
        read_only: str = "",
        theme: str = "",
        keys: Mapping[str, str] = MappingProxyType({}),
        tour: bool = False,
    ) -> None:
        """``read_only``: who wants that nothing is changed. ``keys``: other keys for commands, by their ids."""
        super().__init__()
        self.questions = Questions(self.push_screen_wait_anywhere)
        self.set_reactive(Console.tour_step, 0 if tour else OVER)
        self.read_only = read_only
        self.keys = dict(keys)
        self.set_keymap(self.keys)
        self._keep = keep
        self._kept_at = 0.0
        self._followed: set[str] = set()
        self._waiting: set[str] = set()
        self._now = now
        self._open_client = open_client
        self._name = name
        self._bridging: Worker[None] | None = None
        self._reloading: Worker[None] | None = None
        self._stale = False
        self._client: FleetClient | None = None
        self._state: FleetState | None = None
        self._fleet = FleetScreen(name, now)
        for known in themes.THEMES:
            self.register_theme(known)
        self.theme = themes.first(dict(os.environ), theme)

    def get_default_screen(self) -> Screen[None]:
        """The fleet is what is seen first."""
        return self._fleet

    async def run_to_the_end(self) -> int:
        """The exit code. Textual cancels its workers and waits for none: the fleet would be left half closed."""
        await self.run_async()
        if self._bridging:
            with contextlib.suppress(WorkerCancelled, WorkerFailed, TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await self._bridging.wait()
        return self.return_code or 0

    def on_mount(self) -> None:
        """The fleet is opened behind the first paint."""
        self._bridging = self._bridge()

    @work(exit_on_error=True, group="bridge")
    async def _bridge(self) -> None:
        """The one worker that brings the fleet's changes in."""
        try:
            async with self._open_client(self.questions.ask) as client:
                self._client = client
                self.post_message(Snapshot(await client.snapshot()))
                watching = asyncio.create_task(client.watch())
                try:
                    while True:
                        await _changed(client, watching)
                        await asyncio.sleep(COALESCE_S)
                        self.post_message(Snapshot(await client.snapshot()))
                finally:
                    watching.cancel()
        except ClavelError as error:
            self.exit(return_code=2, message=f"clavel-tui: {error.text}\n  {error.hint}")

    @on(Snapshot)
    async def _take(self, message: Snapshot) -> None:
        if not self.is_running:  # its screens are being taken down: nothing is left to show it on
            return
        away = message.state.claveld if self._state and not self._state.claveld else ""
        if message.state.files not in ("", self._state.files if self._state else ""):
            self.notify(message.state.files, severity="warning", markup=False)
        asyncio.get_running_loop().call_later(BEHIND_S, _let_go, self._state)
        self._state = message.state
        self._fleet.take(message.state)
        self._keep_frame()
        if isinstance(self.screen, ChooseScreen) and self.screen.is_mounted:
            self.screen.reread()
        if isinstance(self.screen, RolloutScreen):
            await self.screen.reread()
        if self._client and isinstance(self.screen, ModeScreen):
            if away:  # the fleet's own screen says so in its headline
                self.notify(away, severity="error", markup=False)
            self._stale = True
            if not (self._reloading and self._reloading.is_running):
                self._reloading = self._reload()

    @work(group="reload", exclusive=True)
    async def _reload(self) -> None:
        """Beside the keys: over a slow line it takes its time. What came meanwhile is read behind it."""
        while self._stale and self._client and self._state and isinstance(self.screen, ModeScreen):
            self._stale, mode = False, self.screen
            try:
                await mode.reload(self._client, self._state)
            except ClavelError as error:  # a claveld that is away: what was read before stays
                if mode.unread(error.text):
                    self.notify(error.text, severity="error", markup=False)

    def _keep_frame(self) -> None:
        """For the next start's first paint; not at every change, since eight hundred units change all the time."""
        now = self._now()
        if now - self._kept_at >= KEEP_S and (frame := self._fleet.frame):
            self._kept_at = now
            rows, seen = frame
            self._keep(UNIT_COLUMNS, [[cell.text for cell in row.cells] for row in rows[:KEPT_ROWS]], len(rows), seen)

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """As Textual's, with a notification that cannot stop the console."""
        seconds = self.NOTIFICATION_TIMEOUT if timeout is None else timeout
        self.post_message(Notify(LastingNotification(message, title, severity, seconds, markup)))

    async def push_screen_wait_anywhere(self, screen: Screen[str | None]) -> str | None:
        """As push_screen_wait, for callers that are no worker."""
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self.push_screen(screen, lambda value: answer.set_result(value) if not answer.done() else None)
        return await answer

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The filter's key comes first, so that what is typed right behind it is the filter's; in a field it is a letter."""
        if (action, parameters) == ("command", ("filter",)):
            if self.screen.is_modal:
                return None
            return not isinstance(self.focused, Input)
        return super().check_action(action, parameters)

    async def action_command(self, ident: str) -> None:
        """Every key comes here: a command that cannot be used now says why. Once a dialog is up, keys are its."""
        if self.screen.is_modal:
            return
        reason = self.disabled_reason(ident)
        if ident != "tour" and (not reason or reason == self._no_change):
            self.tour_step = after(self.tour_step, ident)
        if reason:
            self.notify(reason, severity="warning", timeout=4)
            return
        if command(ident).mutates or ident in {"logs", "explain"}:
            for listing in self.screen.query(Listing):
                listing.stay()
        getattr(self, f"do_{ident}")()
        # What it begins as a worker sees what is selected now, and not what the next key makes of it.
        await asyncio.sleep(0)

    def disabled_reason(self, ident: str) -> str:
        """Why a command cannot be used now; empty where it can."""
        if self._client is None and ident not in {"help", "quit", "fleet", "filter", "palette", "tour"}:
            return "the fleet is still being opened"
        if self.read_only and command(ident).mutates:
            return self._no_change
        if ident == "acknowledge":
            return "" if self._selected[0] else "no unit is selected"
        if ident == "trust":
            return choices.no_first_contact(self._selected[0])
        if ident == "rollout":
            return "" if self._marks or self._rollouts else "mark units with space first: a rollout is about more than one"
        if ident == "tell":
            return choices.no_agent(self._selected[0])
        if ident in {"reboot", "gc"}:
            return choices.not_reached(self._selected[0])
        if ident == "deploy":
            return "" if self._marks else choices.no_system(self._selected[0])
        if ident == "rollback" and not self._marks and not self._selected[1]:
            return choices.nothing_to_go_back_to(self._selected[0])
        acts_on_a_stack = (command(ident).mutates or ident == "logs") and ident not in {"undo", "cancel", "evaluate"}
        return choices.no_stack(self._selected[0]) if acts_on_a_stack and not self._marks else ""

    @property
    def _rollouts(self) -> list[Operation]:
        """Those that have not ended, the newest first."""
        return open_rollouts(self._state.operations) if self._state else []

    @property
    def _no_change(self) -> str:
        return f"this console is read-only: {self.read_only} says so"

    @property
    def _marks(self) -> set[str]:
        """What is marked in the list that is shown: `unit` or `unit/stack`."""
        listing = self._marking
        return set(listing.marks) if listing else set()

    @property
    def _in_front(self) -> BadgedScreen:
        """The screen that says what keys are about. A cursor that it hides says nothing."""
        shown = (screen for screen in reversed(self.screen_stack) if isinstance(screen, BadgedScreen))
        return next((screen for screen in shown if screen.about is not None), self._fleet)

    @property
    def _marking(self) -> Listing | None:
        """None where what is marked is out of sight."""
        front = self._in_front
        return front.marking if isinstance(front, (FleetScreen, StacksScreen)) else None

    @property
    def _selected(self) -> tuple[UnitState | None, str | None]:
        """The unit that keys are about, and the stack where it is about one."""
        name, stack = self._in_front.about or ("", None)
        return (self._state.unit(name) if self._state else None), stack

    async def _choose_stack(self, unit: UnitState, said: str | None, what: str) -> str | None:
        if said or len(unit.stacks) == 1:
            return said or unit.stacks[0].name
        title = f"{what}: which stack of {unit.unit.name}?"
        rows, likely = choices.stack_rows(unit), choices.stack(unit, None)
        return await self.push_screen_wait(ChooseScreen(title, choices.STACK_COLUMNS, lambda: Choice(rows, likely)))

    def _now_of(self, unit: UnitState) -> UnitState:
        """That unit as it is known now."""
        return (self._state and self._state.unit(unit.unit.name)) or unit

    def _going_on(self, unit: UnitState | None, *, or_no_unit: bool = False) -> list[Operation]:
        """The operations on that unit that are not settled; ``or_no_unit``: and those of no unit, such as an evaluation."""
        names = {unit.unit.name if unit else "", *([""] if or_no_unit else [])}
        return [o for o in self._state.operations if o.request.unit in names] if self._state else []


def _let_go(_before: FleetState | None) -> None:
    """Nothing: what waits for this call is kept until then."""


async def _changed(client: FleetClient, watching: asyncio.Task[None]) -> None:
    """Until there is something new to show. Looking never ends: where it does, its error is the console's."""
    news = asyncio.create_task(client.changed())
    try:
        await asyncio.wait({news, watching}, return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            watching.result()
        await news
    finally:
        news.cancel()
