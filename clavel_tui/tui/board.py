"""What the panes of the Fleet mode show. Of a new snapshot only what differs from the last one is worked out.

Eight hundred units answer within seconds of a refresh: ten snapshots a second, in each of which a few dozen of them are new.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate, compress
from operator import is_not

from rich.cells import cell_len

from clavel_tui.domain.selectors import matches, parse
from clavel_tui.fleet.state import UnitState
from clavel_tui.tui.render import fleet as render
from clavel_tui.tui.render.cells import Row
from clavel_tui.tui.widgets.rows import LazyRows, Rows

PANES = {"units": render.UNIT_COLUMNS, "deployments": render.DEPLOYMENT_COLUMNS, "agents": render.AGENT_COLUMNS}


class Board:
    """The units in the order in which they are shown, and the rows of the three panes."""

    def __init__(self) -> None:
        self.tally = render.Tally()
        self._units: Sequence[UnitState] = ()
        self._filter = ""
        self._terms = parse("")
        self._order = array("L")
        self._by_name = array("L")
        self._ends = array("L")
        """Behind each unit's last row among the deployments, by name."""
        self._widths: dict[str, list[int]] = {}

    def take(self, units: Sequence[UnitState], text: str) -> None:
        """A new snapshot, or another filter."""
        before, self._units = self._units, units
        if self._take_changed(before) or text != self._filter:
            self._filter, self._terms = text, parse(text)
            self._sort()

    def _take_changed(self, before: Sequence[UnitState]) -> bool:
        """Whether rows come, go, or change places.

        One walk that does all with a unit while it is at hand: to fetch a thousand of them from memory is most of what it costs.
        """
        if len(before) != len(self._units):
            return self._take_all()
        moved = False
        for old, new in compress(zip(before, self._units, strict=True), map(is_not, before, self._units)):
            if old.unit is not new.unit and old.unit.name != new.unit.name:
                return self._take_all()
            moved = self.tally.change(old, new) or moved or self._differ(old, new)
        return moved

    def _take_all(self) -> bool:
        """They are not the same units any more."""
        self.tally = render.Tally(self._units)
        name = max((cell_len(unit.unit.name) for unit in self._units), default=0)
        self._widths = {pane: [name] + [0] * (len(columns) - 1) for pane, columns in PANES.items()}
        return True

    def _differ(self, old: UnitState, new: UnitState) -> bool:
        return not render.same_entries(old, new) or (bool(self._terms) and self._is_meant(old) is not self._is_meant(new))

    def _is_meant(self, unit: UnitState) -> bool:
        return matches(self._terms, unit.unit, unit.health, unit.drift)

    def _sort(self) -> None:
        units, everyone = self._units, range(len(self._units))
        meant = [n for n in everyone if self._is_meant(units[n])] if self._terms else everyone
        self._order = array("L", sorted(meant, key=lambda n: render.urgency(units[n])))
        self._by_name = array("L", sorted(meant, key=lambda n: units[n].unit.name))
        self._ends = array("L", accumulate(len(render.entries(units[n])) for n in self._by_name))

    @property
    def oldest(self) -> float | None:
        """When the stalest view was taken."""
        return min((unit.facts.at for unit in self._units if unit.facts), default=None)

    def units(self, now: float) -> Rows:
        """A row for each unit, what wants a person first."""
        return self._of_units("units", self._order, lambda unit: render.unit_row(unit, now))

    def agents(self, now: float) -> Rows:
        """A row for each unit, by name."""
        return self._of_units("agents", self._by_name, lambda unit: render.agent_row(unit, now))

    def _of_units(self, pane: str, order: Sequence[int], row: Callable[[UnitState], Row]) -> Rows:
        units = self._units
        widths = self._widths.get(pane, [])
        return LazyRows(len(order), widths, lambda n: units[order[n]].unit.name, lambda n: row(units[order[n]]))

    def deployments(self) -> Rows:
        """A row for the system and for each stack, by their units' names."""
        units, by_name, ends = self._units, self._by_name, self._ends

        def at(index: int) -> tuple[UnitState, str]:
            place = bisect_right(ends, index)
            unit = units[by_name[place]]
            begin = ends[place - 1] if place else 0
            return unit, render.entries(unit)[index - begin]

        def key(index: int) -> str:
            unit, entry = at(index)
            return f"{unit.unit.name}/{entry}"

        widths = self._widths.get("deployments", [])
        return LazyRows(ends[-1] if ends else 0, widths, key, lambda index: render.deployment_row(*at(index)))
