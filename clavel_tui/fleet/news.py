"""What a console elsewhere is told of a fleet: all of it at first, then what has changed."""

from __future__ import annotations

from pydantic import Field

from clavel_tui.domain.agent import POLL_S, AgentState
from clavel_tui.domain.health import judge, worse
from clavel_tui.domain.model import Model
from clavel_tui.domain.operation import Operation
from clavel_tui.domain.waves import RolloutSettings
from clavel_tui.fleet.state import FleetState, UnitState

SILENT = "its agent is not heard of any more"


class FleetNews(Model):
    """``units``: those that are unlike what ``version`` after was; ``names``: all of them, in the fleet's order.

    ``at``: the time by claveld's clock, by which it heard of the agents; a console's own may be another one.
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
    at: float = 0.0
    seen: dict[str, float] = Field(default_factory=dict)

    def told(self, before: FleetState | None) -> FleetState:
        """The fleet as it is now, for one who knew ``before``."""
        known = {state.unit.name: state for state in (*(before.units if before else ()), *self.units)}
        units = tuple(known[name] for name in self.names if name in known)
        return FleetState(name=self.name, units=units, operations=self.operations, seq=self.seq, rollout=self.rollout)

    def heard(self, told: FleetState) -> FleetState:
        """With when each agent was heard of: who sees units through their agents alone cannot know more of one that is silent."""
        return told.model_copy(update={"units": tuple(self._heard(state) for state in told.units)})

    def _heard(self, state: UnitState) -> UnitState:
        if state.agent is None:
            return state
        agent = _heard_at(state.agent, self.seen.get(state.agent.agent.name, 0.0))
        if not agent.away(self.at):
            return state.model_copy(update={"agent": agent})
        health = worse(judge(state.unit, state.facts, SILENT), agent.reason)
        return state.model_copy(update={"agent": agent, "trouble": SILENT, "health": health})


def timeless(state: UnitState) -> UnitState:
    """Without when its agent was heard of: what is left is news where it has changed."""
    return state.model_copy(update={"agent": _heard_at(state.agent, 0.0)}) if state.agent else state


def _heard_at(agent: AgentState, at: float) -> AgentState:
    return agent.model_copy(update={"seen": at, "next_poll": at + POLL_S if at else 0.0})
