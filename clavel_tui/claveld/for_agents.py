"""What agents ask for: a Deployment by its name, and a place to report to."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, ValidationError

from clavel_tui.claveld.coordinator import Answer, Coordinator
from clavel_tui.claveld.limits import Rate
from clavel_tui.claveld.problems import ProblemError
from clavel_tui.claveld.showing import Showing
from clavel_tui.claveld.who import Anybody, Claveld, OneAgent, coordinator_of, slower
from clavel_tui.domain.agent import Report, Role
from clavel_tui.domain.deployment import Deployment
from clavel_tui.domain.facts import Facts
from clavel_tui.domain.unit import NAME
from clavel_tui.history.agents import Holder

router = APIRouter(tags=["agents"])
WAIT_MOST_S = 120.0
ORDER, NUMBER = "Clavel-Order", "Clavel-Order-Number"
SAID = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(@[0-9a-f]{4,64})?$"


def _known(said: object) -> object:
    """A newer agent sees more than this claveld knows of: that is passed over. What is wrong is said by who is next."""
    try:
        return Facts.model_validate(said, extra="ignore")
    except ValidationError:
        return said


class Receipt(BaseModel):
    """``new`` is False for a report that had come before."""

    new: bool


@router.get(
    "/deployments/{said}",
    response_model=Deployment,
    responses={304: {"description": "Nothing of it has changed since that ETag, and the wait is over"}},
)
async def deployment(
    request: Request,
    holder: Anybody,
    said: Annotated[str, Path(pattern=SAID, description="`cinnabar`, or `cinnabar@3f9c2a1b`")],
    wait: Annotated[float, Query(ge=0, le=WAIT_MOST_S, description="Seconds to wait for a change since If-None-Match")] = 0,
    if_none_match: Annotated[str, Header(max_length=200)] = "",
) -> Response:
    """The Deployment that a ref points to, or one by its full name. With `wait` it is answered when that changes.

    To an agent the headers Clavel-Order and Clavel-Order-Number say what it was told last.
    """
    claveld = coordinator_of(request)
    name, _, ident = said.partition("@")
    if not claveld.may_ask(holder, name):
        await claveld.refuse(holder.name, f"it may not ask for {name}")
        raise ProblemError(403, f"{holder.name} may not ask for {name}", "an operator says which: `claveld agent add`")
    if ident:
        return await _recorded(claveld, name, ident)
    return await told(claveld, holder, name, wait, if_none_match)


async def told(claveld: Coordinator, holder: Holder, name: str, wait: float, tag: str) -> Response:
    """Of a ref that ``holder`` may ask for: what has changed since ``tag``, or that nothing has for ``wait`` seconds.

    Raises:
        ProblemError: there is none, or he may not ask for it any more.
    """
    agent = holder.name if holder.role is Role.AGENT else ""
    claveld.well(agent)
    found = claveld.answer(name, agent)
    if found and found.tag == tag and wait:
        found = await claveld.changed_answer(name, agent, tag, wait)
        if not claveld.may_ask(holder, name):  # it was removed while it waited
            raise ProblemError(403, f"{holder.name} may not ask for {name}")
        _still(claveld, agent)
    if found is None:
        raise ProblemError(404, f"nothing was evaluated for {name} yet", "`claveld sources` tells what was evaluated")
    if found.tag == tag:
        return Response(status_code=304, headers={"ETag": found.tag})
    return Response(found.body, headers=_headers(found), media_type="application/json")


def _still(claveld: Coordinator, agent: str) -> None:
    """It has waited, and so was there."""
    if agent:
        claveld.heard(agent)


def _headers(found: Answer) -> dict[str, str]:
    told = {ORDER: found.told.order.value, NUMBER: str(found.told.number)} if found.told else {}
    return {"ETag": found.tag, "Cache-Control": "no-cache", **told}


async def _recorded(claveld: Coordinator, name: str, ident: str) -> Response:
    found = await claveld.deployments.find(f"{name}@{ident}")
    if len(found) != 1:
        raise ProblemError(404, f"{'more than one' if found else 'no'} Deployment of {name} begins with {ident}")
    body = found[0].model_dump_json(by_alias=True)
    headers = {"ETag": f'"{found[0].id}"', "Cache-Control": "private, max-age=31536000, immutable"}
    return Response(body, headers=headers, media_type="application/json")


@router.post("/reports")
async def report(request: Request, claveld: Claveld, holder: OneAgent, said: Report) -> Receipt:
    """How a Deployment of this agent stands. Sent again it counts once."""
    await _for_itself(claveld, holder, said)
    rate: Rate = request.app.state.reports
    if wait := rate.take(holder.name):
        raise slower(wait)
    return Receipt(new=await claveld.report(said))


@router.post("/facts/{unit}", status_code=204)
async def facts(
    request: Request,
    claveld: Claveld,
    holder: OneAgent,
    unit: Annotated[str, Path(pattern=NAME)],
    said: Annotated[Facts, BeforeValidator(_known)],
) -> None:
    """What the agent sees of its unit: consoles that have no way to it see it so."""
    if not claveld.may_ask(holder, unit):
        await claveld.refuse(holder.name, f"it told facts of {unit}")
        raise ProblemError(403, f"{holder.name} tells of its own unit, and not of {unit}")
    rate: Rate = request.app.state.facts
    if wait := rate.take(holder.name):
        raise slower(wait)
    showing: Showing = request.app.state.showing
    if not await showing.learn(unit, said):
        raise ProblemError(404, f"the fleet has no unit {unit}")


async def _for_itself(claveld: Coordinator, holder: Holder, said: Report) -> None:
    if said.agent != holder.name:
        await claveld.refuse(holder.name, f"it reported for {said.agent}")
        raise ProblemError(403, f"{holder.name} reports for itself, and not for {said.agent}")
    if not claveld.may_ask(holder, said.name):
        await claveld.refuse(holder.name, f"it reported of {said.name}, which it may not ask for")
        raise ProblemError(403, f"{said.name} is not among the Deployments of {holder.name}")
