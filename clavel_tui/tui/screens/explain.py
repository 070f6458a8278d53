"""Why a unit is as it is: what is known is there at once, what has to be read comes behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from clavel_tui.domain.errors import ClavelError
from clavel_tui.domain.operation import Operation
from clavel_tui.domain.text import clean
from clavel_tui.fleet.client import FleetClient
from clavel_tui.fleet.state import UnitState
from clavel_tui.tui.render.explain import PAST, explain_lines, unwell_services
from clavel_tui.tui.screens.reading import TextScreen

LOG_TAIL = 8


class ExplainScreen(TextScreen):
    """The reasons, then the last operations, then the last lines of what does not run well."""

    def __init__(self, client: FleetClient, unit: UnitState, now: Callable[[], float]) -> None:
        super().__init__(f"Why {unit.unit.name} is as it is", explain_lines(unit, None, None, now()), (unit.unit.name, None))
        self._client = client
        self._unit = unit
        self._now = now

    def on_mount(self) -> None:
        """Opened before anything is read: what is typed behind the key is this screen's, however slow the line is."""
        self.run_worker(self._read(), exclusive=True)

    async def _read(self) -> None:
        operations = await self._past()
        self.show(explain_lines(self._unit, operations, None, self._now()))
        logs: dict[tuple[str, str], list[str]] = {}
        for stack, service in unwell_services(self._unit):
            logs[stack, service] = await self._log(stack, service)
        self.show(explain_lines(self._unit, operations, logs, self._now()))

    async def _past(self) -> Sequence[Operation]:
        try:
            return await self._client.history(PAST, self._unit.unit.name)
        except ClavelError as error:
            self.notify(error.text, severity="error", markup=False)
            return ()

    async def _log(self, stack: str, service: str) -> list[str]:
        lines: list[str] = []
        problem = await self._client.logs(
            self._unit.unit.name, stack, service,
            tail=LOG_TAIL, follow=False, on_line=lambda text: lines.append(clean(text)),
        )  # fmt: skip
        return [*lines, clean(problem.strip())] if problem.strip() else lines
