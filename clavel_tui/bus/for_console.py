"""What a console asks of a claveld elsewhere: its agents and events; and what an operator tells it."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from clavel_tui.bus.claveld import ANSWER_S, NOT_UNDERSTOOD, Claveld, ClaveldError
from clavel_tui.domain.agent import AgentState, Order, RefState
from clavel_tui.domain.deployment import Recorded
from clavel_tui.domain.operation import Event
from clavel_tui.domain.text import clean

T = TypeVar("T")
_AGENTS = TypeAdapter(list[AgentState])
_DEPLOYMENTS = TypeAdapter(list[Recorded])
_IDS = TypeAdapter(list[str])
_EVENTS = TypeAdapter(list[Event])
_REF = TypeAdapter(RefState)
_JSON = {"Content-Type": "application/json"}


class ConsoleClient(Claveld):
    """With a token of a viewer, or of an operator where something is to be changed. All of it raises ClaveldError."""

    async def agents(self) -> tuple[list[AgentState], int]:
        """Every agent as claveld knows it, and the number of the newest event that is in it."""
        _, headers, body = await self.asked("GET", "/v1/agents", None, {}, ANSWER_S)
        return self._read(_AGENTS, body), int(headers.get("Clavel-Sequence", "0"))

    async def events(self, after: int, wait: float = 0.0) -> list[Event]:
        """What happened behind that number, in order; as soon as there is something, or the wait is over."""
        return self._read(_EVENTS, await self._get(f"/v1/events?after={after}&wait={wait:g}", wait))

    async def tell(self, agent: str, order: Order) -> None:
        """Hold, release or poll."""
        await self._post(f"/v1/agents/{agent}/orders", {"order": order.value})

    async def roll_back(self, name: str, to: str = "", why: str = "", revision: int | None = None) -> RefState:
        """Points the ref to a recorded Deployment, the last known good where none is said, and pins it there."""
        return self._read(_REF, await self._post(f"/v1/refs/{name}/rollback", {"to": to, "why": why, "revision": revision}))

    async def ref(self, name: str) -> RefState:
        """Where it points."""
        return self._read(_REF, await self._get(f"/v1/refs/{name}"))

    async def deployments(self, name: str) -> list[Recorded]:
        """All that were evaluated for that name, the newest first."""
        return self._read(_DEPLOYMENTS, await self._get(f"/v1/deployments?name={name}&limit=1000"))

    async def good(self, name: str) -> list[str]:
        """Ids of those that an agent has applied and found well, the newest first."""
        return self._read(_IDS, await self._get(f"/v1/refs/{name}/good"))

    async def unpin(self, name: str) -> RefState:
        """The ref follows its source again."""
        return self._read(_REF, await self._post(f"/v1/refs/{name}/unpin", {}))

    async def _get(self, path: str, wait: float = 0.0) -> bytes:
        _, _, body = await self.asked("GET", path, None, {}, wait + ANSWER_S)
        return body

    async def _post(self, path: str, said: dict[str, Any]) -> bytes:
        _, _, body = await self.asked("POST", path, json.dumps(said).encode(), _JSON, ANSWER_S)
        return body

    def _read(self, adapter: TypeAdapter[T], body: bytes) -> T:
        try:
            return adapter.validate_json(body)
        except ValidationError as error:
            raise ClaveldError(f"{self.url} answers what is not understood: {clean(str(error), 200)}", NOT_UNDERSTOOD) from error
