"""An Agent: what applies Deployments to a Unit by itself, and what it reports of that."""

from __future__ import annotations

from enum import StrEnum

from pydantic import ConfigDict, Field

from clavel_tui.domain.deployment import Deployment
from clavel_tui.domain.health import Level, Reason
from clavel_tui.domain.model import Model
from clavel_tui.domain.outcome import GOOD, Outcome
from clavel_tui.domain.unit import NAME, Name, UnitType

POLL_S = 60.0
"""How long a question for a Deployment waits for a change. An agent whose next one is late by as much again is away."""


class Role(StrEnum):
    """What the holder of a token may do."""

    AGENT = "agent"
    """Ask for the Deployments of its specification, and report for itself."""
    VIEWER = "viewer"
    """Look at everything, and change nothing."""
    OPERATOR = "operator"


class AgentSpecification(Model):
    """``deployments``: the refs that it may ask for."""

    deployments: tuple[Name, ...] = Field(min_length=1, max_length=64)


class Agent(Model):
    """Registered by an operator; ``metadata`` is anybody's."""

    name: Name
    metadata: dict[str, str] = Field(default_factory=dict)
    specification: AgentSpecification


class Phase(StrEnum):
    """What an agent is at."""

    IDLE = "idle"
    """It runs what it should, as far as it knows."""
    APPLYING = "applying"
    QUARANTINED = "quarantined"
    """What it should run was returned from: it is not tried again until the ref moves, or somebody releases it."""
    HELD = "held"
    """Somebody has told it to leave everything as it is."""
    FAILED = "failed"
    """It could not fetch or apply it, and tries again."""


class Report(Model):
    """How one Deployment of one agent stands. ``event`` names the report itself: sent twice it counts once."""

    model_config = ConfigDict(frozen=True, extra="ignore")  # a newer agent says more
    event: str = Field(pattern=r"^[0-9a-f]{32}$")
    agent: Name
    name: Name
    """Of the DeploymentRef."""
    at: float = Field(ge=0, le=1e11)
    """Wall clock of the unit, for display."""
    type: UnitType = UnitType.NIXOS
    version: str = Field("", max_length=40)
    desired: str = Field("", pattern=r"^([0-9a-f]{64})?$")
    """The id of the Deployment that it last got."""
    running: str = Field("", max_length=300)
    """The store path that runs."""
    phase: Phase = Phase.IDLE
    outcome: Outcome | None = None
    """Of the last operation for it."""
    text: str = Field("", max_length=2000)
    health: Level = Level.UNKNOWN
    reasons: tuple[str, ...] = Field((), max_length=20)

    @property
    def good(self) -> bool:
        """What it should run was applied, and verified on the unit."""
        return self.phase is Phase.IDLE and self.outcome in GOOD and self.health in {Level.OK, Level.DEGRADED}

    @property
    def told(self) -> tuple[str, str, str]:
        """How it is told to people: kind, unit and sentence of an event."""
        how = f"{self.phase.value}{f', {self.outcome.value}' if self.outcome else ''}"
        kind = "warn" if self.phase in {Phase.FAILED, Phase.QUARANTINED} else "report"
        return kind, self.agent, f"{self.name}: {how}{f': {self.text}' if self.text else ''}"


class Said(Model):
    """A report as claveld has it: in which order it came, and when."""

    seq: int
    received: float
    report: Report


def latest(reports: tuple[Said, ...], report: Report, received: float) -> tuple[Said, ...]:
    """The last report of each ref, by its name, behind one more."""
    others = [said for said in reports if said.report.name != report.name]
    return tuple(sorted((*others, Said(seq=0, received=received, report=report)), key=lambda one: one.report.name))


class Order(StrEnum):
    """What an operator tells an agent."""

    HOLD = "hold"
    RELEASE = "release"
    """End a hold and a quarantine."""
    POLL = "poll"
    """Look now."""


class Told(Model):
    """What an agent was told last. ``number`` grows with each: the same word said twice is heard twice."""

    order: Order
    number: int


class AgentState(Model):
    """An agent as claveld knows it: ``seen`` is when it was last heard of, 0 never; ``reports`` the last of each of its refs."""

    agent: Agent
    seen: float = 0.0
    next_poll: float = 0.0
    """Until when it should be heard of again."""
    reports: tuple[Said, ...] = ()
    told: Told | None = None
    refused: str = ""
    """What claveld has refused it last, since it was well the last time: a token that has ended, a Deployment not in its list."""

    def away(self, now: float) -> bool:
        """It was heard of, and is late."""
        return bool(self.seen) and now > self.next_poll + POLL_S

    @property
    def worst(self) -> Report | None:
        """The report that wants a person most."""
        return max((said.report for said in self.reports), key=lambda report: _ORDER.index(report.phase), default=None)

    def word(self, now: float) -> str:
        """How it is, in a word."""
        if self.refused:
            return "refused"
        if not self.seen:
            return "never seen"
        if self.away(now):
            return "away"
        return self.worst.phase.value if self.worst else "seen"

    @property
    def reason(self) -> Reason | None:
        """What about it wants a person; a hold is somebody's will, and what it is late with claveld tells by the clock."""
        if self.refused:
            return Reason(code="agent", level=Level.DEGRADED, text="claveld refuses its agent", evidence=self.refused)
        worst = self.worst
        if worst is None or worst.phase not in {Phase.QUARANTINED, Phase.FAILED}:
            return None
        word = "has left a Deployment alone" if worst.phase is Phase.QUARANTINED else "could not apply a Deployment"
        return Reason(code="agent", level=Level.DEGRADED, text=f"its agent {word}", evidence=worst.text)

    def of(self, name: str) -> Report | None:
        """What it reported last of that ref."""
        return next((said.report for said in self.reports if said.report.name == name), None)


_ORDER = (Phase.IDLE, Phase.APPLYING, Phase.HELD, Phase.QUARANTINED, Phase.FAILED)


class LogState(Model):
    """The log that several claveld share: which it is, and up to which record the one that says so has carried it out."""

    id: str
    seq: int


class Pin(Model):
    """A ref that evaluations leave where it is: by whom, when and why."""

    name: str = Field(pattern=NAME)
    at: float
    operator: str
    why: str = ""


class RefState(Model):
    """Where a DeploymentRef points. ``revision``: the number of its newest move, for whoever wants to move it and no other."""

    name: str
    revision: int
    deployment: Deployment
    short: str
    at: float
    pin: Pin | None = None
