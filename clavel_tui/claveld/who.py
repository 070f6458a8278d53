"""Who asks: the holder of the token that comes with a request, and what he may do."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from clavel_tui.claveld.coordinator import Coordinator
from clavel_tui.claveld.limits import Rate, token_of
from clavel_tui.claveld.problems import ProblemError
from clavel_tui.domain.agent import Role
from clavel_tui.history.agents import Holder

HOLDER = "clavel.holder"
"""In the scope of a question that comes from within this process: nothing that is sent from outside can be there."""


def coordinator_of(request: Request) -> Coordinator:
    """Of this app."""
    found: Coordinator = request.app.state.coordinator
    return found


def bucket(holder: Holder) -> str:
    """Under which so many questions a second are counted: an agent and a person may have the same name."""
    return f"{holder.role.value} {holder.name}"


async def _coordinator(request: Request) -> Coordinator:
    """Asynchronous: FastAPI would give a plain function a thread for each question."""
    return coordinator_of(request)


Claveld = Annotated[Coordinator, Depends(_coordinator)]


class _Bearer(SecurityBase):
    """One dependency and not three: each of them costs a thousand agents that only wait a tenth of claveld's time."""

    def __init__(self) -> None:
        self.model = HTTPBearer(description="A token of `claveld agent add` or `claveld token add`")
        self.scheme_name = "HTTPBearer"

    async def __call__(self, request: Request) -> Holder:
        """Raises a problem: 401 without a good token, 429 for one that asks too often, or an address that guesses."""
        claveld, asked = coordinator_of(request), request.app.state.asked
        token = token_of(request.headers.get("Authorization"))
        found = request.scope.get(HOLDER) or claveld.holder(token)
        if found is None:
            await self._refuse(request, claveld, token)
            raise ProblemError(401, "this token is not good (any more)", headers={"WWW-Authenticate": "Bearer"})
        if wait := asked.take(bucket(found)):
            raise slower(wait)
        if found.role is Role.AGENT:
            claveld.heard(found.name)
        return found

    async def _refuse(self, request: Request, claveld: Coordinator, token: str) -> None:
        guesses: Rate = request.app.state.guesses
        address = request.client.host if request.client else ""
        if wait := guesses.take(address):
            raise slower(wait)
        if not token:
            raise ProblemError(401, "who asks is not said", headers={"WWW-Authenticate": "Bearer"})
        once = claveld.once_held(token)
        if once and once.role is Role.AGENT:
            await claveld.refuse(once.name, f"its token has ended; asked from {address}")


def slower(wait: float) -> ProblemError:
    """Ends a request of one that asks too often. ``wait``: seconds."""
    return ProblemError(429, f"too many requests: wait {wait:.0f} s", headers={"Retry-After": str(int(wait) + 1)})


Anybody = Annotated[Holder, Depends(_Bearer())]


async def _viewer(found: Anybody) -> Holder:
    if found.role is Role.AGENT:
        raise ProblemError(403, "an agent asks for its Deployments, reports and tells of its unit, and nothing else")
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
