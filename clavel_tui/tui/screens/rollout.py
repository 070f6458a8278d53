"""A rollout while it runs, and afterwards: a line a unit; pause, resume, abort."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Footer

from clavel_tui.domain.operation import State
from clavel_tui.domain.rollout import Word
from clavel_tui.fleet.client import FleetClient
from clavel_tui.fleet.state import RolloutState
from clavel_tui.tui.render.rollout import ROLLOUT_COLUMNS, heading, rollout_row, said
from clavel_tui.tui.screens.badged import About
from clavel_tui.tui.screens.history import OperationScreen
from clavel_tui.tui.screens.reading import ReadingScreen
from clavel_tui.tui.widgets.lines import Lines
from clavel_tui.tui.widgets.listing import Listing

Tell = Callable[[str, Word], Awaitable[None]]


class RolloutScreen(ReadingScreen):
    """The live table. It is left and opened again at will: the rollout does not stand or fall with it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "pause", "Pause / go on"),
        Binding("c", "abort", "Abort"),
    ]

    def __init__(self, client: FleetClient, ident: str, tell: Tell) -> None:
        super().__init__()
        self._client = client
        self._ident = ident
        self._tell = tell
        self._state: RolloutState | None = None

    def compose(self) -> ComposeResult:
        """What it is about, the table, keys."""
        yield Lines(id="heading")
        yield Listing(ROLLOUT_COLUMNS, empty="…", id="rollout")
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Keys go to the table."""
        self.query_one(Listing).focus()
        self.run_worker(self.reread())

    @property
    def about(self) -> About:
        """The unit under the cursor, and the stack that is rolled out there."""
        listing = next(iter(self.query(Listing)), None)
        if self._state is None or listing is None or listing.key is None:
            return "", None
        request = self._state.units[int(listing.key)].request
        return request.unit, request.stack or None

    async def reread(self) -> None:
        """How it stands now."""
        self._state = state = await self._client.rollout(self._ident)
        for lines in self.query("#heading").results(Lines):
            lines.show([heading(state), said(state)])
        for listing in self.query(Listing):
            listing.show([rollout_row(f"{number}", one) for number, one in enumerate(state.units)])

    async def action_pause(self) -> None:
        """`p`: pause, and go on."""
        if self._state:
            paused = self._state.operation.step.startswith("paused")
            await self._tell(self._ident, Word.RESUME if paused else Word.PAUSE)

    async def action_abort(self) -> None:
        """`c`: nothing more begins."""
        if self._state and self._state.operation.state is not State.SETTLED:
            await self._tell(self._ident, Word.ABORT)

    @on(Listing.Chosen, "#rollout")
    def _open(self, message: Listing.Chosen) -> None:
        """Enter: all that was journalled of that unit's operation."""
        one = self._state.units[int(message.key)] if self._state else None
        if one and one.operation:
            self.app.push_screen(OperationScreen(self._client, one.back or one.operation))
