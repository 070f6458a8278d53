"""A snapshot of the fleet, ready to be shown."""

from __future__ import annotations

from clavel_tui.domain.agent import AgentState
from clavel_tui.domain.deployment import Head
from clavel_tui.domain.drift import Drift
from clavel_tui.domain.facts import Facts
from clavel_tui.domain.health import Health
from clavel_tui.domain.model import Model
from clavel_tui.domain.mute import Mute
from clavel_tui.domain.operation import Operation, Request, State
from clavel_tui.domain.rollout import failed
from clavel_tui.domain.source import Evaluation, Source
from clavel_tui.domain.stackview import StackView
from clavel_tui.domain.unit import Unit
from clavel_tui.domain.waves import RolloutSettings

AWAY = frozenset({"unreachable", "lost", "timeout"})
"""Kinds of trouble that end when the unit is back."""


class UnitState(Model):
    """One unit: what should be, what was seen, and what follows from it."""

    unit: Unit
    facts: Facts | None = None
    trouble: str = ""
    hint: str = ""
    kind: str = ""
    """Of the trouble: a short stable word, such as `host-key-unknown`."""
    health: Health
    drift: tuple[Drift, ...] = ()
    stacks: tuple[StackView, ...] = ()
    looking: bool = False
    muted: tuple[Mute, ...] = ()
    """What is wrong and was acknowledged: neither in ``health`` nor in ``drift``."""
    head: Head | None = None
    """What it should run, where its source was evaluated."""
    agent: AgentState | None = None
    """As claveld knows it, where the unit pulls."""

    @property
    def away(self) -> bool:
        """It cannot be reached now, for a reason that ends when it is back: a changed host key does not."""
        return self.kind in AWAY

    @property
    def has_system(self) -> bool:
        """What it runs is a closure, or should be: a container or a device may have stacks and nothing else."""
        known = self.head is not None or (self.facts is not None and bool(self.facts.current))
        return self.unit.has_system and (known or not self.unit.activates_itself)

    def stack(self, name: str) -> StackView | None:
        """The stack of that name."""
        return next((s for s in self.stacks if s.name == name), None)


class SourceState(Model):
    """A Source, and what came of it when it was evaluated last; ``at`` 0: never."""

    source: Source
    at: float = 0.0
    evaluation: Evaluation | None = None


class RolloutUnit(Model):
    """One unit of a rollout: what was begun there, what brought it back, and why it counts as failed."""

    wave: int
    request: Request
    operation: Operation | None = None
    back: Operation | None = None
    failure: str = ""

    @property
    def word(self) -> str:
        """How it stands, in words."""
        if self.back:
            return f"brought back ({self.back.word})"
        if self.operation and self.failure and not failed(self.operation):
            return "fell ill behind it"
        return self.operation.word if self.operation else "refused" if self.failure else "not begun"

    @property
    def text(self) -> str:
        """What was said of it: why it counts as failed, else how it ended, else where it is."""
        if self.operation is None:
            return self.failure
        now = self.operation.step if self.operation.state is State.RUNNING else ""
        return self.failure.removeprefix(f"{self.operation.word}: ") or self.operation.text or now


class RolloutState(Model):
    """How a rollout stands, unit by unit, in the order of the waves."""

    operation: Operation
    settings: RolloutSettings
    units: tuple[RolloutUnit, ...]


class FleetState(Model):
    """All units, the operations that are not settled, and the number of the newest event that is in it."""

    name: str
    units: tuple[UnitState, ...] = ()
    operations: tuple[Operation, ...] = ()
    seq: int = 0
    rollout: RolloutSettings = RolloutSettings()
    """How this fleet is rolled out to, unless somebody says otherwise."""
    through: str = ""
    """Where the claveld is through which it is seen; empty where it is seen from here."""
    claveld: str = ""
    """Why claveld cannot be asked now; empty where it can, or where there is none."""
    journal: str = ""
    """Why what is seen cannot be written down now; empty where it can."""
    files: str = ""
    """That the fleet's files say something else by now; empty where they do not."""

    def unit(self, name: str) -> UnitState | None:
        """The unit of that name."""
        return next((u for u in self.units if u.unit.name == name), None)
