"""What several claveld tell each other: each record is one change that one of them was asked for, in the log's order.

Every claveld carries out the same records in the same order, and so comes to the same refs, with the same revisions.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from clavel_tui.bus.claveld import NOT_UNDERSTOOD, ClaveldError
from clavel_tui.bus.packing import BYTES, pack, unpack
from clavel_tui.domain.agent import Agent, Order, Report, Role
from clavel_tui.domain.deployment import Deployment, full_name
from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.model import Model
from clavel_tui.domain.source import Evaluation, Source, SourcePin
from clavel_tui.domain.text import clean
from clavel_tui.domain.unit import Name


class _Said(Model):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Seeded(_Said):
    """Rows of a database that was there before the log: all that a claveld that joins has to know."""

    kind: Literal["seed"] = "seed"
    database: str
    """Whose they are."""
    table: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    last: bool = False


class Evaluated(_Said):
    """What evaluating a Source has yielded. ``basis``: the number of the last record that was known when that began."""

    kind: Literal["evaluation"] = "evaluation"
    basis: int
    evaluation: Evaluation
    deployments: tuple[Deployment, ...]
    operator: str
    why: str


class Pointed(_Said):
    """A ref goes to a recorded Deployment, and stays there."""

    kind: Literal["ref"] = "ref"
    name: Name
    deployment: str
    operator: str
    why: str
    expected: int | None = None


class Unpinned(_Said):
    """A ref follows its source again."""

    kind: Literal["unpin"] = "unpin"
    name: Name
    operator: str
    why: str
    expected: int | None = None


class Registered(_Said):
    """An agent, and what it may ask for."""

    kind: Literal["agent"] = "agent"
    agent: Agent
    operator: str
    orders: int = 0
    """From where its orders are counted; in the record, so that whoever carries it out counts alike."""


class Removed(_Said):
    """An agent, with its tokens."""

    kind: Literal["agent-removed"] = "agent-removed"
    name: Name
    operator: str


class Ordered(_Said):
    """What an agent is told."""

    kind: Literal["order"] = "order"
    name: Name
    order: Order
    operator: str


class TokenMade(_Said):
    """Its hash, never the token."""

    kind: Literal["token"] = "token"
    hash: str
    name: str
    role: Role
    ends: float | None = None
    others_end: float | None = None


class TokensRevoked(_Said):
    """All of a name and a role."""

    kind: Literal["tokens-revoked"] = "tokens-revoked"
    name: str
    role: Role


class SourceAdded(_Said):
    """A Source beside those of fleet.toml."""

    kind: Literal["source"] = "source"
    source: Source


class SourceRemoved(_Said):
    """One that was added. ``still_named``: by fleet.toml."""

    kind: Literal["source-removed"] = "source-removed"
    name: Name
    operator: str
    still_named: bool = False


class SourcePinned(_Said):
    """A Source stays at a revision."""

    kind: Literal["source-pin"] = "source-pin"
    name: Name
    pin: SourcePin


class SourceUnpinned(_Said):
    """A Source follows its reference again."""

    kind: Literal["source-unpin"] = "source-unpin"
    name: Name
    operator: str


class Reported(_Said):
    """What an agent has said."""

    kind: Literal["report"] = "report"
    report: Report


SourceTold = SourceAdded | SourceRemoved | SourcePinned | SourceUnpinned
What = (
    Seeded | Evaluated | Pointed | Unpinned | Registered | Removed | Ordered | TokenMade | TokensRevoked | Reported | SourceTold
)


class Record(_Said):
    """``id``: sent again it is carried out once. ``at``: wall clock of the claveld that wrote it, ``by``."""

    version: Literal[1] = 1
    id: str = Field(pattern=r"^[0-9a-f]{32}$")
    at: float
    by: str
    what: Annotated[What, Field(discriminator="kind")]

    @property
    def subject(self) -> str:
        """Behind the log's name: kind and unit."""
        what = self.what
        name = what.report.agent if isinstance(what, Reported) else getattr(what, "name", "") or "all"
        return f"{what.kind}.{name if name.replace('-', '').isalnum() else 'all'}"


_RECORD = TypeAdapter(Record)


def packed(record: Record) -> bytes:
    """As it is sent.

    Raises:
        RefusedError: it is longer than a server takes.
    """
    data = record.model_dump_json(by_alias=True).encode()
    data = pack(data)
    if len(data) > BYTES:
        text = f"{record.subject} takes {len(data)} bytes, and a NATS server takes {BYTES}"
        raise RefusedError(text, "evaluate fewer units at once")
    return data


def read(seq: int, data: bytes) -> Record:
    """Raises ClaveldError: it is none, or one of a newer claveld. It is not passed over: what follows may rest on it."""
    try:
        return _RECORD.validate_json(unpack(data))
    except ValueError as error:
        text = f"record {seq} of the log is not understood: {clean(str(error), 200)}; a newer claveld wrote it, perhaps"
        raise ClaveldError(text, NOT_UNDERSTOOD) from error


def told(record: Record) -> tuple[str, str, str]:
    """How it is told to people: kind, unit and sentence of an event."""
    match record.what:
        case Reported(report=report):
            return report.told
        case Evaluated(evaluation=evaluation, deployments=found):
            many = f"{len(found)} Deployment{'s' * (len(found) != 1)}"
            return "state", "", f"{evaluation.source.name} was evaluated: {many}"
        case Pointed(name=name, deployment=ident, operator=who, why=why):
            return "ref", name, f"{full_name(name, ident)}, and stays there: {who}{f', {why}' if why else ''}"
        case Unpinned(name=name, operator=who):
            return "ref", name, f"{name} follows its source again: {who}"
        case Registered(agent=agent, operator=who):
            return "agent", agent.name, f"may ask for {', '.join(agent.specification.deployments)}: {who}"
        case Removed(name=name, operator=who):
            return "agent", name, f"removed: {who}"
        case Ordered(name=name, order=order, operator=who):
            return "agent", name, f"told to {order.value}: {who}"
        case SourceAdded() | SourceRemoved() | SourcePinned() | SourceUnpinned() as what:
            return "source", "", _told_of_source(what)
        case what:
            return "token", "", f"{what.kind} of {getattr(what, 'name', '') or 'a claveld that was there before the log'}"


def _told_of_source(what: SourceTold) -> str:
    match what:
        case SourceAdded(source=source):
            return f"{source.name} was added: {source.url}, {source.added_by}"
        case SourceRemoved(name=name, operator=who):
            return f"{name} was removed: {who}"
        case SourcePinned(name=name, pin=pin):
            return f"{name} {pin.told}"
        case SourceUnpinned(name=name, operator=who):
            return f"{name} follows its reference again: {who}"
