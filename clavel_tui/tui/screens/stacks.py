"""The Stacks mode: every Docker Compose stack of the fleet in one list; the keys act on the one under the cursor."""

from __future__ import annotations

from clavel_tui.fleet.client import FleetClient
from clavel_tui.fleet.state import FleetState
from clavel_tui.tui.render.details import stack_lines
from clavel_tui.tui.render.stacks import STACK_COLUMNS, stack_row
from clavel_tui.tui.screens.badged import About
from clavel_tui.tui.screens.mode import ModeScreen
from clavel_tui.tui.screens.reading import TextScreen


class StacksScreen(ModeScreen):
    """What wants a person first."""

    IDENT = "stacks"
    COLUMNS = STACK_COLUMNS
    MARKABLE = True
    EMPTY = "no stack: put a compose.yaml into hosts/<unit>/compose/<stack>/"

    def __init__(self) -> None:
        super().__init__()
        self._state: FleetState | None = None

    async def reload(self, client: FleetClient, state: FleetState) -> None:
        """What is known now."""
        self._state = state
        rows = [stack_row(unit, view) for unit in state.units for view in unit.stacks]
        self.show([row for _, row in sorted(rows, key=lambda one: (one[0], one[1].key))])

    @property
    def about(self) -> About:
        """Unit and stack under the cursor."""
        name, _, stack = self.key.partition("/")
        return name, stack or None

    def open(self, client: FleetClient, key: str) -> None:
        """Its services and releases."""
        name, _, stack = key.partition("/")
        unit = self._state.unit(name) if self._state else None
        if unit and (view := unit.stack(stack)):
            self.app.push_screen(TextScreen(f"{stack} on {name}", stack_lines(view, unit), (name, stack)))
