"""What a thousand agents ask without end, answered before FastAPI: its way to a route was a third of claveld's time."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from clavel_tui.claveld.coordinator import Coordinator
from clavel_tui.claveld.for_agents import WAIT_MOST_S, told
from clavel_tui.claveld.limits import Rate, token_of
from clavel_tui.claveld.problems import ProblemError, answer
from clavel_tui.claveld.who import HOLDER, bucket
from clavel_tui.domain.agent import Role
from clavel_tui.history.agents import Holder

_PATH = re.compile(r"/v1/deployments/([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)")
_WAIT = re.compile(rb"wait=([0-9]{1,3}(?:\.[0-9]{1,6})?)")
_TOKEN, _TAG = b"authorization", b"if-none-match"
_BODY = frozenset({b"content-length", b"transfer-encoding"})
_TAG_BYTES = 200


@dataclass(frozen=True, slots=True)
class _Question:
    """As an agent asks it."""

    token: str
    name: str
    wait: float
    tag: str


class Waiting:
    """ASGI: whatever is in any way unlike an agent's question goes on to the routes, which say what is wrong with it."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._coordinator: Coordinator = app.state.coordinator
        self._asked: Rate = app.state.asked

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        question = _said(scope)
        holder = self._who(question) if question else None
        if question is None or holder is None:
            await self._app(scope, receive, send)
            return
        self._asked.take(bucket(holder))
        self._coordinator.heard(holder.name)
        try:
            response = await told(self._coordinator, holder, question.name, question.wait, question.tag)
        except ProblemError as problem:
            response = answer(problem.status, problem.detail, problem.hint, problem.headers)
        await response(scope, receive, send)

    def _who(self, question: _Question) -> Holder | None:
        """Only an agent that may ask it, and now; nothing is counted yet."""
        found = self._coordinator.holder(question.token)
        if found is None or found.role is not Role.AGENT or not self._coordinator.may_ask(found, question.name):
            return None
        return found if self._asked.left(bucket(found)) >= 1 else None


def _said(scope: Scope) -> _Question | None:
    if scope["type"] != "http" or scope["method"] != "GET" or HOLDER in scope:
        return None
    path, wait = _PATH.fullmatch(scope["path"]), _WAIT.fullmatch(scope["query_string"])
    if not path or not wait or float(wait[1]) > WAIT_MOST_S:
        return None
    said = [(key, value) for key, value in scope["headers"] if key in (_TOKEN, _TAG) or key in _BODY]
    found = dict(said)
    if len(said) != len(found) or found.keys() != {_TOKEN, _TAG} or not 0 < len(found[_TAG]) <= _TAG_BYTES:
        return None
    token = token_of(found[_TOKEN].decode("latin-1"))
    return _Question(token, path[1], float(wait[1]), found[_TAG].decode("latin-1"))
