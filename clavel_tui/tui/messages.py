"""What workers tell the handlers."""

from __future__ import annotations

from dataclasses import dataclass

from textual.message import Message

from clavel_tui.fleet.state import FleetState


@dataclass
class OpenRollout(Message):
    """Its table is wanted."""

    ident: str


@dataclass
class Snapshot(Message):
    """The fleet as it is known now. A newer one replaces an older that nobody has looked at yet."""

    state: FleetState

    def can_replace(self, message: Message) -> bool:
        """Only the newest counts."""
        return isinstance(message, Snapshot)
