"""Dialogs: a preview to confirm, a list to choose from, a question, a secret. Yes is `y`, no is `n` or esc."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar, NamedTuple, TypeVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Input, Label

from clavel_tui.domain import limits
from clavel_tui.domain.errors import RefusedError
from clavel_tui.tui.choices import Choice
from clavel_tui.tui.render.cells import Line
from clavel_tui.tui.screens.leaving import leave
from clavel_tui.tui.widgets.lines import Lines
from clavel_tui.tui.widgets.listing import Listing

Answer = TypeVar("Answer")
_LOOKING = "looking…      esc  leave everything as it is"
_BACK = "enter, esc  back to the question"
_KEYS_OF = {
    "typed": "enter  do it      esc  leave everything as it is",
    "otherwise": "enter  take it      esc  back, as it was",
}


class Dialog(ModalScreen[Answer]):
    """What lies upon a screen: its keys stay in sight, however low the terminal is."""

    VERTICAL_BREAKPOINTS = [(0, "-low"), (30, "-high")]  # noqa: RUF012  as Screen declares it


class Preview(NamedTuple):
    """What a confirmation shows, whether it can be confirmed at all, and whether it can be prepared to show more."""

    lines: Sequence[Line]
    possible: bool = True
    prepares: bool = False
    waits: bool = False
    """Yes lets it wait for a unit that is away."""


class Otherwise(NamedTuple):
    """How what is asked can be done otherwise, in a line that `o` opens: what that is, the line as it stands, and its reader."""

    what: str
    now: Callable[[], str]
    take: Callable[[str], None]
    """Raises RefusedError for a line that cannot be meant."""


class ConfirmScreen(Dialog[str | None]):
    """Shows exactly what would happen and asks. It opens at once; `y` counts only when the preview is seen.

    Answers None for no, and for yes why: what was typed behind `w`, or nothing.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n,escape", "answer(False)", "No"),
        Binding("enter", "hint", show=False),
        Binding("w", "say_why", "Say why"),
        Binding("o", "say_otherwise", "Do it otherwise"),
        Binding("p", "prepare", "Prepare"),
    ]

    def __init__(
        self,
        title: str,
        preview: Callable[[], Awaitable[Preview]],
        *,
        asks_why: bool = True,
        typed: str = "",
        prepare: Callable[[], Awaitable[None]] | None = None,
        otherwise: Otherwise | None = None,
    ) -> None:
        """``typed``: a word that has to be typed for a yes, where it is about the whole fleet.

        ``prepare``: what `p` does, where the preview says that there is something to prepare; then it is made anew, as it is
        behind a line that ``otherwise`` has taken.
        """
        super().__init__()
        self._otherwise = otherwise
        self._prepare = prepare
        self._prepares = self._preparing = False
        self._typed = typed
        self._writing = False
        self._title = title
        self._preview = preview
        self._possible = self._refused = False
        self._yes = "do it now"
        self._asks_why = asks_why

    def compose(self) -> ComposeResult:
        """Title, preview, question."""
        with Vertical(classes="dialog wide"):
            yield Label(self._title, classes="dialog-title", markup=False)
            yield Lines(classes="dialog-body")
            yield Input(placeholder="why: kept in the history; enter goes back", id="why", compact=True, max_length=300)
            yield Input(id="otherwise", compact=True, max_length=200, select_on_focus=False)
            yield Input(placeholder=f"type {self._typed} for yes; esc leaves everything as it is", id="typed", compact=True)
            yield Label(_LOOKING, id="question", classes="dialog-keys", markup=False)

    def on_mount(self) -> None:
        """The preview is made behind the open dialog."""
        self.query_one(Lines).focus()
        self.run_worker(self._load(), exclusive=True)

    async def _load(self) -> None:
        preview = await self._preview()
        self._possible, self._refused = preview.possible, not preview.possible
        self._prepares = preview.prepares
        self._yes = "let it wait" if preview.waits else "do it now"
        self.query_one(Lines).show(preview.lines)
        self._ask("")

    def _ask(self, field: str) -> None:
        """What can be pressed now; ``field``: what, while one is written into."""
        why = "      p  prepare" if self._prepares else ""
        why += "      w  say why" if self._asks_why else ""
        why += f"      o  {self._otherwise.what}" if self._otherwise else ""
        no = "esc  back" if self._refused else _LOOKING
        yes = f"y  {self._yes}      n, esc  leave everything as it is{why}" if self._possible else no
        for label in self.query("#question").results(Label):
            label.update(field if self._writing else yes)

    def action_answer(self, yes: bool) -> None:  # noqa: FBT001  Textual passes what the binding says
        """Yes counts only where it is possible."""
        why = next(iter(self.query("#why").results(Input)), None)
        if why is None:  # typed before the dialog has come up: no yes
            if not yes:
                leave(self)
        elif self.focused and self.focused.id in {"why", "otherwise"}:
            self._back()
        elif yes and self._writing:
            pass  # typed for a field that is still coming up: no yes
        elif yes and not self._possible:
            self.notify("there is nothing to say yes to yet", timeout=3)
        elif yes and self._typed:
            self._write("#typed")
        else:
            leave(self, why.value.strip() if yes else None)

    def action_prepare(self) -> None:
        """Builds and copies; what is shown then is what the unit itself says. Esc leaves it going on."""
        if self._prepare and self._prepares and not self._preparing:
            self._possible = False
            for label in self.query("#question").results(Label):
                label.update("building and copying; nothing that runs is changed…      esc  leave it going on")
            self.run_worker(self._made_ready(), exclusive=True)

    async def _made_ready(self) -> None:
        self._preparing = True
        if self._prepare:
            await self._prepare()
        self._preparing = False
        await self._load()

    def action_say_why(self) -> None:
        """A field for the reason."""
        if self._possible and self._asks_why:
            self._write("#why")

    def action_say_otherwise(self) -> None:
        """A field with how it would be done, to be changed."""
        if self._possible and self._otherwise:
            field = self.query_one("#otherwise", Input)
            field.value, field.cursor_position = self._otherwise.now(), 0
            self._write("#otherwise")
            self.call_after_refresh(field.action_end)  # not before: while it is hidden it has no width to scroll in

    @on(Input.Submitted, "#otherwise")
    def _take(self, event: Input.Submitted) -> None:
        """What cannot be meant is said, and stays there to be mended."""
        if self._otherwise is None:
            return
        try:
            self._otherwise.take(event.value)
        except RefusedError as error:
            self.notify(error.text, severity="warning", timeout=10, markup=False)
            return
        self._possible = False
        self._back()
        self.run_worker(self._load(), exclusive=True)

    def _write(self, field: str) -> None:
        self._writing = True
        self.set_focus(self.query_one(field).add_class("-open"))

    @on(Input.Submitted, "#why")
    def _back(self) -> None:
        self.query_one(Lines).focus()

    @on(events.DescendantFocus)
    def _focused(self) -> None:
        """Keys are written while a field has them, and answers otherwise, however it was left: by enter, tab or a click."""
        self._writing = isinstance(self.focused, Input)
        if self.focused is None or self.focused.id != "otherwise":  # what was not taken does not stand there as if it were
            self.query("#otherwise").remove_class("-open")
        self._ask(_KEYS_OF.get((self.focused and self.focused.id) or "", _BACK))

    @on(Input.Submitted, "#typed")
    def _typed_word(self, event: Input.Submitted) -> None:
        if event.value.strip() == self._typed:
            leave(self, self.query_one("#why", Input).value.strip())
        else:
            self.notify(f"that is not {self._typed}: nothing was done", severity="warning", timeout=4)

    def action_hint(self) -> None:
        """Enter is too easily pressed twice to mean yes here."""
        if self._possible:
            self.notify("press y to do it, n or esc to leave it", timeout=3)


class ChooseScreen(Dialog[str | None]):
    """A list with one row preselected; enter takes it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "leave", "Back")]

    def __init__(self, title: str, columns: Sequence[str], read: Callable[[], Choice]) -> None:
        """``read`` is asked again whenever the fleet has changed: an operation may end while the list is open."""
        super().__init__()
        self._title = title
        self._columns = columns
        self._read = read
        self._keys = ""

    def compose(self) -> ComposeResult:
        """Title, list, keys."""
        with Vertical(classes="dialog wide"):
            yield Label(self._title, classes="dialog-title", markup=False)
            yield Listing(self._columns, empty="nothing to choose from")
            yield Label(classes="dialog-keys", markup=False)

    def on_mount(self) -> None:
        """The preselected row is under the cursor."""
        self.reread()
        self.query_one(Listing).focus()

    def reread(self) -> None:
        """Shows what can be chosen from now. A cursor that a person has put somewhere stays there."""
        choice = self._read()
        for listing in self.query(Listing):  # none while the dialog goes up or down
            listing.show(choice.rows, select=None if listing.touched else choice.selected)
        keys = f"enter  choose      esc  back{f'      {choice.note}' if choice.note else ''}"
        for label in self.query(".dialog-keys").results(Label):
            if keys != self._keys:
                label.update(keys)
                self._keys = keys

    def on_listing_chosen(self, message: Listing.Chosen) -> None:
        """Enter."""
        leave(self, message.key)

    def action_leave(self) -> None:
        """Nothing was chosen."""
        leave(self)


class SecretScreen(Dialog[str | None]):
    """Asks for a password; it is shown as dots and kept nowhere. Who does not answer for a while is asked no more."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Back")]

    def __init__(self, question: str, behind: str = "", seconds: float = limits.ANSWER_S) -> None:
        """``behind``: who else waits to be asked about; ``seconds``: since the last letter that was typed."""
        super().__init__()
        self._question = question
        self._behind = behind
        self._seconds = seconds
        self._patience: Timer | None = None

    def compose(self) -> ComposeResult:
        """The question and a field."""
        with Vertical(classes="dialog"):
            yield Label(self._question, classes="dialog-title", markup=False)
            yield Input(password=True)
            yield Label(self._behind, classes="dialog-behind", markup=False)
            yield Label("enter  use it, for this session only      esc  leave it", classes="dialog-keys", markup=False)

    def on_mount(self) -> None:
        """What waits for the answer does not wait for ever."""
        self._wait()
        self.tell_behind(self._behind)

    def on_input_changed(self) -> None:
        """Somebody is there."""
        self._wait()

    def _wait(self) -> None:
        if self._patience:
            self._patience.stop()
        self._patience = self.set_timer(self._seconds, self._too_late)

    def _too_late(self) -> None:
        if self.app.screen is not self:  # somebody is at another dialog upon it
            self._wait()
            return
        self.notify(f"{self._question}: nobody answered for {self._seconds:.0f} s", severity="warning", timeout=20, markup=False)
        leave(self)

    def tell_behind(self, behind: str) -> None:
        """Another one waits, or one less."""
        self._behind = behind
        for label in self.query(".dialog-behind").results(Label):
            label.update(behind)
            label.display = bool(behind)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter."""
        leave(self, event.value)

    def action_leave(self) -> None:
        """No answer."""
        leave(self)
