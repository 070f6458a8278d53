"""The Fleet mode: units, deployments, agents; the selected unit's details; the running operations."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Footer, Input, Static

from clavel_tui.fleet.state import FleetState, UnitState
from clavel_tui.tui.board import Board
from clavel_tui.tui.render import fleet as render
from clavel_tui.tui.render.cells import Cell, Line
from clavel_tui.tui.render.details import unit_lines
from clavel_tui.tui.render.operations import running_lines
from clavel_tui.tui.screens.badged import About, BadgedScreen
from clavel_tui.tui.widgets.lines import Lines, content
from clavel_tui.tui.widgets.listing import Listing
from clavel_tui.tui.widgets.rows import Rows
from clavel_tui.tui.widgets.tabs import Tabs


class FleetScreen(BadgedScreen):
    """What the user sees first."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012  as Screen declares it
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (15, "-low"), (30, "-high")]  # noqa: RUF012  as Screen declares it
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "back", "Back", show=False)]

    def __init__(self, name: str, now: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._now = now
        self._fleet_name = name
        self._state: FleetState | None = None
        self._filter = ""
        self._board = Board()
        self._oldest: float | None = None
        self._said: dict[str, object] = {}

    def compose(self) -> ComposeResult:
        """The panes."""
        yield Tabs("fleet")
        yield Static(id="headline")
        with Horizontal(id="panes"):
            with Vertical(id="left"):
                yield Listing(render.UNIT_COLUMNS, id="units", markable=True, empty="reading what was last known…")
                yield Input(placeholder="filter: words, tag:pi health:degraded drift:yes", id="filter", compact=True)
                yield Listing(render.DEPLOYMENT_COLUMNS, id="deployments", empty="nothing is known to run yet")
                yield Listing(render.AGENT_COLUMNS, id="agents", empty="nothing was seen yet")
            yield Lines(id="details")
        yield Static(id="operations")
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Keys go to the units first."""
        for ident, title in (("units", "Units"), ("deployments", "Deployments"), ("agents", "Agents"), ("details", "Details")):
            self.query_one(f"#{ident}").border_title = title
        self.set_focus(self.query_one("#units"))
        self.set_interval(1.0, self._second)
        self._headline()
        self._show()

    def take(self, state: FleetState) -> None:
        """A new snapshot."""
        self._state = state
        if self.is_mounted:
            self._show()

    @property
    def chosen(self) -> UnitState | None:
        """The unit that keys are about."""
        focused = self.focused if isinstance(self.focused, Listing) else self.query_one("#units", Listing)
        key = (focused.key or "").partition("/")[0] or self.query_one("#units", Listing).key
        return self._state.unit(key) if self._state and key else None

    @property
    def about(self) -> About:
        """See BadgedScreen: the unit under the cursor, and the stack while keys go to the Deployments pane."""
        unit = self.chosen
        return (unit.unit.name if unit else ""), self.chosen_stack

    @property
    def marking(self) -> Listing | None:
        """The list whose marks count now."""
        return next(iter(self.query("#units").results(Listing)), None)

    @property
    def chosen_stack(self) -> str | None:
        """The stack that the Deployments pane has under its cursor, while keys go there."""
        pane = self.query_one("#deployments", Listing)
        return ((pane.key or "").partition("/")[2] or None) if self.focused is pane else None

    def _show(self) -> None:
        if self._state is None:
            return
        self._board.take(self._state.units, self._filter)
        if self._oldest is None:
            self._oldest = self._board.oldest
        listing = self.query_one("#units", Listing)
        listing.set_empty(
            "no unit matches the filter: esc clears it" if self._filter else "no unit yet: write hosts/<name>/unit.toml"
        )
        listing.show(self._board.units(self._now()))
        self._subtitle(listing)
        self.query_one("#deployments", Listing).show(self._board.deployments())
        agents = self.query_one("#agents", Listing)
        agents.show(self._board.agents(self._now()))
        trouble = self._state.claveld
        if self._differs("trouble", trouble):
            agents.border_title = Content(f"Agents  ✗ {trouble}" if trouble else "Agents")  # remote text is no markup
        self._details()
        self._tick()

    def _details(self) -> None:
        unit = self.chosen
        lines = unit_lines(unit, self._now()) if unit else []
        if self._differs("details", lines):
            self.query_one("#details", Lines).show(lines)

    def _differs(self, pane: str, what: object) -> bool:
        """Whether the pane shows something else: to draw it again costs a layout of the whole screen."""
        before, self._said[pane] = self._said.get(pane), what
        return before != what

    def _second(self) -> None:
        """Ages go on without a snapshot. To find the stalest of ten thousand takes as long as all else here: once a second."""
        self._oldest = self._board.oldest
        self._tick()

    def _tick(self) -> None:
        self._headline()
        running = running_lines(self._state.operations, self._now()) if self._state else []
        if self._differs("operations", running):
            pane = self.query_one("#operations", Static)
            pane.update(content(running[:6]))
            pane.display = bool(running)

    def _headline(self) -> None:
        spans = [Cell(f" {self._state.name if self._state else self._fleet_name} ", "head")]
        if self._state and self._state.claveld:  # in a small terminal the pane that says why is not there
            spans += [Cell("  "), Cell("✗ no news from claveld", "bad")]
        if self._state and self._state.journal:
            spans += [Cell("  "), Cell(f"✗ {self._state.journal}", "bad")]
        for span in render.headline(self._board.tally if self._state else None, self._oldest, self._now()):
            spans += [Cell("  "), span]
        if self._state and self._state.files:
            spans += [Cell("  "), Cell("! files changed", "warn")]
        if self._state and self._state.through:
            spans += [Cell("  "), Cell(f"through {self._state.through}", "dim")]
        if self._differs("headline", spans):
            self.query_one("#headline", Static).update(content([Line(tuple(spans))]), layout=False)

    @property
    def frame(self) -> tuple[Rows, float] | None:
        """The rows that stand first, to be kept, and when the stalest was seen; None while only some units are shown."""
        whole = self._state is not None and not self._filter
        return (self._board.units(self._now()), self._oldest or self._now()) if whole else None

    @on(Listing.Moved)
    def _moved(self) -> None:
        self._details()

    @on(Listing.Marked)
    def _marked(self, message: Listing.Marked) -> None:
        self._subtitle(message.listing)

    def _subtitle(self, listing: Listing) -> None:
        """What stands at the pane's lower edge: how many are shown, and marked."""
        total = len(self._state.units) if self._state else 0
        words = [f"{len(listing.rows)} of {total}"] if self._filter else []
        words += [f"● {len(listing.marks)} marked: u r t S H act on all, esc clears"] if listing.marks else []
        if self._differs("subtitle", words):
            listing.border_subtitle = "  ".join(words)

    @on(Listing.Chosen)
    def _chosen(self) -> None:
        details = self.query_one("#details", Lines)
        if details.display:
            details.focus()

    def action_back(self) -> None:
        """From the details to the list; from a filter to all units."""
        listing = self.query_one("#units", Listing)
        if listing.has_focus and listing.marks:
            listing.clear_marks()
            return
        field = self.query_one("#filter", Input)
        if field.value and (field.has_focus or self.query_one("#units").has_focus):
            field.value = ""
        field.remove_class("-open")
        self.set_focus(self.query_one("#units"))

    def open_filter(self) -> None:
        """`/`."""
        field = self.query_one("#filter", Input)
        self.set_focus(field.add_class("-open"))

    @on(Input.Changed, "#filter")
    def _filter_changed(self, event: Input.Changed) -> None:
        self._filter = event.value
        self._show()

    @on(Input.Submitted, "#filter")
    def _filter_done(self) -> None:
        self.set_focus(self.query_one("#units"))
