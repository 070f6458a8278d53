"""What operators and consoles ask for: refs, Deployments, Sources, agents, operations and events."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field

from clavel_tui.claveld import sources as sources_told
from clavel_tui.claveld.coordinator import Coordinator
from clavel_tui.claveld.evaluating import Evaluations
from clavel_tui.claveld.problems import ProblemError
from clavel_tui.claveld.replica import Replica
from clavel_tui.claveld.showing import Showing
from clavel_tui.claveld.who import Claveld, Operator, Viewer
from clavel_tui.domain.agent import AgentState, LogState, Order, RefState, Said
from clavel_tui.domain.deployment import Recorded, RefMove
from clavel_tui.domain.operation import Event, Operation
from clavel_tui.domain.source import SourcePin
from clavel_tui.domain.text import clean
from clavel_tui.domain.unit import NAME, Unit
from clavel_tui.fleet.news import FleetNews
from clavel_tui.fleet.state import SourceState

router = APIRouter()
Name = Annotated[str, Path(pattern=NAME)]
SourceName = Annotated[str, Path(max_length=63)]
Limit = Annotated[int, Query(ge=1, le=1000)]
WAIT_MOST_S = 60.0


class Move(BaseModel):
    """``to``: the id of a Deployment or its beginning; ``revision``: what whoever asks has seen; ``why`` is kept."""

    to: str = Field("", max_length=130, pattern=r"^[a-z0-9@-]*$")
    revision: int | None = Field(None, ge=0, le=2**53)
    why: str = Field("", max_length=300)


class Told(BaseModel):
    """What an agent is to do."""

    order: Order


class Stay(BaseModel):
    """``revision``: its beginning is enough; ``why`` is kept."""

    revision: str = Field("", max_length=64, pattern=r"^[0-9a-f]*$")
    why: str = Field("", max_length=300)


class Begun(BaseModel):
    """The id of an operation, to be asked for at /v1/operations/{id}."""

    operation: str


@router.get("/refs", tags=["refs"])
async def refs(claveld: Claveld, _: Viewer) -> list[RefState]:
    """Where every DeploymentRef points."""
    return list(claveld.known.refs.values())


@router.get("/refs/{name}", tags=["refs"])
async def ref(claveld: Claveld, _: Viewer, name: Name) -> RefState:
    """Where one points."""
    found = await claveld.refs.one(name)
    if found is None:
        raise ProblemError(404, f"there is no ref {name}")
    return found


@router.get("/refs/{name}/moves", tags=["refs"])
async def moves(claveld: Claveld, _: Viewer, name: Name) -> list[RefMove]:
    """Where it has pointed, the newest first."""
    return await claveld.deployments.moves(name)


@router.get("/refs/{name}/good", tags=["refs"])
async def good(claveld: Claveld, _: Viewer, name: Name) -> list[str]:
    """Ids of the Deployments that an agent has applied and found well, the newest first."""
    return await claveld.agents.good(name)


@router.post("/refs/{name}/rollback", tags=["refs"])
async def rollback(claveld: Claveld, who: Operator, name: Name, said: Move) -> RefState:
    """Points it to a recorded Deployment, the last known good where none is said, and pins it there."""
    return await claveld.roll_back(name, said.to, who.name, clean(said.why), said.revision)


@router.post("/refs/{name}/pin", tags=["refs"])
async def pin(claveld: Claveld, who: Operator, name: Name, said: Move) -> RefState:
    """Evaluations leave it at that Deployment, or where it is."""
    now = await claveld.refs.one(name)
    if now is None:
        raise ProblemError(404, f"there is no ref {name}")
    return await claveld.roll_back(name, said.to or now.deployment.id, who.name, clean(said.why) or "pinned", said.revision)


@router.post("/refs/{name}/unpin", tags=["refs"])
async def unpin(claveld: Claveld, who: Operator, name: Name, said: Move) -> RefState:
    """It follows its source again."""
    moved = await claveld.refs.unpin(name, who.name, clean(said.why), said.revision)
    await claveld.look()
    return moved


@router.get("/deployments", tags=["deployments"])
async def deployments(claveld: Claveld, _: Viewer, name: str = "", limit: Limit = 200) -> list[Recorded]:
    """What was evaluated, the newest first."""
    return await claveld.deployments.deployments(name, limit)


@router.get("/log", tags=["events"])
async def log(request: Request, claveld: Claveld, _: Viewer) -> LogState:
    """The log that several claveld share, where there is a bus."""
    replica: Replica | None = request.app.state.replica
    if replica is None:
        raise ProblemError(404, "this claveld has no [nats]", "GET /v1/events tells what happens")
    if not replica.ident:
        raise ProblemError(503, f"the bus does not answer: {replica.trouble}")
    return LogState(id=replica.ident, seq=claveld.logged)


@router.get("/agents", tags=["agents"])
async def agents(claveld: Claveld, _: Viewer, response: Response) -> list[AgentState]:
    """Every agent: when it was heard of, and what it reported last. Clavel-Sequence numbers the newest event that is in it."""
    response.headers["Clavel-Sequence"] = str(claveld.sequence)
    response.headers["Clavel-Log"] = str(claveld.logged)
    return claveld.states()


@router.get("/agents/{name}/reports", tags=["agents"])
async def reports(claveld: Claveld, _: Viewer, name: Name, limit: Limit = 50) -> list[Said]:
    """What it reported, the newest first."""
    return await claveld.agents.reports(name, limit)


@router.post("/agents/{name}/orders", tags=["agents"])
async def tell(claveld: Claveld, who: Operator, name: Name, said: Told) -> list[AgentState]:
    """Hold, release or poll: heard at once by an agent that waits for a change, else when it is back."""
    await claveld.agents.tell(name, said.order, who.name)
    await claveld.look()
    return [state for state in claveld.states() if state.agent.name == name]


@router.get("/units", tags=["units"])
async def units(request: Request, _: Viewer) -> list[Unit]:
    """As the inventory has them."""
    return list(_evaluations(request).fleet.units)


@router.get("/fleet", tags=["units"])
async def fleet(
    request: Request,
    response: Response,
    claveld: Claveld,
    _: Viewer,
    start: Annotated[str, Query(max_length=32)] = "",
    after: Annotated[int, Query(ge=0, le=2**53)] = 0,
    wait: Annotated[float, Query(ge=0, le=WAIT_MOST_S)] = 0,
) -> FleetNews:
    """The fleet as a console shows it: what has changed behind version `after` of the run `start` of claveld, else all."""
    showing: Showing = request.app.state.showing
    logged = claveld.logged  # before it is looked: what happens meanwhile is told again, and not missed
    found = await showing.news(start, after, wait)
    response.headers["Clavel-Log"] = str(logged)
    return found


@router.get("/sources", tags=["sources"])
async def sources(request: Request, _: Viewer) -> list[SourceState]:
    """Each with what came of it when it was evaluated last."""
    return list(await _evaluations(request).sources())


@router.post("/sources/{name}/evaluations", tags=["sources"], status_code=202)
async def evaluate(request: Request, who: Operator, name: SourceName) -> Begun:
    """Evaluates a Source now; it builds nothing."""
    return Begun(operation=await _evaluations(request).evaluate(name, f"asked for by {who.name}"))


@router.post("/sources/{name}/pin", tags=["sources"])
async def pin_source(request: Request, claveld: Claveld, who: Operator, name: SourceName, said: Stay) -> SourceState:
    """It stays at a revision that was evaluated here before: the last one, where none is said."""
    pin = SourcePin(revision="", url="", of="", at=claveld.wall(), operator=who.name, why=clean(said.why))
    standing = await _evaluations(request).standing()
    await sources_told.pin(claveld.sources, standing, name, said.revision, pin)
    return await _source(request, claveld, name)


@router.post("/sources/{name}/unpin", tags=["sources"])
async def unpin_source(request: Request, claveld: Claveld, who: Operator, name: SourceName) -> SourceState:
    """It follows its reference again."""
    sources_told.found_in(await _evaluations(request).standing(), name)
    await claveld.sources.unpin(name, who.name)
    return await _source(request, claveld, name)


async def _source(request: Request, claveld: Coordinator, name: str) -> SourceState:
    await claveld.look()
    for state in await _evaluations(request).sources():
        if state.source.name == name:
            return state
    raise ProblemError(404, f"there is no source {name}")


@router.get("/operations", tags=["operations"])
async def operations(claveld: Claveld, _: Viewer, limit: Limit = 100) -> list[Operation]:
    """The newest first."""
    return await claveld.journal.operations(limit)


@router.get("/operations/{ident}", tags=["operations"])
async def operation(claveld: Claveld, _: Viewer, ident: Annotated[str, Path(pattern=r"^[0-9a-f]{4,32}$")]) -> Operation:
    """By its id or an unmistakable beginning of it."""
    found = await claveld.journal.operation(ident)
    if found is None:
        raise ProblemError(404, f"there is no operation {ident}")
    return found


@router.get("/operations/{ident}/events", tags=["operations"])
async def operation_events(claveld: Claveld, _: Viewer, ident: Annotated[str, Path(pattern=r"^[0-9a-f]{4,32}$")]) -> list[Event]:
    """All that was journalled of one operation, by its whole id."""
    return await claveld.journal.events(0, ident, 20_000)


@router.get("/events", tags=["events"])
async def events(
    claveld: Claveld,
    _: Viewer,
    after: Annotated[int, Query(ge=0, le=2**53)] = 0,
    wait: Annotated[float, Query(ge=0, le=WAIT_MOST_S)] = 0,
) -> list[Event]:
    """What happened behind event number `after`, in order; with `wait` it is answered when there is something."""
    if wait and await claveld.journal.last_seq() <= after:
        await claveld.new_events(after, wait)
    return await claveld.journal.events(after)


def _evaluations(request: Request) -> Evaluations:
    found: Evaluations = request.app.state.evaluations
    return found
