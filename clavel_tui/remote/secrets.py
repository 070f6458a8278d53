"""sudo passwords and passphrases: asked once, kept in memory only, dropped when they turn out wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from clavel_tui.remote.errors import RemoteError
from clavel_tui.remote.target import Target

Ask = Callable[[str, str], Awaitable[str | None]]
"""(unit, question) → the answer, or None when nobody answers."""


class Secrets:
    """What was typed, by unit or by key. Never written anywhere, never part of a command line."""

    def __init__(self, ask: Ask | None = None) -> None:
        self.ask = ask
        self._known: dict[str, str] = {}
        self._declined: set[str] = set()
        self._turns: dict[str, asyncio.Lock] = {}

    async def password(self, unit: str) -> str | None:
        """The sudo password of the unit; asked the first time, and only once by however many effects that need it."""
        return await self._asked(unit, unit, f"sudo password on {unit}")

    async def passphrase(self, key: str, unit: str) -> str | None:
        """What opens that SSH key, which ``unit`` is the first one to need."""
        return await self._asked(f"key {key}", unit, f"passphrase of {key}")

    async def _asked(self, name: str, unit: str, question: str) -> str | None:
        """Where nobody answered it is not asked again by itself: looks are made, and lost jobs followed, every few seconds."""
        async with self._turns.setdefault(name, asyncio.Lock()):
            if name not in self._known and name not in self._declined and self.ask:
                answer = await self.ask(unit, question)
                if answer is None:
                    self._declined.add(name)
                else:
                    self._known[name] = answer
            return self._known.get(name)

    def ask_again(self, unit: str) -> None:
        """Somebody wants the unit now: where nobody answered before, it is asked once more."""
        self._declined = {name for name in self._declined if name != unit and not name.startswith("key ")}

    def forget(self, unit: str) -> None:
        """It was wrong: ask again next time."""
        self._known.pop(unit, None)

    def forget_key(self, key: str) -> None:
        """The same for a key."""
        self.forget(f"key {key}")


async def sudo_line(secrets: Secrets, target: Target) -> bytes:
    """What sudo reads first. The password alone: a secret never travels together with a script.

    Raises:
        RemoteError: nobody gave one. An empty one would count as an attempt.
    """
    password = await secrets.password(target.name)
    if password is None:
        raise RemoteError(
            "sudo",
            f"sudo on {target.name} wants a password, and nobody gave one",
            "run it on a terminal, or allow sudo without one",
        )
    return password.encode() + b"\n"
