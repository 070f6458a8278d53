"""What a console elsewhere is told of a fleet: all of it at first, then what has changed."""

from __future__ import annotations

from pydantic import Field

from clavel_tui.domain.agent import POLL_S, AgentState
from clavel_tui.domain.model import Model
from clavel_tui.domain.operation import Operation
from clavel_tui.domain.waves import RolloutSettings
from clavel_tui.fleet.state import FleetState, UnitState


class FleetNews(Model):
    """``units``: those that are unlike what ``version`` after was; ``names``: all of them, in the fleet's order.

    ``start`` names the run of claveld that counts these versions: after another one begins at 0.
    ``seen``: when each agent was heard of last. That changes all the time, and is no news by itself.
    """

    start: str
    version: int
    name: str
    names: tuple[str, ...]
    units: tuple[UnitState, ...] = ()
    operations: tuple[Operation, ...] = ()
    seq: int = 0
    rollout: RolloutSettings = RolloutSettings()
    seen: dict[str, float] = Field(default_factory=dict)

    def told(self, before: FleetState | None) -> FleetState:
        """The fleet as it is now, for one who knew ``before``."""
        known = {state.unit.name: state for state in (*(before.units if before else ()), *self.units)}
        units = tuple(self._seen(known[name]) for name in self.names if name in known)
        return FleetState(name=self.name, units=units, operations=self.operations, seq=self.seq, rollout=self.rollout)

    def _seen(self, state: UnitState) -> UnitState:
        agent = state.agent
        at = self.seen.get(agent.agent.name, 0.0) if agent else 0.0
        if agent is None or agent.seen == at:
            return state
        return state.model_copy(update={"agent": _heard(agent, at)})


def timeless(state: UnitState) -> UnitState:
    """Without when its agent was heard of: what is left is news where it has changed."""
    return state.model_copy(update={"agent": _heard(state.agent, 0.0)}) if state.agent else state


def _heard(agent: AgentState, at: float) -> AgentState:
    return agent.model_copy(update={"seen": at, "next_poll": at + POLL_S if at else 0.0})
