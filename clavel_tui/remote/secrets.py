"""sudo passwords: asked once a unit, kept in memory only, dropped when they turn out wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

Ask = Callable[[str, str], Awaitable[str | None]]
"""(unit, question) → the answer, or None when nobody answers."""


class Secrets:
    """What was typed, by unit. Never written anywhere, never part of a command line."""

    def __init__(self, ask: Ask | None = None) -> None:
        self.ask = ask
        self._known: dict[str, str] = {}

    async def password(self, unit: str) -> str | None:
        """The sudo password of the unit; asks the first time."""
        if unit not in self._known and self.ask:
            answer = await self.ask(unit, f"sudo password on {unit}")
            if answer is not None:
                self._known[unit] = answer
        return self._known.get(unit)

    def forget(self, unit: str) -> None:
        """It was wrong: ask again next time."""
        self._known.pop(unit, None)
