"""What a console asks of a claveld elsewhere, and what an operator tells it."""

from __future__ import annotations

import http.client
import json
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError

from clavel_tui.bus.claveld import ANSWER_S, NOT_UNDERSTOOD, Claveld, ClaveldError
from clavel_tui.domain.agent import AgentState, Order, RefState
from clavel_tui.domain.deployment import Deployment, Recorded
from clavel_tui.domain.operation import Event, Operation
from clavel_tui.domain.text import clean
from clavel_tui.fleet.news import FleetNews
from clavel_tui.fleet.state import SourceState

T = TypeVar("T")
_AGENTS = TypeAdapter(list[AgentState])
_DEPLOYMENT = TypeAdapter(Deployment)
_DEPLOYMENTS = TypeAdapter(list[Recorded])
_IDS = TypeAdapter(list[str])
_EVENTS = TypeAdapter(list[Event])
_REF = TypeAdapter(RefState)
_NEWS = TypeAdapter(FleetNews)
_SOURCES = TypeAdapter(list[SourceState])
_OPERATION = TypeAdapter(Operation)
_OPERATIONS = TypeAdapter(list[Operation])
_BEGUN = TypeAdapter(dict[str, str])
_JSON = {"Content-Type": "application/json"}


class LookingClient(Claveld):
    """With a token of a viewer. All of it raises ClaveldError."""

    async def agents(self) -> tuple[list[AgentState], int]:
        """Every agent as claveld knows it, and the number of the newest event that is in it."""
        _, headers, body = await self.asked("GET", "/v1/agents", None, {}, ANSWER_S)
        return self._read(_AGENTS, body), int(headers.get("Clavel-Sequence", "0"))

    async def events(self, after: int, wait: float = 0.0) -> list[Event]:
        """What happened behind that number, in order; as soon as there is something, or the wait is over."""
        return self._read(_EVENTS, await self._get(f"/v1/events?after={after}&wait={wait:g}", wait))

    async def ref(self, name: str) -> RefState:
        """Where it points."""
        return self._read(_REF, await self._get(f"/v1/refs/{quote(name)}"))

    async def deployments(self, name: str = "") -> list[Recorded]:
        """All that were evaluated for that name, or for any, the newest first."""
        return self._read(_DEPLOYMENTS, await self._get(f"/v1/deployments?name={quote(name)}&limit=1000"))

    async def deployment(self, said: str) -> Deployment:
        """Where a ref points, or a recorded one by its full name."""
        return self._read(_DEPLOYMENT, await self._get(f"/v1/deployments/{quote(said, safe='@')}"))

    async def good(self, name: str) -> list[str]:
        """Ids of those that an agent has applied and found well, the newest first."""
        return self._read(_IDS, await self._get(f"/v1/refs/{quote(name)}/good"))

    async def news(self, start: str, after: int, wait: float = 0.0) -> FleetNews:
        """The fleet: what has changed behind that version of that run of claveld, as soon as anything has, else all."""
        return self._read(_NEWS, await self._get(self.news_path(start, after, wait), wait))

    def news_path(self, start: str, after: int, wait: float) -> str:
        """Where it is asked for."""
        return f"/v1/fleet?start={quote(start)}&after={after}&wait={wait:g}"

    async def sources(self) -> list[SourceState]:
        """Each with what came of it when it was evaluated last."""
        return self._read(_SOURCES, await self._get("/v1/sources"))

    async def operations(self, limit: int) -> list[Operation]:
        """Those of claveld itself, the newest first."""
        return self._read(_OPERATIONS, await self._get(f"/v1/operations?limit={limit}"))

    async def operation(self, ident: str) -> Operation | None:
        """One of them by its id or an unmistakable beginning of it."""
        try:
            return self._read(_OPERATION, await self._get(f"/v1/operations/{quote(ident)}"))
        except ClaveldError as error:
            if error.status in {http.client.NOT_FOUND, NOT_UNDERSTOOD}:
                return None
            raise

    async def operation_events(self, ident: str) -> list[Event]:
        """All that was journalled of it."""
        return self._read(_EVENTS, await self._get(f"/v1/operations/{quote(ident)}/events"))

    async def _get(self, path: str, wait: float = 0.0) -> bytes:
        _, _, body = await self.asked("GET", path, None, {}, wait + ANSWER_S)
        return body

    def _read(self, adapter: TypeAdapter[T], body: bytes) -> T:
        try:
            return adapter.validate_json(body, extra="ignore")  # a newer claveld says more
        except ValidationError as error:
            raise ClaveldError(f"{self.url} answers what is not understood: {clean(str(error), 200)}", NOT_UNDERSTOOD) from error


class ConsoleClient(LookingClient):
    """With a token of an operator, where something is to be changed."""

    async def tell(self, agent: str, order: Order) -> None:
        """Hold, release or poll."""
        await self._post(f"/v1/agents/{quote(agent)}/orders", {"order": order.value})

    async def roll_back(self, name: str, to: str = "", why: str = "", revision: int | None = None) -> RefState:
        """Points the ref to a recorded Deployment, the last known good where none is said, and pins it there."""
        return self._read(
            _REF, await self._post(f"/v1/refs/{quote(name)}/rollback", {"to": to, "why": why, "revision": revision})
        )

    async def pin(self, name: str, why: str = "") -> RefState:
        """Evaluations leave the ref where it is."""
        return self._read(_REF, await self._post(f"/v1/refs/{quote(name)}/pin", {"why": why}))

    async def unpin(self, name: str) -> RefState:
        """The ref follows its source again."""
        return self._read(_REF, await self._post(f"/v1/refs/{quote(name)}/unpin", {}))

    async def evaluate(self, source: str) -> str:
        """Begins to evaluate a Source of claveld's fleet; the operation's id."""
        return self._read(_BEGUN, await self._post(f"/v1/sources/{quote(source, safe='')}/evaluations", {}))["operation"]

    async def _post(self, path: str, said: dict[str, Any]) -> bytes:
        _, _, body = await self.asked("POST", path, json.dumps(said).encode(), _JSON, ANSWER_S)
        return body
