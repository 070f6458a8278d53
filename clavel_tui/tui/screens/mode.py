"""What the numbered modes beside Fleet share: one list, and what enter opens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Footer

from clavel_tui.fleet.client import FleetClient
from clavel_tui.fleet.state import FleetState
from clavel_tui.tui.render.cells import Row
from clavel_tui.tui.screens.badged import About, BadgedScreen
from clavel_tui.tui.widgets.listing import Listing
from clavel_tui.tui.widgets.tabs import Tabs

READING = "reading…"


class ModeScreen(BadgedScreen):
    """A list over the whole fleet."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "app.command('fleet')", "Back", show=False)]
    IDENT = ""
    COLUMNS: tuple[str, ...] = ()
    EMPTY = ""
    MARKABLE = False

    def __init__(self) -> None:
        super().__init__()
        self._rows: Sequence[Row] = ()
        self._empty = READING

    def compose(self) -> ComposeResult:
        """Modes, list, footer."""
        yield Tabs(self.IDENT)
        yield Listing(self.COLUMNS, empty=self._empty, markable=self.MARKABLE, id="mode")
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Keys go to the list."""
        self.query_one(Listing).focus()
        self._fill()

    def show(self, rows: Sequence[Row]) -> None:
        """Keys and snapshots come also while the screen is being put up or taken down: then there is no list."""
        self._rows, self._empty = rows, self.EMPTY
        self._fill()

    def unread(self, why: str) -> bool:
        """It cannot be read: said where nothing was read before."""
        if first := self._empty == READING:
            self._empty = why
            self._fill()
        return first

    def _fill(self) -> None:
        for listing in self.query(Listing):
            listing.set_empty(self._empty)
            listing.show(self._rows)

    @property
    def marking(self) -> Listing | None:
        """The list whose marks count now; none while the screen goes up or down."""
        return next(iter(self.query(Listing)), None)

    @property
    def key(self) -> str:
        """Of the row under the cursor; empty where there is none."""
        return next((listing.key or "" for listing in self.query(Listing)), "")

    @property
    def about(self) -> About:
        """See BadgedScreen: what the row is about."""
        return "", None

    @property
    def copied(self) -> str:
        """What `y` copies."""
        return self.key

    async def reload(self, client: FleetClient, state: FleetState) -> None:
        """What is known now."""
        raise NotImplementedError

    def open(self, client: FleetClient, key: str) -> None:
        """Enter on a row."""
        raise NotImplementedError
