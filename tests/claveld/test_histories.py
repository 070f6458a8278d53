"""Whatever operators, agents and evaluations do in any order: a Deployment never changes, and a ref goes where it was told."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from clavel_tui.claveld.app import make_app
from clavel_tui.claveld.coordinator import Coordinator
from clavel_tui.claveld.evaluating import Evaluations
from clavel_tui.claveld.showing import Showing
from clavel_tui.domain.agent import Agent, AgentSpecification, Role
from clavel_tui.history import MIGRATIONS, Journal
from clavel_tui.history.agents import Agents
from clavel_tui.history.deployments import Deployments
from clavel_tui.history.refs import Refs
from clavel_tui.history.sources import Sources
from clavel_tui.store import Database
from tests.history.test_deployments import deployment, evaluation

from .conftest import FLEET, NAMES, Asked, judging

NAME = st.sampled_from(NAMES)
TEXT = st.sampled_from("abcd")
SEEN = st.sampled_from(["now", "not said", "before", "never"])
STEP = st.one_of(
    st.tuples(st.just("evaluate"), NAME, TEXT, SEEN),
    st.tuples(st.sampled_from(["rollback", "pin"]), NAME, TEXT, SEEN),
    st.tuples(st.just("unpin"), NAME, st.just(""), SEEN),
    st.tuples(st.sampled_from(["PUT", "PATCH", "DELETE", "POST"]), NAME, TEXT, SEEN),
    st.tuples(st.just("restart"), NAME, st.just(""), SEEN),
)


@dataclass
class Ref:
    """What we know that it must be."""

    newest: str
    points: str
    pinned: bool = False


@dataclass
class History:
    """One claveld over one file, and beside it what must be true of it."""

    file: Path
    refs: dict[str, Ref] = field(default_factory=dict)
    bodies: dict[str, str] = field(default_factory=dict)
    revisions: dict[str, list[int]] = field(default_factory=lambda: {name: [] for name in NAMES})

    async def open(self) -> None:
        self._database = await Database.open(self.file, MIGRATIONS)
        agents = Agents(self._database)
        database = self._database
        self._claveld = Coordinator(
            Journal(database, "test"), Deployments(database), Refs(database), agents, Sources(database)
        )  # fmt: skip
        if not self.bodies:
            await agents.add(Agent(name="amber", specification=AgentSpecification(deployments=NAMES)), "ann")
        self._bearer = {"Authorization": f"Bearer {await agents.new_token('ann', Role.OPERATOR)}"}
        await self._claveld.look()
        showing = Showing(self._claveld, judging(self._claveld, self._database))
        app = make_app(self._claveld, Evaluations(FLEET, Asked()), showing)  # type: ignore[arg-type]
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://claveld", headers=self._bearer)

    async def close(self) -> None:
        await self._client.aclose()
        await self._database.close()

    async def take(self, what: str, name: str, text: str, seen: str) -> None:
        """One step, and what it may have done."""
        if what == "restart":
            await self.close()
            await self.open()
        elif what == "evaluate":
            await self._evaluate(name, text)
        elif what.isupper():
            answer = await self._client.request(
                what, f"/v1/deployments/{name}@{deployment(name, text).id}", json={"name": "other"}
            )
            assert answer.status_code == 405
        else:
            await self._move(what, name, text, seen)
        await self.check()

    async def _evaluate(self, name: str, text: str) -> None:
        made = deployment(name, text)
        await self._claveld.deployments.record(evaluation(), [made], "claveld", "evaluated main")
        await self._claveld.look()
        ref = self.refs.setdefault(name, Ref(made.id, made.id))
        ref.newest = made.id
        if not ref.pinned:
            ref.points = made.id
        answer = await self._client.get(f"/v1/deployments/{name}@{made.id}")
        assert self.bodies.setdefault(made.id, answer.text) == answer.text

    async def _move(self, what: str, name: str, text: str, seen: str) -> None:
        revisions, wanted = self.revisions[name], deployment(name, text).id
        said = {"now": revisions[-1:], "before": revisions[-2:-1], "never": [2**52]}.get(seen) or [None]
        moved = {"revision": said[0]} if what == "unpin" else {"revision": said[0], "to": wanted}
        answer = await self._client.post(f"/v1/refs/{name}/{what}", json=moved)
        ref = self.refs.get(name)
        stale = said[0] is not None and said[0] != (revisions or [None])[-1]
        there = ref is not None and (ref.pinned if what == "unpin" else wanted in self.bodies)
        event(f"{what} {answer.status_code}")
        if not there or ref is None:
            assert answer.status_code in {404, 409, 422}, answer.text
            return
        assert answer.status_code == (409 if stale else 200), answer.text
        if stale:
            return
        ref.pinned = what != "unpin"
        ref.points = wanted if ref.pinned else ref.newest

    async def check(self) -> None:
        """All of it, as anybody would ask."""
        states = {state["name"]: state for state in (await self._client.get("/v1/refs")).json()}
        assert {name: (s["deployment"]["id"], s["pin"] is not None) for name, s in states.items()} == {
            name: (ref.points, ref.pinned) for name, ref in self.refs.items()
        }
        for name, state in states.items():
            known = self.revisions[name]
            assert state["revision"] >= max(known, default=0)
            if not known or known[-1] != state["revision"]:
                known.append(state["revision"])
            moves = (await self._client.get(f"/v1/refs/{name}/moves")).json()
            assert moves[0]["deployment"] == state["deployment"]["id"]
        for ident, body in self.bodies.items():
            name = next(name for name in NAMES if f'"name":"{name}"' in body)
            assert (await self._client.get(f"/v1/deployments/{name}@{ident}")).text == body


@settings(
    max_examples=25, phases=[Phase.reuse, Phase.generate, Phase.shrink], deadline=None, suppress_health_check=list(HealthCheck)
)
@given(st.lists(STEP, min_size=3, max_size=25))
def test_a_deployment_never_changes_and_a_ref_goes_where_it_was_told(steps: list[tuple[str, str, str, str]]) -> None:
    async def lived(folder: str) -> None:
        history = History(Path(folder, "claveld.db"))
        await history.open()
        try:
            for step in steps:
                await history.take(*step)
        finally:
            await history.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(lived(folder))
