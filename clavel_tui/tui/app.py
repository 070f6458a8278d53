"""The console: opens the fleet, bridges its changes into messages, and turns keys into requests."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType
from typing import ClassVar

from textual import on, work
from textual.app import App
from textual.binding import Binding, BindingType
from textual.screen import Screen

from clavel_tui.domain.commands import COMMANDS, command
from clavel_tui.domain.errors import ClavelError
from clavel_tui.domain.operation import Plan, Request, State, Verb
from clavel_tui.domain.outcome import Outcome
from clavel_tui.fleet.client import FleetClient
from clavel_tui.fleet.state import FleetState, UnitState
from clavel_tui.tui import choices, themes
from clavel_tui.tui.messages import Snapshot
from clavel_tui.tui.render.cells import line
from clavel_tui.tui.render.fleet import UNIT_COLUMNS, sorted_units, unit_row
from clavel_tui.tui.render.plan import plan_lines
from clavel_tui.tui.screens.dialogs import ChooseScreen, ConfirmScreen, Preview, SecretScreen
from clavel_tui.tui.screens.fleet import FleetScreen
from clavel_tui.tui.screens.history import HistoryScreen
from clavel_tui.tui.screens.reading import LogScreen, TextScreen, help_lines
from clavel_tui.tui.widgets.listing import Listing

Ask = Callable[[str, str], Awaitable[str | None]]
OpenClient = Callable[[Ask], AbstractAsyncContextManager[FleetClient]]
Keep = Callable[[Sequence[str], Sequence[Sequence[str]], float], None]
KEEP_S = 10.0
COALESCE_S = 0.1
"""Changes of a tenth of a second become one paint: eight hundred units answer at once after a refresh."""


class ClavelApp(App[None]):
    """The console of one fleet."""

    CSS_PATH = "clavel.tcss"
    TITLE = "clavel-tui"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(c.key, f"command('{c.id}')", c.name, show=c.shown, tooltip=c.tooltip, id=c.id)
        for c in COMMANDS
        if c.id != "details"
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
    ) -> None:
        """``read_only``: who wants that nothing is changed. ``keys``: other keys for commands, by their ids."""
        super().__init__()
        self.read_only = read_only
        self.set_keymap(dict(keys))
        self._keep = keep
        self._kept_at = 0.0
        self._now = now
        self._open_client = open_client
        self._name = name
        self._client: FleetClient | None = None
        self._state: FleetState | None = None
        self._fleet = FleetScreen(name, now)
        self._history = HistoryScreen()
        for known in themes.THEMES:
            self.register_theme(known)
        self.theme = themes.first(dict(os.environ), theme)

    def get_default_screen(self) -> Screen[None]:
        """The fleet is what is seen first."""
        return self._fleet

    def on_mount(self) -> None:
        """The fleet is opened behind the first paint."""
        self._bridge()

    @work(exit_on_error=True, group="bridge")
    async def _bridge(self) -> None:
        """The one worker that brings the fleet's changes in."""
        try:
            async with self._open_client(self._ask) as client:
                self._client = client
                self.post_message(Snapshot(await client.snapshot()))
                watching = asyncio.create_task(client.watch())
                try:
                    while True:
                        await client.changed()
                        await asyncio.sleep(COALESCE_S)
                        self.post_message(Snapshot(await client.snapshot()))
                finally:
                    watching.cancel()
        except ClavelError as error:
            self.exit(return_code=2, message=f"clavel-tui: {error.text}\n  {error.hint}")

    @on(Snapshot)
    async def _take(self, message: Snapshot) -> None:
        self._state = message.state
        self._fleet.take(message.state)
        self._keep_frame(message.state)
        if self.screen is self._history and self._client:
            self._history.take(await self._client.history())

    def _keep_frame(self, state: FleetState) -> None:
        """For the next start's first paint; not at every change, since eight hundred units change all the time."""
        now = self._now()
        if now - self._kept_at < KEEP_S:
            return
        self._kept_at = now
        rows = [[cell.text for cell in unit_row(u, now).cells] for u in sorted_units(state.units)]
        seen = min((u.facts.at for u in state.units if u.facts), default=now)
        self._keep(UNIT_COLUMNS, rows, seen)

    async def _ask(self, _unit: str, question: str) -> str | None:
        return await self.push_screen_wait_anywhere(SecretScreen(question))

    async def push_screen_wait_anywhere(self, screen: Screen[str | None]) -> str | None:
        """As push_screen_wait, for callers that are no worker."""
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self.push_screen(screen, lambda value: answer.set_result(value) if not answer.done() else None)
        return await answer

    # ---- commands

    def action_command(self, ident: str) -> None:
        """Every key comes here: a command that cannot be used now says why. Once a dialog is up, keys are its."""
        if self.screen.is_modal:
            return
        if reason := self.disabled_reason(ident):
            self.notify(reason, severity="warning", timeout=4)
            return
        getattr(self, f"do_{ident}")()

    def disabled_reason(self, ident: str) -> str:
        """Why a command cannot be used now; empty where it can."""
        if self._client is None and ident not in {"help", "quit", "fleet", "filter"}:
            return "the fleet is still being opened"
        if self.read_only and command(ident).mutates:
            return f"this console is read-only: {self.read_only} says so"
        if not command(ident).mutates and ident != "logs":
            return ""
        if ident in {"undo", "cancel"}:
            return ""
        unit = self._fleet.chosen
        if unit is None:
            return "no unit is selected"
        if not unit.stacks:
            return f"{unit.unit.name} has no Docker Compose stack"
        if unit.trouble:
            return f"{unit.unit.name} cannot be reached: {unit.trouble}"
        return ""

    def do_update(self) -> None:
        """`u`."""
        self._change(Verb.UPDATE)

    def do_restart(self) -> None:
        """`t`."""
        self._change(Verb.RESTART)

    def do_stop(self) -> None:
        """`S`."""
        self._change(Verb.STOP)

    def do_hold(self) -> None:
        """`H` holds, or releases a hold."""
        unit = self._fleet.chosen
        view = unit.stack(choices.stack(unit, self._fleet.chosen_stack) or "") if unit else None
        self._change(Verb.UNHOLD if view and view.held else Verb.HOLD)

    @work(group="dialog", exclusive=True)
    async def _change(self, verb: Verb) -> None:
        unit = self._fleet.chosen
        if unit and (stack := await self._choose_stack(unit, verb)):
            await self._confirm(Request(unit=unit.unit.name, stack=stack, verb=verb))

    async def _choose_stack(self, unit: UnitState, verb: Verb) -> str | None:
        if self._fleet.chosen_stack or len(unit.stacks) == 1:
            return self._fleet.chosen_stack or unit.stacks[0].name
        rows = choices.stack_rows(unit)
        return await self.push_screen_wait(
            ChooseScreen(
                f"{verb.value}: which stack of {unit.unit.name}?", choices.STACK_COLUMNS, rows, choices.stack(unit, None)
            )
        )

    def do_rollback(self) -> None:
        """`r`."""
        self._roll_back()

    @work(group="dialog", exclusive=True)
    async def _roll_back(self) -> None:
        """`r enter y`: the last known good is preselected."""
        unit = self._fleet.chosen
        if unit is None:
            return
        rows, preselected = choices.release_rows(unit, self._fleet.chosen_stack)
        note = "" if preselected else "no recorded good release can be restored here"
        title = f"roll back on {unit.unit.name}: to which release?"
        key = await self.push_screen_wait(ChooseScreen(title, choices.RELEASE_COLUMNS, rows, preselected, note))
        if key:
            stack, _, release = key.partition("/")
            await self._confirm(Request(unit=unit.unit.name, stack=stack, verb=Verb.ROLLBACK, release=release))

    async def _confirm(self, request: Request) -> None:
        client = self._client
        if client is None:
            return
        made: list[Plan] = []

        async def preview() -> Preview:
            plan = await client.plan(request)
            made.append(plan)
            return Preview(plan_lines(plan), not plan.refusal)

        title = f"{request.verb.value} {request.stack} on {request.unit}"
        why = await self.push_screen_wait(ConfirmScreen(title, preview()))
        if why is not None and made:
            await self._submit(client, made[0], why)

    async def _submit(self, client: FleetClient, plan: Plan, why: str) -> None:
        try:
            ident = await client.submit(plan, why)
        except ClavelError as error:
            self.notify(f"not started: {error.text}", severity="error", timeout=10)
            return
        self._follow(client, ident)

    @work(group="follow")
    async def _follow(self, client: FleetClient, ident: str) -> None:
        """Says how it ended."""
        try:
            operation = await client.wait(ident)
        except ClavelError as error:
            self.notify(error.text, severity="error", timeout=15)
            return
        good = operation.outcome in {Outcome.SUCCEEDED, Outcome.NO_CHANGE}
        self.notify(
            f"{operation.request.stack} on {operation.request.unit}: {operation.word}\n{operation.text}",
            severity="information" if good else "warning",
            timeout=8 if good else 20,
            markup=False,
        )
        if not good:
            self.bell()

    @work(group="dialog", exclusive=True)
    async def do_undo(self) -> None:
        """`z` on an operation of the history: back to what ran before it."""
        operation = self._history.chosen if self.screen is self._history else None
        if operation is None or not operation.came_from:
            self.notify("select an operation of the history (5) that changed a stack", severity="warning")
            return
        await self._confirm(
            operation.request.model_copy(update={"verb": Verb.ROLLBACK, "release": operation.came_from, "service": ""})
        )

    @work(group="cancel")
    async def do_cancel(self) -> None:
        """`c`."""
        unit = self._fleet.chosen
        running = [o for o in self._state.operations if unit and o.request.unit == unit.unit.name] if self._state else []
        if not running or self._client is None:
            self.notify("nothing runs on this unit", severity="warning")
            return
        self.notify(await self._client.cancel(running[0].id))

    def do_logs(self) -> None:
        """`l`."""
        self._open_logs()

    @work(group="dialog", exclusive=True)
    async def _open_logs(self) -> None:
        unit = self._fleet.chosen
        if self._client and unit:
            stack = self._fleet.chosen_stack or choices.only(unit)
            if stack is None:
                rows = choices.stack_rows(unit)
                stack = await self.push_screen_wait(
                    ChooseScreen(
                        f"logs: which stack of {unit.unit.name}?", choices.STACK_COLUMNS, rows, choices.stack(unit, None)
                    )
                )
            if stack:
                self.push_screen(LogScreen(self._client, unit.unit.name, stack))

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
        """`1`, also typed before the history is there."""
        self.workers.cancel_group(self, "history")
        while self.screen is not self._fleet:
            self.pop_screen()

    @work(group="history", exclusive=True)
    async def do_history(self) -> None:
        """`5`."""
        if self._client and self.screen is not self._history:
            operations = await self._client.history()
            await self.push_screen(self._history)
            self._history.take(operations)

    @on(Listing.Chosen, "#history")
    async def _history_chosen(self, message: Listing.Chosen) -> None:
        if self._client and self.screen is self._history:
            await self._history.open(self._client, message.key)

    def do_help(self) -> None:
        """`?`."""
        self.push_screen(TextScreen("Help", help_lines()))

    @work(group="dialog", exclusive=True)
    async def do_quit(self) -> None:
        """`q`: running operations go on, and that is said before. Asked anew: what is shown is a moment old."""
        state = await self._client.snapshot() if self._client else None
        running = [o for o in state.operations if o.state is State.RUNNING] if state else []
        if not running:
            self.exit()
            return

        async def preview() -> Preview:
            words = [(f"{o.request.verb.value} {o.request.stack} on {o.request.unit}", _after_leaving(o.step)) for o in running]
            return Preview([line(f"{what}: {then}") for what, then in words])

        leave = ConfirmScreen("Leave while operations run?", preview(), asks_why=False)
        if await self.push_screen_wait(leave) is not None:
            self.exit()


def _after_leaving(step: str) -> str:
    """What happens to a running operation when the console closes."""
    if step == "confirm":
        return "closing now returns it to what ran before, since nobody confirms"
    return "it goes on, on its unit; the next console tells how it ended"
