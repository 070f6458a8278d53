"""Effects are typed: a Query looks, a Mutation changes. Both are a script's text with arguments, never a joined line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

OnLine = Callable[[str], None]
OUTPUT_MOST = 4 * 1024 * 1024
"""Bytes that one command may answer before it counts as broken."""


@dataclass(frozen=True)
class Effect:
    """A POSIX shell script with arguments. It travels as one argument of one request: whole, or not at all."""

    name: str
    text: str
    args: tuple[str, ...] = ()
    stdin: bytes = b""
    timeout: float = 30.0
    elevated: bool = True
    hold_stdin: bool = False
    """Keep its stdin open: the script ends when that closes, also when the connection is cut."""

    @classmethod
    def script(
        cls,
        name: str,
        text: str,
        *args: str,
        stdin: bytes = b"",
        timeout: float = 30.0,
        elevated: bool = True,
        hold_stdin: bool = False,
    ) -> Self:
        """Named after what it does, which is how journals and traces call it."""
        return cls(name, text, args, stdin, timeout, elevated, hold_stdin)


@dataclass(frozen=True)
class Query(Effect):
    """Looks, and leaves everything as it was."""


@dataclass(frozen=True)
class Mutation(Effect):
    """Changes something. A read-only console has no Runner that takes one."""


@dataclass(frozen=True)
class Result:
    """What a command answered. ``code`` is its exit status; 255 never stands for a lost connection here."""

    code: int
    out: str
    err: str

    @property
    def ok(self) -> bool:
        """Exit status 0."""
        return self.code == 0
