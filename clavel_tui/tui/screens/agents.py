"""The Agents mode: every unit that pulls, what its agent is at, and how far behind it is."""

from __future__ import annotations

import time
from collections.abc import Callable

from clavel_tui.fleet.client import FleetClient
from clavel_tui.fleet.state import FleetState
from clavel_tui.tui.render import agents as render
from clavel_tui.tui.screens.badged import About
from clavel_tui.tui.screens.mode import ModeScreen
from clavel_tui.tui.screens.reading import TextScreen
from clavel_tui.tui.widgets.listing import Listing

WIDE = 110


class AgentsScreen(ModeScreen):
    """What wants a person first."""

    IDENT = "agents"
    COLUMNS = render.FEW_COLUMNS
    EMPTY = "no claveld tells of agents: name it as [claveld] in config.toml; README, when your fleet outgrows SSH"

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._now = now
        self._state: FleetState | None = None

    async def reload(self, client: FleetClient, state: FleetState) -> None:
        """What is known now."""
        self._state = state
        self._show()

    def on_resize(self) -> None:
        """In a wide terminal all is there, in a narrow one the rest is behind enter."""
        self._show()

    def _show(self) -> None:
        if self._state is None:
            return
        now, columns = self._now(), render.AGENT_COLUMNS if self.app.size.width >= WIDE else render.FEW_COLUMNS
        pulling = [(unit, unit.agent) for unit in self._state.units if unit.agent]
        pulling.sort(key=lambda one: render.place(one[0], one[1], now))
        for listing in self.query(Listing):
            listing.set_columns(columns)
        self.show([render.agent_row(unit, agent, now, columns) for unit, agent in pulling])

    @property
    def about(self) -> About:
        """The unit under the cursor."""
        return self.key, None

    def open(self, client: FleetClient, key: str) -> None:
        """All that it has said."""
        unit = self._state.unit(key) if self._state else None
        if unit and unit.agent:
            lines = list(render.agent_lines(unit, unit.agent, self._now()))
            self.app.push_screen(TextScreen(f"Agent of {key}", lines, (key, None)))
