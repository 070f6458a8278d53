"""The line of modes: where one is, and which number goes where."""

from __future__ import annotations

from textual.widgets import Static

from clavel_tui.domain.commands import COMMANDS, key_of
from clavel_tui.tui.render.cells import Cell, Line
from clavel_tui.tui.widgets.lines import content

MODES = tuple(c for c in COMMANDS if c.key.isdigit())


class Tabs(Static):
    """All modes, the one that is shown now marked: by a frame of brackets, since colour alone is not enough."""

    def __init__(self, mode: str) -> None:
        super().__init__(id="tabs")
        self._mode = mode

    def on_resize(self) -> None:
        """Where there is no room for all names, the others' numbers are left."""
        spans = self._spans(named=True)
        if sum(len(span.text) for span in spans) > self.size.width:
            spans = self._spans(named=False)
        self.update(content([Line(tuple(spans))]))

    def _spans(self, *, named: bool) -> list[Cell]:
        """Keys that the user has given other places are shown as they are."""
        keymap = getattr(self.app, "keys", {})
        spans = []
        for one in MODES:
            here = one.id == self._mode
            text = f"{key_of(one.id, keymap)} {one.name}" if named or here else key_of(one.id, keymap)
            spans.append(Cell(f"[{text}]", "head") if here else Cell(f" {text} ", "dim"))
        return spans
