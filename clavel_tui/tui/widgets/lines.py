"""Lines of spans, wrapped, in a pane that scrolls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from clavel_tui.domain.text import clean
from clavel_tui.tui.render.cells import Line

ROLE_STYLES = {
    "plain": "", "dim": "$text-muted", "ok": "$text-success", "warn": "$text-warning", "bad": "bold $text-error",
    "away": "$text-accent", "head": "bold", "title": "bold",
}  # fmt: skip


def content(lines: Sequence[Line]) -> Content:
    """Remote text is data: spans are styled by us and never parsed as markup, and what would move a terminal is taken out."""
    built = [Content.assemble(*((_safe(span.text), ROLE_STYLES.get(span.role, "")) for span in row.spans)) for row in lines]
    return Content("\n").join(built)


def _safe(said: str) -> str:
    return "\n".join(clean(part) for part in said.split("\n"))


def text(lines: Sequence[Line]) -> Text:
    """The same without styles, for copying."""
    return Text("\n".join("".join(span.text for span in row.spans) for row in lines))


class Lines(VerticalScroll):
    """A pane of lines; keeps its place while its content changes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("k", "scroll_up", show=False), Binding("j", "scroll_down", show=False),
        Binding("g", "scroll_home", show=False), Binding("G", "scroll_end", show=False),
    ]  # fmt: skip

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002  Textual's name
        super().__init__(id=id, classes=classes)
        self._text = Static(markup=False)

    def compose(self) -> ComposeResult:
        """One text."""
        yield self._text

    def show(self, lines: Sequence[Line]) -> None:
        """Replaces the content, also before it is up."""
        self._text.update(content(lines))
