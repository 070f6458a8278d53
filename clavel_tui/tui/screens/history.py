"""The History mode: every operation, the newest first; enter shows all that was journalled of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Footer, Label

from clavel_tui.domain.operation import Operation
from clavel_tui.fleet.client import FleetClient
from clavel_tui.tui.render.operations import HISTORY_COLUMNS, history_row, operation_lines
from clavel_tui.tui.screens.badged import BadgedScreen
from clavel_tui.tui.screens.reading import TextScreen
from clavel_tui.tui.widgets.listing import Listing


class HistoryScreen(BadgedScreen):
    """Operations of this workstation's journal."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "app.command('fleet')", "Back", show=False)]

    def __init__(self) -> None:
        super().__init__()
        self._operations: dict[str, Operation] = {}

    def compose(self) -> ComposeResult:
        """Title, list, footer."""
        yield Label("History", classes="title", markup=False)
        yield Listing(HISTORY_COLUMNS, empty="nothing was done yet: u updates a stack, r rolls one back", id="history")
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Keys go to the list."""
        self.query_one(Listing).focus()
        self._show()

    def take(self, operations: Sequence[Operation]) -> None:
        """What the journal has now."""
        self._operations = {o.id: o for o in operations}
        self._show()

    def _show(self) -> None:
        for listing in self._listings:
            listing.show([history_row(o) for o in self._operations.values()])

    @property
    def _listings(self) -> Sequence[Listing]:
        """The list; none while the screen is being put up or taken down: keys and snapshots come then too."""
        return list(self.query(Listing))

    @property
    def chosen(self) -> Operation | None:
        """The operation under the cursor."""
        return next((self._operations.get(listing.key or "") for listing in self._listings), None)

    async def open(self, client: FleetClient, ident: str) -> None:
        """One operation's events."""
        if operation := self._operations.get(ident):
            events = await client.operation_events(operation.id)
            self.app.push_screen(TextScreen("One operation", operation_lines(operation, events)))
