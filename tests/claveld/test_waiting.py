"""An agent's question is answered before the routes, and as they would: whoever asks anything else does not notice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from clavel_tui.claveld.limits import ASKED_AT_ONCE
from clavel_tui.claveld.waiting import Waiting

from .conftest import Claveld

AMBER = "/v1/deployments/amber?wait=0.05"
TAG = "If-None-Match"


class Seen(FastAPI):
    """Counts what comes to the routes behind."""

    def __init__(self, behind: FastAPI) -> None:
        super().__init__()
        self.behind, self.came = behind, 0
        self.state = behind.state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.came += 1
        await self.behind(scope, receive, send)


@pytest.fixture
async def both(claveld: Claveld) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient, Seen]]:
    seen = Seen(claveld.app)
    one, other = (
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://c") for app in (Waiting(seen), claveld.app)
    )
    async with one, other:
        yield one, other, seen


def said(answer: httpx.Response) -> tuple[int, dict[str, str], bytes]:
    return answer.status_code, dict(answer.headers), answer.content


Both = tuple[httpx.AsyncClient, httpx.AsyncClient, Seen]


@pytest.mark.parametrize("tag", ["", '"of-another-time.0"'], ids=["as it was", "changed"])
@pytest.mark.parametrize("ordered", [False, True])
async def test_an_agents_question_never_comes_to_the_routes_and_is_answered_as_there(
    claveld: Claveld, both: Both, tag: str, ordered: bool
) -> None:
    fast, routes, seen = both
    if ordered:
        await claveld.post("/v1/agents/amber/orders", {"order": "release"})
    bearer = {"Authorization": f"Bearer {claveld.tokens['amber']}"}
    tag = tag or (await routes.get(AMBER, headers=bearer)).headers["ETag"]
    claveld.coordinator.seen.clear()
    answer = await fast.get(AMBER, headers={**bearer, TAG: tag})
    assert seen.came == 0
    assert "amber" in claveld.coordinator.seen
    assert said(answer) == said(await routes.get(AMBER, headers={**bearer, TAG: tag}))


@pytest.mark.parametrize(
    ("path", "who", "headers", "status"),
    [
        (AMBER, "amber", {}, 200),  # no tag
        ("/v1/deployments/amber", "amber", {TAG: '"x"'}, 200),
        ("/v1/deployments/amber?wait=0", "viewer", {TAG: '"x"'}, 200),
        ("/v1/deployments/beryl?wait=1", "amber", {TAG: '"x"'}, 403),
        ("/v1/deployments/amber?wait=121", "amber", {TAG: '"x"'}, 422),
        ("/v1/deployments/amber?wait=-1", "amber", {TAG: '"x"'}, 422),
        ("/v1/deployments/amber?wait=1&wait=2", "amber", {TAG: '"x"'}, 200),
        ("/v1/deployments/amber?wait=1e1", "amber", {TAG: '"x"'}, 200),
        ("/v1/deployments/AMBER?wait=1", "amber", {TAG: '"x"'}, 422),
        ("/v1/deployments/amber@0000?wait=1", "amber", {TAG: '"x"'}, 404),
        (AMBER, "amber", {TAG: "x" * 201}, 422),
        (AMBER, "amber", {TAG: '"x"', "Content-Length": "70000"}, 413),
        (AMBER, "nobody", {TAG: '"x"'}, 401),
        (AMBER, "", {TAG: '"x"'}, 401),
    ],
)
async def test_whatever_is_unlike_it_comes_to_the_routes(
    claveld: Claveld, both: Both, path: str, who: str, headers: dict[str, str], status: int
) -> None:
    fast, _, seen = both
    bearer = {"Authorization": f"Bearer {claveld.tokens.get(who, who)}"} if who else {}
    answer = await fast.get(path, headers={**bearer, **headers})
    assert answer.status_code == status, answer.text
    assert seen.came == 1


async def test_it_is_counted_as_there(claveld: Claveld, both: Both) -> None:
    fast, _, seen = both
    claveld.app.state.asked.clock = lambda: 0.0  # else some are let in again meanwhile
    headers = {"Authorization": f"Bearer {claveld.tokens['amber']}", TAG: '"x"'}
    found = [(await fast.get(AMBER, headers=headers)).status_code for _ in range(int(ASKED_AT_ONCE) + 40)]
    assert found == [200] * int(ASKED_AT_ONCE) + [429] * 40
    assert seen.came == 40


async def test_who_is_removed_while_it_waits_is_told_so(claveld: Claveld, both: Both) -> None:
    fast, routes, seen = both
    bearer = {"Authorization": f"Bearer {claveld.tokens['amber']}"}
    tag = (await routes.get(AMBER, headers=bearer)).headers["ETag"]
    waits = asyncio.create_task(fast.get("/v1/deployments/amber?wait=10", headers={**bearer, TAG: tag}))
    await asyncio.sleep(0.1)
    await claveld.coordinator.agents.remove("amber", "ann")
    await claveld.coordinator.look()
    answer = await asyncio.wait_for(waits, 5)
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
    assert seen.came == 0
