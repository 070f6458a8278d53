"""The door of ``init``: a first fleet from hosts that run already. Operations implement it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pydantic import Field

from clavel_tui.domain.model import Model
from clavel_tui.domain.unit import Elevate, UnitType


class FoundStack(Model):
    """A Compose project that runs on a host, with its files as they are there. ``refusal``: why it cannot be adopted."""

    name: str
    path: str
    services: tuple[str, ...] = ()
    files: dict[str, tuple[bytes, int]] = Field(default_factory=dict)
    """Relative path → (content, mode)."""
    data: tuple[str, ...] = ()
    """Top-level folders that its services write to: they stay where they are."""
    refusal: str = ""


class FoundUnit(Model):
    """A host as it was found. ``trouble``: why it could not be looked at, with a ``kind`` and a ``hint``."""

    name: str
    address: str
    user: str = ""
    type: UnitType = UnitType.LINUX
    arch: str = "x86_64-linux"
    elevate: Elevate = Elevate.NONE
    system: str = ""
    stacks: tuple[FoundStack, ...] = ()
    kind: str = ""
    trouble: str = ""
    hint: str = ""


class Newcomer(Protocol):
    """Looks at hosts that no fleet knows yet, and writes the first files."""

    def aliases(self) -> Sequence[str]:
        """The hosts that ssh_config names, without patterns."""
        ...

    async def look(self, name: str, address: str, *, adopt: bool) -> FoundUnit:
        """One host: what it is and, to ``adopt`` them, which Compose projects run there. Changes nothing."""
        ...

    async def fingerprint(self, address: str) -> tuple[str, str]:
        """The host key that it shows now, and the line that accepting it would write."""
        ...

    async def trust(self, line: str) -> str:
        """Writes that line to known_hosts; returns the file's name."""
        ...

    def write(self, folder: str, name: str, units: Sequence[FoundUnit]) -> Sequence[str]:
        """Writes hosts/ below the folder; what is there already stays as it is. Returns a line for each thing written or kept.

        Raises:
            RefusedError: a file could not be written.
        """
        ...
