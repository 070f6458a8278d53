"""The History mode: every operation, the newest first; enter shows all that was journalled of it."""

from __future__ import annotations

from clavel_tui.domain.operation import Operation, Verb
from clavel_tui.fleet.client import FleetClient
from clavel_tui.fleet.state import FleetState
from clavel_tui.tui.messages import OpenRollout
from clavel_tui.tui.render.operations import HISTORY_COLUMNS, history_row, operation_lines
from clavel_tui.tui.screens.mode import ModeScreen
from clavel_tui.tui.screens.reading import TextScreen


class HistoryScreen(ModeScreen):
    """Operations of this workstation's journal."""

    IDENT = "history"
    COLUMNS = HISTORY_COLUMNS
    EMPTY = "nothing was done yet: u updates a stack, r rolls one back"

    def __init__(self) -> None:
        super().__init__()
        self._operations: dict[str, Operation] = {}

    async def reload(self, client: FleetClient, state: FleetState) -> None:
        """What the journal has now."""
        operations = await client.history()
        self._operations = {o.id: o for o in operations}
        self.show([history_row(o) for o in operations])

    @property
    def chosen(self) -> Operation | None:
        """The operation under the cursor."""
        return self._operations.get(self.key)

    async def open(self, client: FleetClient, key: str) -> None:
        """One operation's events."""
        if (operation := self._operations.get(key)) and operation.request.verb is Verb.ROLLOUT:
            self.post_message(OpenRollout(operation.id))
        elif operation:
            events = await client.operation_events(operation.id)
            self.app.push_screen(TextScreen("One operation", operation_lines(operation, events)))
