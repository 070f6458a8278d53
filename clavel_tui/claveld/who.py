"""Who asks: the holder of the token that comes with a request, and what he may do."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from clavel_tui.claveld.coordinator import Coordinator
from clavel_tui.claveld.limits import Rate
from clavel_tui.claveld.problems import ProblemError
from clavel_tui.domain.agent import Role
from clavel_tui.history.agents import Holder

_bearer = HTTPBearer(auto_error=False, description="A token of `claveld agent add` or `claveld token add`")
_Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


async def coordinator(request: Request) -> Coordinator:
    """Of this app. Asynchronous, as all here: FastAPI would give a plain function a thread for each question."""
    found: Coordinator = request.app.state.coordinator
    return found


Claveld = Annotated[Coordinator, Depends(coordinator)]


async def holder(request: Request, claveld: Claveld, said: _Bearer) -> Holder:
    """Raises a problem: 401 without a good token, 429 for one that asks too often, or an address that guesses."""
    guesses: Rate = request.app.state.guesses
    asked: Rate = request.app.state.asked
    address = request.client.host if request.client else ""
    found = claveld.holder(said.credentials) if said else None
    if found is None:
        if wait := guesses.take(address):
            raise slower(wait)
        once = claveld.once_held(said.credentials) if said else None
        if once and once.role is Role.AGENT:
            await claveld.refuse(once.name, f"its token has ended; asked from {address}")
        text = "this token is not good (any more)" if said else "who asks is not said"
        raise ProblemError(401, text, headers={"WWW-Authenticate": "Bearer"})
    if wait := asked.take(f"{found.role.value} {found.name}"):
        raise slower(wait)
    if found.role is Role.AGENT:
        claveld.heard(found.name)
    return found


def slower(wait: float) -> ProblemError:
    """Ends a request of one that asks too often. ``wait``: seconds."""
    return ProblemError(429, f"too many requests: wait {wait:.0f} s", headers={"Retry-After": str(int(wait) + 1)})


Anybody = Annotated[Holder, Depends(holder)]


async def _viewer(found: Anybody) -> Holder:
    if found.role is Role.AGENT:
        raise ProblemError(403, "an agent asks for its Deployments and reports, and nothing else")
    return found


async def _operator(found: Anybody) -> Holder:
    if found.role is not Role.OPERATOR:
        raise ProblemError(403, f"a token of the role {found.role.value} changes nothing", "`claveld token add --role operator`")
    return found


async def _agent(found: Anybody) -> Holder:
    if found.role is not Role.AGENT:
        raise ProblemError(403, "only an agent reports, and for itself")
    return found


Viewer = Annotated[Holder, Depends(_viewer)]
Operator = Annotated[Holder, Depends(_operator)]
OneAgent = Annotated[Holder, Depends(_agent)]
