"""Whatever the API's own description allows, and whatever it does not: no answer is a fault of the server."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, settings

from clavel_tui.claveld.app import make_app
from clavel_tui.claveld.coordinator import Coordinator
from clavel_tui.claveld.evaluating import Evaluations
from clavel_tui.claveld.limits import Rate
from clavel_tui.claveld.showing import Showing
from clavel_tui.domain.agent import Agent, AgentSpecification, Order, Report, Role
from clavel_tui.history import MIGRATIONS, Journal
from clavel_tui.history.agents import Agents
from clavel_tui.history.deployments import Deployments
from clavel_tui.history.refs import Refs
from clavel_tui.history.sources import Sources
from clavel_tui.store import Database
from tests.history.test_deployments import deployment, evaluation

from .conftest import FLEET, Asked, judging


class Served:
    """A claveld in a thread, with a loop of its own: answers over a real socket."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ready = threading.Event()
        self.tokens: dict[Role, str] = {}
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        assert self._ready.wait(20)

    async def _run(self) -> None:
        database = await Database.open(self._folder / "claveld.db", MIGRATIONS)
        agents = Agents(database)
        coordinator = Coordinator(Journal(database, "fuzz"), Deployments(database), Refs(database), agents, Sources(database))
        await agents.add(Agent(name="amber", specification=AgentSpecification(deployments=("amber",))), "ann")
        self.tokens = {role: await agents.new_token("amber", role) for role in Role}
        for text in ("a", "b"):
            await coordinator.deployments.record(evaluation(), [deployment("amber", text)], "claveld", "")
        self.first = deployment("amber")
        await coordinator.look()
        self._coordinator, self._loop = coordinator, asyncio.get_running_loop()
        showing = Showing(coordinator, judging(coordinator, database))
        app = make_app(coordinator, Evaluations(FLEET, Asked()), showing)  # type: ignore[arg-type]
        app.state.asked = app.state.facts = Rate(1e9, 1e9)
        self._server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off"))
        serving = asyncio.create_task(self._server.serve())
        while not self._server.started:
            await asyncio.sleep(0.01)
        self.url = f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"
        self._ready.set()
        await serving
        await database.close()

    def tell(self, agent: str, order: Order) -> concurrent.futures.Future[None]:
        """As an operator does."""

        async def told() -> None:
            await self._coordinator.agents.tell(agent, order, "ann")
            await self._coordinator.look()

        return asyncio.run_coroutine_threadsafe(told(), self._loop)

    def say(self, report: Report) -> concurrent.futures.Future[bool]:
        """As an agent does."""

        async def said() -> bool:
            new = await self._coordinator.report(report)
            await self._coordinator.look()
            return new

        return asyncio.run_coroutine_threadsafe(said(), self._loop)

    def stop(self) -> None:
        """As it ends when it is told to: whoever waits is answered."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._coordinator.close_soon)
        self._server.should_exit = True
        self._thread.join(20)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(tmp_path_factory.mktemp("claveld"))
    yield served
    served.stop()


@pytest.fixture(scope="module")
def described(served: Served) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_url(f"{served.url}/v1/openapi.json")


schema = schemathesis.pytest.from_fixture("described")


@schema.parametrize()
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_answer_is_the_servers_fault(served: Served, case: schemathesis.Case) -> None:
    if "wait" in (case.query or {}):
        case.query["wait"] = 0
    for role in (Role.AGENT, Role.OPERATOR):
        answer = case.call(headers={"Authorization": f"Bearer {served.tokens[role]}"})
        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == ["application/problem+json"]


def test_a_deployment_is_what_it_was_after_all_that(served: Served) -> None:
    async def found() -> object:
        database = await Database.open(served._folder / "claveld.db", MIGRATIONS)
        try:
            return await Deployments(database).find(f"amber@{served.first.id}")
        finally:
            await database.close()

    assert asyncio.run(found()) == [served.first]
