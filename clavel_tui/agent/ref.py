"""What a daemon knows of each DeploymentRef that it asks for, and where it keeps what is to last."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from clavel_tui.bus.for_agent import Got
from clavel_tui.domain.agent import Report
from clavel_tui.domain.deployment import Deployment


@dataclass
class Refusal:
    """``retry``: when it is tried again, by the loop's own clock."""

    text: str = ""
    times: int = 0
    retry: float = 0.0


@dataclass
class Ref:
    """One DeploymentRef: what was got, and what was reported of it last."""

    name: str
    tag: str = ""
    wanted: Deployment | None = None
    said: Report | None = None
    trouble: str = ""
    refused: dict[str, Refusal] = field(default_factory=dict)
    """What the engine has refused, by the stack that it was about; empty: the system."""
    operation: str = ""
    """What is under way for it."""
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    asking: asyncio.Task[Got] | None = None

    def forgive(self) -> None:
        """What was refused is tried again at once."""
        self.refused.clear()

    def ask_again(self) -> None:
        """On a new connection: what was sent on the old one while the network was down may come a minute later."""
        if self.asking:
            self.asking.cancel()


@dataclass(frozen=True)
class Folders:
    """Where the agent keeps what it remembers, and the root of the machine that it looks at."""

    own: Path
    root: Path = Path("/")

    @property
    def memory(self) -> Path:
        """See agent.memory."""
        return self.own / "memory.json"
