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

    def on_mount(self) -> None:
        """Keys that the user has given other places are shown as they are."""
        keymap = getattr(self.app, "keys", {})
        spans: list[Cell] = []
        for one in MODES:
            text = f"{key_of(one.id, keymap)} {one.name}"
            spans.append(Cell(f"[{text}]", "head") if one.id == self._mode else Cell(f" {text} ", "dim"))
        self.update(content([Line(tuple(spans))]))
