"""The palette: every command by its name; what is typed narrows the list, enter does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input, Label

from clavel_tui.domain.commands import COMMANDS, Command, key_of
from clavel_tui.tui.render.cells import Cell, Row
from clavel_tui.tui.screens.dialogs import Dialog
from clavel_tui.tui.screens.leaving import leave
from clavel_tui.tui.widgets.listing import Listing


class PaletteScreen(Dialog[str | None]):
    """Answers the id of a command, or None. What cannot be used now says why, and can be looked at all the same."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+p", "leave", "Back"),
        Binding("down", "move(1)", show=False, priority=True),
        Binding("up", "move(-1)", show=False, priority=True),
    ]

    def __init__(self, keys: Mapping[str, str], disabled: Callable[[str], str]) -> None:
        super().__init__()
        self._keys = keys
        self._disabled = disabled

    def compose(self) -> ComposeResult:
        """A field and the list."""
        with Vertical(classes="dialog wide"):
            yield Input(placeholder="type a part of its name", compact=True)
            yield Listing(("COMMAND", "KEY", "WHAT IT DOES"), empty="no command has that in its name")
            yield Label("enter  do it      ↑ ↓  choose      esc  back", classes="dialog-keys", markup=False)

    def on_mount(self) -> None:
        """Typing comes first."""
        self.query_one(Input).focus()
        self._show("")

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._show(event.value)

    def _show(self, typed: str) -> None:
        words = typed.lower().split()
        found = [c for c in COMMANDS if c.id != "details" and all(w in f"{c.name} {c.tooltip} {c.id}".lower() for w in words)]
        self.query_one(Listing).show([self._row(c) for c in found])

    def _row(self, command: Command) -> Row:
        why = self._disabled(command.id)
        what = Cell(f"not now: {why}", "warn") if why else Cell(command.tooltip, "dim")
        return Row(command.id, (Cell(command.name, "head"), Cell(key_of(command.id, self._keys)), what))

    def action_move(self, by: int) -> None:
        """The cursor of the list, while the field has the keys."""
        self.query_one(Listing).action_move(by)

    @on(Input.Submitted)
    @on(Listing.Chosen)
    def _chosen(self) -> None:
        leave(self, self.query_one(Listing).key)

    def action_leave(self) -> None:
        """Nothing."""
        leave(self)
