"""Questions that effects ask in the middle of their work: one after the other, however many units want something."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from clavel_tui.tui.screens.dialogs import SecretScreen
from clavel_tui.tui.screens.leaving import leave

NAMED = 4
"""So many of those that wait are told by name."""


class Questions:
    """A queue by unit, the first come first. ``show``: puts the dialog up and waits for its answer."""

    def __init__(self, show: Callable[[SecretScreen], Awaitable[str | None]]) -> None:
        self._show = show
        self._turn = asyncio.Lock()
        self._waiting: list[str] = []
        self._open: SecretScreen | None = None

    async def ask(self, unit: str, question: str) -> str | None:
        """The answer; None where a person would not, or was not there."""
        self._waiting.append(unit)
        self._tell()
        try:
            async with self._turn:
                self._waiting.remove(unit)
                unit = ""
                self._open = SecretScreen(question, self._behind())
                try:
                    return await self._show(self._open)
                finally:
                    leave(self._open)  # also where what asked was ended meanwhile
                    self._open = None
        finally:
            if unit:  # what asked was ended before its turn came
                self._waiting.remove(unit)
                self._tell()

    def _tell(self) -> None:
        if self._open:
            self._open.tell_behind(self._behind())

    def _behind(self) -> str:
        many = len(self._waiting)
        names = ", ".join(self._waiting[:NAMED])
        return f"{many} more wait{'s' * (many == 1)}: {names}{', …' * (many > NAMED)}" if many else ""
