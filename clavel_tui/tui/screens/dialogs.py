"""Dialogs: a preview to confirm, a list to choose from, a question, a secret. Yes is `y`, no is `n` or esc."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Label

from clavel_tui.tui.render.cells import Line, Row
from clavel_tui.tui.widgets.lines import Lines
from clavel_tui.tui.widgets.listing import Listing


class ConfirmScreen(ModalScreen[bool]):
    """Shows exactly what would happen and asks. Where it cannot happen it only shows why."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"), Binding("n,escape", "answer(False)", "No"),
        Binding("enter", "hint", show=False),
    ]  # fmt: skip

    def __init__(self, title: str, lines: Sequence[Line], *, possible: bool = True) -> None:
        super().__init__()
        self._title = title
        self._lines = lines
        self._possible = possible

    def compose(self) -> ComposeResult:
        """Title, preview, question."""
        question = "y  do it now      n, esc  leave everything as it is" if self._possible else "esc  back"
        with Vertical(classes="dialog wide"):
            yield Label(self._title, classes="dialog-title", markup=False)
            yield Lines(classes="dialog-body")
            yield Label(question, id="question", classes="dialog-keys", markup=False)

    def on_mount(self) -> None:
        """The preview can be scrolled at once."""
        body = self.query_one(Lines)
        body.show(self._lines)
        body.focus()

    def action_answer(self, yes: bool) -> None:  # noqa: FBT001  Textual passes what the binding says
        """Yes counts only where it is possible."""
        self.dismiss(yes and self._possible)

    def action_hint(self) -> None:
        """Enter is too easily pressed twice to mean yes here."""
        if self._possible:
            self.notify("press y to do it, n or esc to leave it", timeout=3)


class ChooseScreen(ModalScreen[str | None]):
    """A list with one row preselected; enter takes it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "leave", "Back")]

    def __init__(self, title: str, columns: Sequence[str], rows: Sequence[Row], selected: str | None, note: str = "") -> None:
        super().__init__()
        self._title = title
        self._columns = columns
        self._rows = rows
        self._selected = selected
        self._note = note

    def compose(self) -> ComposeResult:
        """Title, list, keys."""
        with Vertical(classes="dialog wide"):
            yield Label(self._title, classes="dialog-title", markup=False)
            yield Listing(self._columns, empty="nothing to choose from")
            yield Label(
                f"enter  choose      esc  back{f'      {self._note}' if self._note else ''}", classes="dialog-keys", markup=False
            )

    def on_mount(self) -> None:
        """The preselected row is under the cursor."""
        listing = self.query_one(Listing)
        listing.show(self._rows, select=self._selected)
        listing.focus()

    def on_listing_chosen(self, message: Listing.Chosen) -> None:
        """Enter."""
        self.dismiss(message.key)

    def action_leave(self) -> None:
        """Nothing was chosen."""
        self.dismiss(None)


class SecretScreen(ModalScreen[str | None]):
    """Asks for a password; it is shown as dots and kept nowhere."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Back")]

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        """The question and a field."""
        with Vertical(classes="dialog"):
            yield Label(self._question, classes="dialog-title", markup=False)
            yield Input(password=True)
            yield Label("enter  use it, for this session only      esc  leave it", classes="dialog-keys", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter."""
        self.dismiss(event.value)

    def action_leave(self) -> None:
        """No answer."""
        self.dismiss(None)
