"""What operators and consoles see and change over the API."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from clavel_tui.domain.health import Level
from clavel_tui.domain.outcome import Outcome
from tests.history.test_agents import report
from tests.history.test_deployments import deployment, path

from .conftest import Claveld

A, B = deployment("amber"), deployment("amber", "b")


async def test_a_ref_goes_back_to_what_an_agent_found_well_and_stays(claveld: Claveld) -> None:
    await claveld.evaluated(B)
    refused = await claveld.post("/v1/refs/amber/rollback", {})
    assert refused.status_code == 422
    assert "no agent has reported another Deployment of amber" in refused.json()["detail"]
    well = report(1, desired=A.id, outcome=Outcome.SUCCEEDED, health=Level.OK).model_dump(mode="json")
    assert (await claveld.post("/v1/reports", well, "amber")).status_code == 200

    moved = (await claveld.post("/v1/refs/amber/rollback", {"why": "b is slow"})).json()
    assert moved["deployment"]["id"] == A.id
    assert (moved["pin"]["operator"], moved["pin"]["why"]) == ("ann", "b is slow")
    assert (await claveld.get("/v1/deployments/amber", "amber")).json()["specification"]["template"]["narId"] == path("a")
    await claveld.evaluated(B)
    assert (await claveld.get("/v1/refs/amber")).json()["deployment"]["id"] == A.id
    after = (await claveld.post("/v1/refs/amber/unpin", {})).json()
    assert (after["deployment"]["id"], after["pin"]) == (B.id, None)
    whys = [move["why"] for move in (await claveld.get("/v1/refs/amber/moves")).json()]
    assert whys == ["unpinned", "b is slow", "evaluated main", "evaluated main"]


async def test_to_any_recorded_one_by_a_beginning_of_its_id(claveld: Claveld) -> None:
    await claveld.evaluated(B)
    assert (await claveld.post("/v1/refs/amber/rollback", {"to": A.id[:8]})).json()["deployment"]["id"] == A.id
    assert (await claveld.post("/v1/refs/amber/rollback", {"to": f"amber@{B.id[:8]}"})).json()["deployment"]["id"] == B.id
    for to in ("0000", "beryl"):
        assert (await claveld.post("/v1/refs/amber/rollback", {"to": to})).status_code == 422
    assert (await claveld.post("/v1/refs/none/rollback", {"to": A.id})).status_code == 422


async def test_who_has_seen_an_older_revision_moves_nothing(claveld: Claveld) -> None:
    await claveld.evaluated(B)
    seen = (await claveld.get("/v1/refs/amber")).json()["revision"]
    answers = await asyncio.gather(
        *(claveld.post("/v1/refs/amber/rollback", {"to": one.id, "revision": seen}) for one in (A, B, A, B))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert "was moved meanwhile" in next(answer for answer in answers if answer.status_code == 409).json()["detail"]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST"])
async def test_a_deployment_is_changed_by_no_request(claveld: Claveld, method: str) -> None:
    headers = {"Authorization": f"Bearer {claveld.tokens['operator']}"}
    for where in ("/v1/deployments/amber", f"/v1/deployments/amber@{A.id}", "/v1/deployments"):
        answer = await claveld.client.request(method, where, json={}, headers=headers)
        assert answer.status_code == 405
        assert answer.headers["Content-Type"] == "application/problem+json"


async def test_nor_in_the_database(claveld: Claveld, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "claveld.db") as raw, pytest.raises(sqlite3.IntegrityError, match="immutable"):
        raw.execute("UPDATE deployments SET body = '{}'")


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("/v1/refs/amber/rollback", {"to": A.id}),
        ("/v1/refs/amber/pin", {}),
        ("/v1/refs/amber/unpin", {}),
        ("/v1/agents/amber/orders", {"order": "hold"}),
        ("/v1/sources/main/evaluations", {}),
        ("/v1/sources/main/pin", {}),
        ("/v1/sources/main/unpin", {}),
    ],
)
async def test_a_viewer_changes_nothing(claveld: Claveld, where: str, said: dict[str, str]) -> None:
    before = await claveld.coordinator.journal.last_seq()
    for who, status in (("viewer", 403), ("amber", 403), ("", 401)):
        assert (await claveld.post(where, said, who)).status_code == status
    assert await claveld.coordinator.journal.last_seq() == before
    assert claveld.engine.sources_asked == []


async def test_an_operator_has_a_source_evaluated_and_only_one_that_the_fleet_names(claveld: Claveld) -> None:
    answer = await claveld.post("/v1/sources/main/evaluations", {})
    assert (answer.status_code, answer.json()) == (202, {"operation": "0123456789abcdef"})
    assert claveld.engine.sources_asked == [("main", "asked for by ann")]
    refused = await claveld.post("/v1/sources/other/evaluations", {})
    assert refused.status_code == 422
    assert "its sources are: main" in refused.json()["hint"]


async def test_events_come_in_order_and_who_waits_hears_the_next(claveld: Claveld) -> None:
    events = (await claveld.get("/v1/events")).json()
    last = events[-1]["seq"]
    assert [event["seq"] for event in events] == list(range(events[0]["seq"], last + 1))
    wait = asyncio.create_task(claveld.get(f"/v1/events?after={last}&wait=60"))
    await asyncio.sleep(0.05)
    await claveld.post("/v1/agents/amber/orders", {"order": "hold"})
    (event,) = (await asyncio.wait_for(wait, 20.0)).json()
    assert (event["seq"], event["kind"], event["unit"], event["text"]) == (last + 1, "agent", "amber", "told to hold: ann")


async def test_health_asks_for_no_token_and_metrics_count(claveld: Claveld) -> None:
    assert (await claveld.get("/healthz", "")).json()["status"] == "ok"
    await claveld.get("/v1/deployments/amber", "amber")
    said = (await claveld.get("/metrics")).text
    for line in (
        'claveld_agents{seen="now"} 1.0',
        'claveld_agents{seen="never"} 1.0',
        "claveld_refs 2.0",
        "claveld_refs_pinned 0.0",
    ):
        assert line in said.splitlines()


async def test_units_sources_and_operations_are_listed(claveld: Claveld) -> None:
    assert [unit["name"] for unit in (await claveld.get("/v1/units")).json()] == ["amber", "beryl"]
    assert [state["source"]["name"] for state in (await claveld.get("/v1/sources")).json()] == ["main"]
    assert (await claveld.get("/v1/operations")).json() == []
    assert (await claveld.get("/v1/operations/0123")).status_code == 404
    assert [one["deployment"]["name"] for one in (await claveld.get("/v1/deployments?name=beryl")).json()] == ["beryl"]
