"""The console: its frame, the commands that change, and here those that look."""

from __future__ import annotations

import asyncio
import contextlib

from textual import on, work
from textual.screen import Screen

from clavel_tui.domain.operation import Operation, State, Verb
from clavel_tui.domain.stackview import StackView
from clavel_tui.fleet.state import FleetState
from clavel_tui.tui.changing import CONFIRMED
from clavel_tui.tui.messages import OpenRollout
from clavel_tui.tui.render.cells import line
from clavel_tui.tui.screens.agents import AgentsScreen
from clavel_tui.tui.screens.dialogs import ConfirmScreen, Preview
from clavel_tui.tui.screens.evaluated import DeploymentsScreen, SourcesScreen
from clavel_tui.tui.screens.explain import ExplainScreen
from clavel_tui.tui.screens.history import HistoryScreen
from clavel_tui.tui.screens.mode import ModeScreen
from clavel_tui.tui.screens.palette import PaletteScreen
from clavel_tui.tui.screens.reading import HelpScreen, LogScreen, ReadingScreen, help_lines
from clavel_tui.tui.screens.stacks import StacksScreen
from clavel_tui.tui.telling import TellingConsole
from clavel_tui.tui.widgets.listing import Listing
from clavel_tui.tui.widgets.tour import DONE, OVER

SENT_S = 5.0
"""How long one who leaves waits until what he has confirmed is sent."""
LOOK_S = 0.05
ASKED_S = 1.0
"""How long one who leaves waits to hear what runs."""


class ClavelApp(TellingConsole):
    """The console of one fleet."""

    def do_logs(self) -> None:
        """`l`."""
        self._open_logs()

    @work(group="dialog", exclusive=True)
    async def _open_logs(self) -> None:
        unit, said = self._selected
        if self._client and unit and (stack := await self._choose_stack(unit, said, "logs")):
            view = unit.stack(stack)
            services = sorted(_services(view)) if view else []
            self.push_screen(LogScreen(self._client, unit.unit.name, stack, services))

    def do_explain(self) -> None:
        """`x`; once more, and it is left."""
        client, (unit, _) = self._client, self._selected
        if self._left(ExplainScreen):
            return
        if client is None or unit is None:
            self.notify("no unit is selected", severity="warning")
            return
        self.push_screen(ExplainScreen(client, unit, self._now))

    def _left(self, kind: type[ReadingScreen]) -> bool:
        """Leaves the help or an explanation; whether it was of that kind. Of these one is open at a time."""
        shown = self.screen
        if isinstance(shown, (ExplainScreen, HelpScreen)):
            shown.action_leave()
        return isinstance(shown, kind)

    def do_copy(self) -> None:
        """`y`: by OSC 52, so that it reaches the clipboard of the terminal that one sits at."""
        text = self._under_the_cursor()
        if text:
            self.copy_to_clipboard(text)
            self.notify(f"copied: {text}", timeout=3, markup=False)

    def _under_the_cursor(self) -> str:
        if isinstance(self.screen, ModeScreen):
            return self.screen.copied
        unit, stack = self._selected
        return (stack or unit.unit.name) if unit else ""

    @work(group="dialog", exclusive=True)
    async def do_palette(self) -> None:
        """`:`."""
        ident = await self.push_screen_wait(PaletteScreen(self.keys, self.disabled_reason))
        if ident:
            await self.action_command(ident)

    def do_filter(self) -> None:
        """`/`."""
        self.do_fleet()
        self._fleet.open_filter()

    @work(group="refresh", exclusive=True)
    async def do_refresh(self) -> None:
        """`R`."""
        if self._client:
            await self._client.refresh()

    def do_fleet(self) -> None:
        """`1`."""
        while self.screen is not self._fleet:
            self.pop_screen()

    def do_deployments(self) -> None:
        """`2`."""
        self._open_mode(DeploymentsScreen(self._now))

    def do_stacks(self) -> None:
        """`3`."""
        self._open_mode(StacksScreen())

    def do_history(self) -> None:
        """`5`."""
        self._open_mode(HistoryScreen())

    def do_sources(self) -> None:
        """`6`."""
        self._open_mode(SourcesScreen(self._now))

    def do_agents(self) -> None:
        """`7`."""
        self._open_mode(AgentsScreen(self._now))

    def _open_mode(self, mode: ModeScreen) -> None:
        """There at once, and read behind: what is typed behind the key is the mode's, however slow the line is."""
        if self._client and self._state and type(self.screen) is not type(mode):
            self.do_fleet()
            self.push_screen(mode)
            self._stale = True
            self._reloading = self._reload()

    @on(Listing.Chosen, "#mode")
    def _mode_chosen(self, message: Listing.Chosen) -> None:
        if self._client and isinstance(self.screen, ModeScreen):
            self.screen.open(self._client, message.key)

    @on(OpenRollout)
    def _open_rollout(self, message: OpenRollout) -> None:
        self.open_rollout(message.ident)

    def do_tour(self) -> None:
        """`f1`: begins it, or ends it."""
        self.tour_step = 0 if self.tour_step > DONE else OVER

    def do_help(self) -> None:
        """`?`; once more, and it is left."""
        if not self._left(HelpScreen):
            self.push_screen(HelpScreen("Help", help_lines()))

    @work(group="dialog", exclusive=True)
    async def do_quit(self) -> None:
        """`q`: running operations go on, and that is said before. Asked anew: what is shown is a moment old."""
        state, unsent = self._state, not await self._all_sent()
        with contextlib.suppress(TimeoutError):  # a claveld that does not answer keeps nobody here
            async with asyncio.timeout(ASKED_S):
                state = await self._client.snapshot() if self._client else None
        running = [o for o in state.operations if o.state is State.RUNNING and not _of_claveld(state, o)] if state else []
        if not running and not unsent:
            self._leave()
            return

        async def preview() -> Preview:
            words = [(o.request.sentence, _after_leaving(o)) for o in running]
            words += [("what you said yes to just now", "it is not sent yet, and is not done")] if unsent else []
            return Preview([line(f"{what}: {then}") for what, then in words])

        leave = ConfirmScreen("Leave while operations run?", preview, asks_why=False)
        if await self.push_screen_wait(leave) is not None:
            self._leave()

    async def _all_sent(self) -> bool:
        """Whether all that was confirmed is on its way. Over a slow line it is waited for.

        By looking: a wait for a worker that is broken off ends the worker.
        """
        sending = [worker for worker in self.workers if worker.group == CONFIRMED]
        turns = int(SENT_S / LOOK_S)
        while turns and not all(worker.is_finished for worker in sending):
            turns -= 1
            await asyncio.sleep(LOOK_S)
        return all(worker.is_finished for worker in sending)

    def _leave(self, seen: Screen[object] | None = None) -> None:
        """Behind what is just being put up: Textual mounts nothing in an app that ends, and a screen would miss its parts."""
        if self.screen is seen:
            self.exit()
        else:
            self.screen.call_next(self._leave, self.screen)


def _services(view: StackView) -> set[str]:
    """Those that run, and those of the newest release: one that does not come up has a log too."""
    newest = view.releases[:1]
    return {c.service for c in view.containers} | {s.service for release in newest for s in release.services}


def _of_claveld(state: FleetState, operation: Operation) -> bool:
    """It goes on whoever looks."""
    return bool(state.through) and operation.request.verb is Verb.EVALUATE


def _after_leaving(operation: Operation) -> str:
    """What happens to a running operation when the console closes."""
    if operation.request.verb is Verb.ROLLOUT:
        return "it begins nothing more until it is resumed; what was begun goes on, on its units"
    if operation.request.verb is Verb.EVALUATE:
        return "it ends with this console, and changes nothing"
    if operation.request.pull and operation.step:
        return "its agent goes on, and tells claveld how it ended"
    if not operation.step:
        return "it has not begun on its unit: what is not put there yet is left undone"
    if operation.step == "confirm":
        return "closing now returns it to what ran before, since nobody confirms"
    return "it goes on, on its unit; the next console tells how it ended"
