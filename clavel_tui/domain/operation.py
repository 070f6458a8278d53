"""An Operation: a piece of work on Units with one life, `plan → preview → confirm → run → verify → settle`."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from clavel_tui.domain import text
from clavel_tui.domain.model import Model
from clavel_tui.domain.outcome import WORDS, Outcome
from clavel_tui.domain.system import BuildOn, Delivery, Mode, SystemPlan


class Verb(StrEnum):
    """What is done. The words are those of the CLI and of the script on the unit."""

    UPDATE = "update"
    ROLLBACK = "rollback"
    RESTART = "restart"
    STOP = "stop"
    REMOVE = "remove"
    HOLD = "hold"
    UNHOLD = "unhold"
    FORGET = "forget"
    DEPLOY = "deploy"
    """A unit's whole system, as ROLLBACK is where no stack is named."""
    PREPARE = "prepare"
    """Build and copy, so that a preview can tell what a deployment would change; what runs stays as it is."""
    REBOOT = "reboot"
    """The unit itself, as GC is."""
    GC = "gc"
    ROLLOUT = "rollout"
    """One of the verbs above on many units, in waves: each unit has an operation of its own, with this one as its parent."""
    EVALUATE = "evaluate"
    """A Source: its name stands where that of a stack does, and no unit is touched."""


class State(StrEnum):
    """Where an operation stands in its life."""

    PLANNED = "planned"
    """It waits for its unit, which is away."""
    RUNNING = "running"
    UNKNOWN = "unknown"
    """A crash or a lost unit left it so; it is settled only after the unit was seen."""
    SETTLED = "settled"


class Origin(Model):
    """By whom, from which revision, and why: it goes with every operation."""

    operator: str
    host: str = ""
    revision: str = ""
    dirty: bool = False
    reason: str = ""

    @property
    def who(self) -> str:
        """As units and journals write it."""
        return text.field(f"{self.operator}@{self.host}")

    def owner_file(self, ident: str, request: Request, now: float, **what: str) -> str:
        """What a unit tells everybody else while operation ``ident`` holds its lock, KEY=VALUE a line. ``now``: wall clock."""
        words = {"job": ident, "verb": request.verb.value, **what, "operator": self.who, "since": f"{now:.0f}"}
        words["reason"] = request.reason or self.reason
        return "".join(f"{key}={text.field(value)}\n" for key, value in words.items() if value)


class Request(Model):
    """What a person asks for: a verb on a stack of a unit, or on its whole system where ``stack`` is empty.

    Nothing in it was looked up yet. ``release``: to what; for a system a Deployment, a generation's number or a store path;
    for a rollout, which names neither unit nor stack, what it is about.
    """

    unit: str
    stack: str
    verb: Verb
    release: str = ""
    service: str = ""
    unhold: bool = False
    reason: str = ""
    mode: Mode = Mode.SWITCH
    build_on: BuildOn | None = None
    """Where to build what is not built yet; None: as unit.toml says."""
    delivery: Delivery | None = None
    """How it comes to the unit; None: as unit.toml says."""
    keep: int | None = Field(None, ge=1, le=1000)
    """GC: so many generations stay; None: all of them."""
    pull: bool = False
    """Carried out by claveld and the unit's own agent."""
    confirm: int | None = Field(None, ge=0, le=3600)
    """Seconds to wait for a word over a new connection; None: as unit.toml says."""

    @property
    def sentence(self) -> str:
        """As people say it: `update web on cinnabar`, `evaluate fleet`, `deploy cinnabar`, `rollout: deploy 8 units`."""
        if self.verb is Verb.ROLLOUT:
            return f"rollout: {self.release}"
        if not self.stack:
            return f"{self.verb.value} {self.unit}{f' to {self.release}' if self.release else ''}"
        return f"{self.verb.value} {self.stack}{f' on {self.unit}' if self.unit else ''}"


class FileChange(Model):
    """How one file would change: ``diff`` as unified lines; values of env files are masked."""

    path: str
    kind: str
    diff: tuple[str, ...] = ()


class ImageChange(Model):
    """What a service runs and what it would run; ``note`` where that is not known beforehand."""

    service: str
    before: str = ""
    after: str = ""
    note: str = ""


class PullPlan(Model):
    """Where a ref of claveld is to point. ``revision``: that which was looked at; ``before``: where it points now."""

    name: str
    deployment: str
    short: str
    nar_id: str
    revision: int
    before: str


class Plan(Model):
    """What would happen, for a person to confirm. ``refusal`` is a sentence when it cannot be done at all."""

    request: Request
    title: str
    commands: tuple[str, ...] = ()
    files: tuple[FileChange, ...] = ()
    images: tuple[ImageChange, ...] = ()
    notes: tuple[str, ...] = ()
    refusal: str = ""
    fingerprint: str = ""
    """What was seen on the unit. A job that finds something else under its lock refuses."""
    source: str = ""
    """Of the stack's folder in the repository as it was previewed: what is put on the unit is that, or nothing."""
    release: str = ""
    """The whole id of the release that a rollback goes to."""
    born: str = ""
    excused: tuple[str, ...] = ()
    """What is wrong with the unit already, and so is not judged afterwards."""
    system: SystemPlan | None = None
    """What a deployment would change, where the whole system is meant."""
    pull: PullPlan | None = None
    """What claveld would be told, where the unit pulls."""
    when_back: Request | None = None
    """The unit is away: what would be done when it is back, to the very Deployment, if somebody wants it to wait."""

    @property
    def prepares(self) -> bool:
        """Something has to be built or copied first."""
        return not self.refusal and self.system is not None and self.system.away

    def preparation(self) -> Plan:
        """The plan of just that."""
        return self.model_copy(update={"request": self.request.model_copy(update={"verb": Verb.PREPARE})})

    def slim(self) -> Plan:
        """Without what only a person reads: what is left is enough to carry it out."""
        system = self.system and self.system.model_copy(update={"diff": None, "services": ()})
        return self.model_copy(update={"commands": (), "files": (), "images": (), "notes": (), "system": system})


class Operation(Model):
    """One row of the journal."""

    id: str
    request: Request
    origin: Origin
    state: State
    outcome: Outcome | None = None
    text: str = ""
    step: str = ""
    release: str = ""
    """The release that ran when it ended, where it is known."""
    came_from: str = ""
    """The release that ran before: what `z` returns to."""
    born: str = ""
    excused: tuple[str, ...] = ()
    """Checks from the workstation that failed before it began, and so are not judged."""
    parent: str = ""
    """The rollout that it belongs to."""
    lost: bool = False
    """The connection was lost meanwhile, and the outcome was learnt from the unit later."""
    started: float = 0.0
    ended: float | None = None

    def ended_with(self, outcome: Outcome, text: str, at: float) -> Operation:
        """The same, settled."""
        return self.model_copy(update={"state": State.SETTLED, "outcome": outcome, "text": text, "ended": at})

    @property
    def told(self) -> str:
        """How it ended, in a list where nothing else says what a rollout was about."""
        return f"{self.request.release}: {self.text or self.step}" if self.request.verb is Verb.ROLLOUT else self.text

    @property
    def word(self) -> str:
        """How it stands, in words."""
        if self.state is State.SETTLED and self.outcome:
            return WORDS[self.outcome]
        return {State.PLANNED: "waits for its unit", State.RUNNING: "running"}.get(self.state, "unknown")


class Event(Model):
    """What happened, in order. ``seq`` is the journal's number: a reader that sees a gap asks for a fresh snapshot."""

    seq: int
    at: float
    kind: str
    operation: str = ""
    unit: str = ""
    text: str = ""
