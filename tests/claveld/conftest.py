"""The API over a real journal, asked through ASGI; evaluations are scripted, the rest is real."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from clavel_tui.claveld.app import make_app
from clavel_tui.claveld.coordinator import Coordinator
from clavel_tui.claveld.evaluating import Evaluations
from clavel_tui.claveld.logs import LOG
from clavel_tui.claveld.showing import Showing
from clavel_tui.claveld.waiting import Waiting
from clavel_tui.domain.agent import Agent, AgentSpecification, Role
from clavel_tui.domain.deployment import Deployment
from clavel_tui.domain.operation import Origin
from clavel_tui.domain.source import Source, standing
from clavel_tui.domain.unit import Fleet, Unit, UnitType
from clavel_tui.fleet.state import SourceState
from clavel_tui.history import MIGRATIONS, Journal
from clavel_tui.history.agents import Agents
from clavel_tui.history.deployments import Deployments
from clavel_tui.history.mutes import Mutes
from clavel_tui.history.refs import Refs
from clavel_tui.history.sources import Sources
from clavel_tui.operations import InProcessFleet
from clavel_tui.operations.parts import Clock, Parts
from clavel_tui.remote.local import LocalRunner
from clavel_tui.remote.secrets import Secrets
from clavel_tui.remote.trust import SshFiles
from clavel_tui.store import Database
from tests.history.test_deployments import deployment, evaluation

NAMES = ("amber", "beryl")
FLEET = Fleet(
    name="test",
    units=tuple(Unit(name=name, type=UnitType.NIXOS, arch="x86_64-linux", address=name) for name in NAMES),
    sources=(Source(name="main", url="/repository"),),
)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.LogCaptureFixture]:
    """What claveld logs, which uvicorn keeps from the root's handlers once any test before this one has started it."""
    caplog.set_level(logging.INFO, "uvicorn.error")
    monkeypatch.setattr(LOG, "propagate", False)
    LOG.addHandler(caplog.handler)
    yield caplog
    LOG.removeHandler(caplog.handler)


class Asked:
    """Stands for the engine: says which sources it was asked to evaluate."""

    def __init__(self, kept: Sources | None = None) -> None:
        self.kept = kept
        self.sources_asked: list[tuple[str, str]] = []

    async def sources(self) -> Sequence[SourceState]:
        return [SourceState(source=one) for one in await self.standing()]

    async def standing(self) -> Sequence[Source]:
        return standing(FLEET.sources, await self.kept.all()) if self.kept else FLEET.sources

    async def evaluate(self, source: str, reason: str = "") -> str:
        self.sources_asked.append((source, reason))
        return "0123456789abcdef"


@dataclass
class Claveld:
    """The coordinator, its API, and a token of each kind."""

    coordinator: Coordinator
    client: httpx.AsyncClient
    engine: Asked
    database: Database
    app: FastAPI
    """Its routes, without what is answered before them."""
    tokens: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str, who: str = "viewer", **headers: str) -> httpx.Response:
        return await self.client.get(path, headers={**self._bearer(who), **headers}, timeout=30)

    async def post(self, path: str, said: object, who: str = "operator") -> httpx.Response:
        return await self.client.post(path, json=said, headers=self._bearer(who))

    def _bearer(self, who: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens.get(who, who)}"} if who else {}

    async def evaluated(self, *found: Deployment) -> None:
        """As the engine does it: the coordinator hears of it by looking."""
        await self.coordinator.deployments.record(evaluation(), list(found), "claveld", "evaluated main")
        await self.coordinator.look()


def judging(coordinator: Coordinator, database: Database) -> InProcessFleet:
    """The engine as claveld has it: nothing by which it could change a unit."""

    async def nobody() -> Origin:
        return Origin(operator="claveld", host="test")

    parts = Parts(
        fleet=FLEET, runner=LocalRunner(Secrets()), jobs=None, journal=coordinator.journal, deployments=coordinator.deployments,
        mutes=Mutes(database), clock=Clock(coordinator.wall), origin=nobody, runner_name="test", is_alive=lambda _name: True,
    )  # fmt: skip
    return InProcessFleet(parts, SshFiles(), database.close)


@pytest.fixture
async def claveld(tmp_path: Path) -> AsyncIterator[Claveld]:
    database = await Database.open(tmp_path / "claveld.db", MIGRATIONS)
    agents = Agents(database)
    coordinator = Coordinator(Journal(database, "test"), Deployments(database), Refs(database), agents, Sources(database))
    engine = Asked(coordinator.sources)
    showing = Showing(coordinator, judging(coordinator, database))
    app = make_app(coordinator, Evaluations(FLEET, engine), showing)  # type: ignore[arg-type]
    transport = httpx.ASGITransport(Waiting(app), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://claveld") as client:
        made = Claveld(coordinator, client, engine, database, app)
        for name in NAMES:
            await agents.add(Agent(name=name, specification=AgentSpecification(deployments=(name,))), "ann")
            made.tokens[name] = await agents.new_token(name, Role.AGENT)
        made.tokens["viewer"] = await agents.new_token("desk", Role.VIEWER)
        made.tokens["operator"] = await agents.new_token("ann", Role.OPERATOR)
        await made.evaluated(deployment("amber"), deployment("beryl"))
        yield made
    await database.close()
