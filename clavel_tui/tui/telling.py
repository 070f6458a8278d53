"""What agents are told from the console."""

from __future__ import annotations

from textual import work

from clavel_tui.domain.agent import AgentState, Order
from clavel_tui.fleet.client import FleetClient
from clavel_tui.fleet.state import UnitState
from clavel_tui.tui.choices import Choice
from clavel_tui.tui.render.agents import PIN, TELL_COLUMNS, UNPIN, tell_rows
from clavel_tui.tui.render.cells import Cell, line
from clavel_tui.tui.rolling import RollingConsole
from clavel_tui.tui.screens.dialogs import ChooseScreen, ConfirmScreen, Preview


class TellingConsole(RollingConsole):
    """A console that tells agents what to do; claveld carries it to them."""

    @work(group="dialog", exclusive=True)
    async def do_tell(self) -> None:
        """`A`: look now, hold, go on; its ref pinned where it is, or following its source again."""
        client, (unit, _) = self._client, self._selected
        if client is None or unit is None or unit.agent is None:
            return
        agent, rows = unit.agent, tell_rows(unit.agent)
        said = await self.push_screen_wait(
            ChooseScreen(f"tell the agent of {unit.unit.name}: what?", TELL_COLUMNS, lambda: Choice(rows))
        )
        chosen = next((row for row in rows if row.key == said), None)
        if chosen is None:
            return
        what, then = (cell.text for cell in chosen.cells)

        async def preview() -> Preview:
            late = [line(Cell("it is away, and hears what it is told last when it is back", "warn"))]
            away = chosen.key not in {PIN, UNPIN} and (agent.away(self._now()) or not agent.seen)
            return Preview([line(Cell(f"{unit.unit.name}: ", "head"), Cell(then)), *(late if away else [])])

        why = await self.push_screen_wait(ConfirmScreen(f"{what}: {unit.unit.name}", preview, asks_why=chosen.key == PIN))
        if why is not None:
            self._carry_out(_told(client, unit, agent, chosen.key, why))


async def _told(client: FleetClient, unit: UnitState, agent: AgentState, what: str, why: str) -> str:
    name = unit.unit.name
    if what == PIN:
        moved = await client.pin_ref(name, why)
        return f"{name} points to {moved.short}, and stays there"
    if what == UNPIN:
        moved = await client.unpin_ref(name)
        return f"{name} points to {moved.short}, and follows its source again"
    await client.tell_agent(agent.agent.name, Order(what))
    return f"the agent of {name} is told to {what}; it hears it at once, or when it is back"
