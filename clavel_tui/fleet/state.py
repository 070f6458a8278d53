"""A snapshot of the fleet, ready to be shown."""

from __future__ import annotations

from clavel_tui.domain.deployment import Head
from clavel_tui.domain.drift import Drift
from clavel_tui.domain.facts import Facts
from clavel_tui.domain.health import Health
from clavel_tui.domain.model import Model
from clavel_tui.domain.mute import Mute
from clavel_tui.domain.operation import Operation
from clavel_tui.domain.source import Evaluation, Source
from clavel_tui.domain.stackview import StackView
from clavel_tui.domain.unit import Unit


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

    def stack(self, name: str) -> StackView | None:
        """The stack of that name."""
        return next((s for s in self.stacks if s.name == name), None)


class SourceState(Model):
    """A Source, and what came of it when it was evaluated last; ``at`` 0: never."""

    source: Source
    at: float = 0.0
    evaluation: Evaluation | None = None


class FleetState(Model):
    """All units, the operations that are not settled, and the number of the newest event that is in it."""

    name: str
    units: tuple[UnitState, ...] = ()
    operations: tuple[Operation, ...] = ()
    seq: int = 0

    def unit(self, name: str) -> UnitState | None:
        """The unit of that name."""
        return next((u for u in self.units if u.unit.name == name), None)
