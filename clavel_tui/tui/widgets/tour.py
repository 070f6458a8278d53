"""A first walk through the console: five steps, each done by pressing the key that it is about."""

from __future__ import annotations

from typing import NamedTuple

from textual.widgets import Static

from clavel_tui.domain.commands import key_of
from clavel_tui.tui.render.cells import Cell, Line
from clavel_tui.tui.widgets.lines import content


class Step(NamedTuple):
    """What to press, by the command's id, and what will be seen."""

    command: str
    text: str


STEPS = (
    Step("explain", "says why the unit under the cursor is as it is; esc comes back"),
    Step("update", "updates its stack (in the demo try electrum): a preview says what would happen; y does it, esc leaves it"),
    Step("rollback", "then enter, then y: back to the last known good, and proved on the unit"),
    Step("evaluate", "evaluates the flake: what should run on each unit; 2 shows it beside what does"),
    Step("history", "is the history: who did what, and how it ended; z on a line goes back to before it"),
)
DONE = len(STEPS)
OVER = DONE + 1


def after(step: int, ident: str) -> int:
    """Where the tour stands once that command was used: at the next step if it was this one's, and behind its end at any."""
    if step == DONE:
        return OVER
    return step + 1 if step < DONE and STEPS[step].command == ident else step


class TourLine(Static):
    """One line under the upper edge of every screen while the tour lasts."""

    def on_mount(self) -> None:
        """Follows the app's ``tour_step``."""
        self.watch(self.app, "tour_step", self._show)

    def _show(self, step: int) -> None:
        self.set_class(step > DONE, "-over")
        if step < DONE:
            end = Cell(f"({self._key('tour')} ends it)  ", "dim")
            spans = [Cell(f" Tour {step + 1}/{DONE} ", "head"), end, Cell(self._key(STEPS[step].command), "away")]
            spans.append(Cell(f"  {STEPS[step].text}"))
        else:
            spans = [Cell(" That was the tour. ", "head"), Cell(f" {self._key('help')}  shows all keys")]
        self.update(content([Line(tuple(spans))]))

    def _key(self, ident: str) -> str:
        return key_of(ident, getattr(self.app, "keys", {}))
