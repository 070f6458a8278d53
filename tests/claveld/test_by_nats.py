"""Questions that come by NATS are answered by the same application: with its tokens, its bounds, and always with something."""

from __future__ import annotations

import json
import zlib
from typing import Any

import pytest
from fastapi import FastAPI

from clavel_tui.bus.by_nats import Question, Reply, packed
from clavel_tui.bus.link import Link
from clavel_tui.bus.packing import unpack
from clavel_tui.claveld.by_nats import Asking, ask
from clavel_tui.domain.broker import Broker
from tests.claveld.conftest import Claveld


@pytest.fixture
def asking(claveld: Claveld) -> Asking:
    return Asking(claveld.client._transport.app, Link(Broker(url="nats://127.0.0.1:1"), "test"))  # type: ignore[attr-defined]


async def asked(asking: Asking, said: Question | bytes) -> tuple[int, Any]:
    reply = Reply.model_validate_json(unpack(await asking.answered(said if isinstance(said, bytes) else packed(said))))
    return reply.status, json.loads(reply.body) if reply.body else None


def question(path: str, token: str = "", method: str = "GET", said: object = None) -> Question:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    body = "" if said is None else json.dumps(said)
    return Question(method=method, path=path, headers={**headers, "Content-Type": "application/json"}, body=body)


async def test_it_is_the_same_api_with_the_same_tokens(claveld: Claveld, asking: Asking) -> None:
    for path in ("/v1/agents", "/v1/refs/amber", "/v1/deployments?name=amber&limit=3", "/v1/refs/nobody", "/v1/events?after=x"):
        over_http = await claveld.get(path)
        assert await asked(asking, question(path, claveld.tokens["viewer"])) == (over_http.status_code, over_http.json()), path
    status, said = await asked(asking, question("/v1/agents"))
    assert (status, said["detail"]) == (401, "who asks is not said")
    status, said = await asked(asking, question("/v1/refs/amber/unpin", claveld.tokens["viewer"], "POST", {}))
    assert (status, said["detail"]) == (403, "a token of the role viewer changes nothing")
    status, _ = await asked(asking, question("/v1/agents/amber/orders", claveld.tokens["operator"], "POST", {"order": "hold"}))
    assert status == 200


async def test_a_body_is_bounded_here_too(claveld: Claveld, asking: Asking) -> None:
    long = question("/v1/reports", claveld.tokens["amber"], "POST", {"text": "x" * 100_000})
    status, _ = await asked(asking, long)
    assert status == 413


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe", b"{}", b"[]", b'{"method": "DELETE", "path": "/"}', b'{"version": 2, "path": "/"}']
)
async def test_what_is_no_question_is_answered(asking: Asking, data: bytes) -> None:
    status, said = await asked(asking, data)
    assert (status, said["detail"]) == (422, "this is no question that is understood")


async def test_what_unpacks_to_far_too_much_is_not_unpack(asking: Asking) -> None:
    bomb = zlib.compress(b'{"path": "/' + b"x" * 50_000_000 + b'", "method": "GET"}', 9)
    assert len(bomb) < 100_000
    status, _ = await asked(asking, bomb)
    assert status == 422


async def test_an_application_that_fails_has_answered(log: pytest.LogCaptureFixture) -> None:
    app = FastAPI()

    @app.get("/fails")
    async def fails() -> None:
        raise ZeroDivisionError

    reply = await ask(app, Question(method="GET", path="/fails"))
    assert reply.status == 500
    assert "GET /fails" in log.text

    async def mute(*_: object) -> None:
        raise ZeroDivisionError

    assert (await ask(mute, Question(method="GET", path="/fails"))).status == 500
