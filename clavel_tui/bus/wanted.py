"""What agents and claveld tell each other by way of two buckets: what should run, what was told, and that one is there."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import ConfigDict, Field, ValidationError

from clavel_tui.domain.agent import Told
from clavel_tui.domain.deployment import Deployment
from clavel_tui.domain.model import Model

BEAT_S = 15.0
"""Between two heartbeats."""
BEATS_KEPT_S = 600.0
"""So long one is there for a claveld that was away."""


class _Kept(Model):
    model_config = ConfigDict(frozen=True, extra="ignore")  # a newer claveld says more
    version: Literal[1] = 1

    @classmethod
    def read(cls, data: bytes) -> Self | None:
        """None where it is not understood: it is as if nobody had said it."""
        try:
            return cls.model_validate_json(data)
        except ValidationError:
            return None

    def packed(self) -> bytes:
        """As it is kept."""
        return self.model_dump_json(by_alias=True).encode()

    def content(self) -> bytes:
        """The same without what says when it was true."""
        return self.model_dump_json(by_alias=True, exclude={"seq", "log"}).encode()


class Wanted(_Kept):
    """Where a ref points. ``seq``: up to where of ``log``: what another claveld knows better is not written over."""

    seq: int = Field(ge=0)
    log: str = ""
    deployment: Deployment


class Ordering(_Kept):
    """What an agent was told last; nothing, where it was registered anew."""

    seq: int = Field(ge=0)
    log: str = ""
    told: Told | None = None


class Beat(_Kept):
    """Somebody is there. ``at``: by his own clock, for whoever looks at it by hand."""

    at: float = 0.0

    @classmethod
    def understood(cls, data: bytes) -> bool:
        """It is one."""
        return len(data) < 1000 and cls.read(data) is not None  # noqa: PLR2004  bytes: it takes thirty
