"""The History mode: every operation, the newest first; enter shows all that was journalled of it."""

from __future__ import annotations

from clavel_tui.domain.errors import ClavelError
from clavel_tui.domain.operation import Operation, Verb
from clavel_tui.fleet.client import FleetClient
from clavel_tui.fleet.state import FleetState
from clavel_tui.tui.messages import OpenRollout
from clavel_tui.tui.render.cells import Cell, line
from clavel_tui.tui.render.operations import HISTORY_COLUMNS, history_row, operation_lines
from clavel_tui.tui.screens.badged import About
from clavel_tui.tui.screens.mode import READING, ModeScreen
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
    def about(self) -> About:
        """The unit and the stack that the operation was on."""
        return _about(self.chosen)

    @property
    def chosen(self) -> Operation | None:
        """The operation under the cursor."""
        return self._operations.get(self.key)

    def open(self, client: FleetClient, key: str) -> None:
        """One operation's events."""
        if (operation := self._operations.get(key)) and operation.request.verb is Verb.ROLLOUT:
            self.post_message(OpenRollout(operation.id))
        elif operation:
            self.app.push_screen(OperationScreen(client, operation))


class OperationScreen(TextScreen):
    """What is known of it is there at once, what was journalled comes behind, however slow the line is."""

    def __init__(self, client: FleetClient, operation: Operation) -> None:
        super().__init__("One operation", [*operation_lines(operation, ()), line(Cell(READING, "dim"))], _about(operation))
        self._client = client
        self.operation = operation

    def on_mount(self) -> None:
        """Opened before anything is read: what is typed behind the key is this screen's."""
        self.run_worker(self._read(), exclusive=True)

    async def _read(self) -> None:
        try:
            events = await self._client.operation_events(self.operation.id)
        except ClavelError as error:
            self.show([*operation_lines(self.operation, ()), line(Cell(error.text, "bad"))])
        else:
            self.show(operation_lines(self.operation, events))


def _about(operation: Operation | None) -> About:
    return (operation.request.unit, operation.request.stack or None) if operation else ("", None)
