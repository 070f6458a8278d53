"""Bounds before anything is parsed: how long a body may be, and how often one address or token may ask."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from fastapi.security.utils import get_authorization_scheme_param
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clavel_tui.claveld.problems import answer
from clavel_tui.domain.agent import Role

BODY_BYTES = 64 * 1024
"""A report with its longest text is a tenth of it."""
ASKED_A_SECOND, ASKED_AT_ONCE = 20.0, 200.0
"""By one token: an agent asks some times a minute, a console some times a second."""
REPORTS_A_SECOND, REPORTS_AT_ONCE = 0.5, 60.0
"""By one agent: each is a row and an event, which are kept. A deployment makes two or three; an outbox of days comes slowly."""
FACTS_A_SECOND, FACTS_AT_ONCE = 0.1, 20.0
"""By one agent, which looks at its unit every five minutes and behind each change."""
FACTS_BYTES = 1024 * 1024
"""Of a unit with some hundred containers and images."""
WRONG_A_SECOND, WRONG_AT_ONCE = 0.2, 20.0
"""Tokens that are not good, by one address: a guess has no chance anyway, but its lines fill logs."""
REMEMBERED = 10_000


@dataclass
class Rate:
    """A bucket for each key: ``at_once`` may come together, then ``a_second`` of them."""

    a_second: float
    at_once: float
    clock: Callable[[], float] = time.monotonic
    _buckets: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def take(self, key: str) -> float:
        """0 where one more may come now, else how many seconds to wait."""
        left = self.left(key)
        if left < 1:
            return (1 - left) / self.a_second
        self._buckets[key] = (left - 1, self.clock())
        self._buckets.move_to_end(key)
        if len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)
        return 0.0

    def left(self, key: str) -> float:
        """How many may come now."""
        left, at = self._buckets.get(key, (self.at_once, self.clock()))
        return min(self.at_once, left + (self.clock() - at) * self.a_second)


def token_of(authorization: str | None) -> str:
    """What that header says behind `Bearer`; empty where it says none."""
    scheme, token = get_authorization_scheme_param(authorization)
    return token if scheme.lower() == "bearer" else ""


def _by_an_agent(scope: Scope) -> bool:
    """A body is read before the token is looked at: nobody else makes us keep so much."""
    said = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
    holder = scope["app"].state.coordinator.holder(token_of(said))
    return holder is not None and holder.role is Role.AGENT


class BodyLimit:
    """ASGI: a longer body is refused before it is read, also one that does not say how long it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = FACTS_BYTES if scope["path"].startswith("/v1/facts/") and _by_an_agent(scope) else BODY_BYTES
        too_long = f"a body may be {most} bytes long"
        said = dict(scope["headers"]).get(b"content-length", b"0")
        if not said.isdigit() or int(said) > most:
            await answer(413, too_long)(scope, receive, send)
            return
        read = 0

        async def bounded() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > most:
                raise HTTPException(413, too_long)
            return message

        await self._app(scope, bounded, send)
