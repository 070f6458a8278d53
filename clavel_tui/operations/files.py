"""Whether the fleet's files still say what this console was started with."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

from clavel_tui.domain.errors import ClavelError
from clavel_tui.domain.text import clean
from clavel_tui.domain.unit import Fleet
from clavel_tui.inventory import load_fleet
from clavel_tui.inventory.watching import fleet_changes

CHANGED = "fleet files changed: start again to take them"
FIRST_S = 5.0
"""Behind the start, which has enough to read."""
AGAIN_S = 30.0
"""Where the folder cannot be watched, or not any more."""


class Files:
    """They are taken at a start and not in between: what is open goes on with what it was planned with. ``word``: for people."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self.word = ""

    async def keep_comparing(self, told: Callable[[], object]) -> None:
        """Until cancelled; ``told`` is called when the word is another one."""
        await asyncio.sleep(FIRST_S)
        while self._fleet.root:
            await self._look(told)  # what changed while nobody watched
            with contextlib.suppress(OSError, RuntimeError):
                async for _ in fleet_changes(Path(self._fleet.root)):
                    await self._look(told)
            await asyncio.sleep(AGAIN_S)

    async def _look(self, told: Callable[[], object]) -> None:
        before, self.word = self.word, await asyncio.to_thread(self._compare)
        if self.word != before:
            told()

    def _compare(self) -> str:
        try:
            return "" if load_fleet(Path(self._fleet.root)) == self._fleet else CHANGED
        except ClavelError as error:
            return f"fleet files cannot be taken: {error.text}"
        except Exception as error:  # noqa: BLE001  a fault of ours ends no console that only wants to say so
            return f"fleet files cannot be taken: {clean(repr(error))}"
