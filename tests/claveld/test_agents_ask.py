"""An agent asks for its Deployments by name, hears of changes while it waits, and reports for itself alone."""

from __future__ import annotations

import asyncio
import time

import pytest

from clavel_tui.claveld import limits
from clavel_tui.domain.agent import POLL_S, Order, Role
from tests.history.test_agents import report
from tests.history.test_deployments import deployment, path

from .conftest import Claveld


async def test_a_deployment_comes_by_its_name_in_the_seeds_own_words(claveld: Claveld) -> None:
    answer = await claveld.get("/v1/deployments/amber", "amber")
    assert answer.status_code == 200
    said = answer.json()
    assert said["name"] == "amber"
    assert said["metadata"]["sourceHash"] == "sha256-1"
    assert said["specification"]["unit"] == "amber"
    assert set(said["specification"]["template"]) == {"narId", "substituters", "substituters-public-keys", "metadata"}
    assert said["specification"]["template"]["narId"] == path("a")


async def test_what_has_not_changed_is_not_sent_again(claveld: Claveld) -> None:
    tag = (await claveld.get("/v1/deployments/amber", "amber")).headers["ETag"]
    again = await claveld.get("/v1/deployments/amber", "amber", **{"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")


async def test_who_waits_hears_of_a_change_at_once_and_of_nobody_elses(claveld: Claveld) -> None:
    waits = {}
    for name, wait in (("amber", 60), ("beryl", 6)):
        tag = (await claveld.get(f"/v1/deployments/{name}", name)).headers["ETag"]
        waits[name] = asyncio.create_task(claveld.get(f"/v1/deployments/{name}?wait={wait}", name, **{"If-None-Match": tag}))
    await asyncio.sleep(0.1)
    await claveld.evaluated(deployment("amber", "b"), deployment("beryl"))
    told = await asyncio.wait_for(waits["amber"], 20.0)
    assert told.json()["specification"]["template"]["narId"] == path("b")
    assert not waits["beryl"].done()
    assert (await waits["beryl"]).status_code == 304


async def test_an_order_is_heard_by_one_who_waits_also_when_it_is_said_twice(claveld: Claveld) -> None:
    tag = (await claveld.get("/v1/deployments/amber", "amber")).headers["ETag"]
    numbers = [0]
    for _ in range(2):
        wait = asyncio.create_task(claveld.get("/v1/deployments/amber?wait=60", "amber", **{"If-None-Match": tag}))
        await asyncio.sleep(0.05)
        assert (await claveld.post("/v1/agents/amber/orders", {"order": "release"})).status_code == 200
        told = await asyncio.wait_for(wait, 20.0)
        assert told.headers["Clavel-Order"] == Order.RELEASE.value
        numbers.append(int(told.headers["Clavel-Order-Number"]))
        assert numbers[-1] > numbers[-2]
        tag = told.headers["ETag"]
    assert (await claveld.get("/v1/deployments/amber")).headers.get("Clavel-Order") is None  # a viewer was told nothing


async def test_when_claveld_stops_whoever_waits_is_answered(claveld: Claveld) -> None:
    tag = (await claveld.get("/v1/deployments/amber", "amber")).headers["ETag"]
    wait = asyncio.create_task(claveld.get("/v1/deployments/amber?wait=60", "amber", **{"If-None-Match": tag}))
    await asyncio.sleep(0.05)
    claveld.coordinator.close_soon()
    assert (await asyncio.wait_for(wait, 20.0)).status_code == 304


async def test_a_recorded_one_comes_by_its_full_name_for_ever(claveld: Claveld) -> None:
    first = deployment("amber")
    await claveld.evaluated(deployment("amber", "b"))
    answer = await claveld.get(f"/v1/deployments/amber@{first.id[:8]}", "amber")
    assert answer.json()["id"] == first.id
    assert "immutable" in answer.headers["Cache-Control"]
    missing = await claveld.get("/v1/deployments/amber@00000000", "amber")
    assert missing.status_code == 404


@pytest.mark.parametrize(
    ("who", "path_", "status", "word"),
    [
        ("", "/v1/deployments/amber", 401, "who asks is not said"),
        ("clv_agent_wrong", "/v1/deployments/amber", 401, "not good"),
        ("amber", "/v1/deployments/beryl", 403, "may not ask for beryl"),
        ("amber", "/v1/deployments/beryl@0123456789", 403, "may not ask for beryl"),
        ("amber", "/v1/agents", 403, "nothing else"),
        ("amber", "/v1/refs", 403, "nothing else"),
        ("amber", "/v1/events", 403, "nothing else"),
        ("amber", "/metrics", 403, "nothing else"),
        ("viewer", "/v1/deployments/none", 404, "nothing was evaluated"),
        ("viewer", "/v1/deployments/No!", 422, "said"),
        ("viewer", "/v1/nothing", 404, ""),
    ],
)
async def test_what_is_refused_says_why_and_what_to_do(claveld: Claveld, who: str, path_: str, status: int, word: str) -> None:
    answer = await claveld.get(path_, who)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert word in problem["detail"]
    if status in {401, 404}:
        assert problem["hint"]


async def test_a_token_that_has_ended_or_was_revoked_is_good_no_more(claveld: Claveld) -> None:
    agents = claveld.coordinator.agents
    ended = await agents.new_token("late", Role.VIEWER, ends=time.time() - 1)
    new = await agents.new_token("amber", Role.AGENT, others_end=time.time() + 60)
    await claveld.coordinator.look()
    assert (await claveld.get("/v1/refs", ended)).status_code == 401
    assert {(await claveld.get("/v1/deployments/amber", who)).status_code for who in ("amber", new)} == {200}
    await agents.remove("amber", "ann")
    await claveld.coordinator.look()
    assert {(await claveld.get("/v1/deployments/amber", who)).status_code for who in ("amber", new)} == {401}


async def test_an_agent_reports_for_itself_and_its_own_deployments(claveld: Claveld) -> None:
    good = report(1).model_dump(mode="json")
    assert (await claveld.post("/v1/reports", good, "amber")).json() == {"new": True}
    assert (await claveld.post("/v1/reports", good, "amber")).json() == {"new": False}
    for who, said, status in (
        ("beryl", good, 403),
        ("amber", {**good, "name": "beryl", "event": "f" * 32}, 403),
        ("viewer", good, 403),
        ("operator", good, 403),
        ("", good, 401),
        ("amber", {**good, "phase": "dancing"}, 422),
        ("amber", {**good, "event": "short"}, 422),
    ):
        assert (await claveld.post("/v1/reports", said, who)).status_code == status, (who, said)
    (amber, beryl) = (await claveld.get("/v1/agents")).json()
    assert [said["report"]["event"] for said in amber["reports"]] == [f"{1:032x}"]
    assert beryl["reports"] == []


async def test_an_agent_is_seen_when_it_asks_and_away_when_it_is_late(claveld: Claveld) -> None:
    await claveld.get("/v1/deployments/amber", "amber")
    amber, beryl = claveld.coordinator.states()
    assert not beryl.seen
    assert not amber.away(amber.seen + POLL_S)
    assert amber.away(amber.seen + 2 * POLL_S + 1)


async def test_a_body_that_is_too_long_is_not_read(claveld: Claveld) -> None:
    long = {**report(1).model_dump(mode="json"), "text": "x" * (limits.BODY_BYTES + 1)}
    assert (await claveld.post("/v1/reports", long, "amber")).status_code == 413

    async def chunks():  # noqa: ANN202
        for _ in range(100):
            yield b"x" * 1024

    headers = {"Authorization": f"Bearer {claveld.tokens['amber']}"}
    answer = await claveld.client.post("/v1/reports", content=chunks(), headers=headers)
    assert answer.status_code == 413


async def test_one_that_guesses_is_slowed_down_and_the_others_are_not(claveld: Claveld) -> None:
    answers = [(await claveld.get("/v1/refs", "clv_viewer_guess")).status_code for _ in range(30)]
    assert answers[0] == 401
    assert answers[-1] == 429
    assert (await claveld.get("/v1/refs")).status_code == 200


async def test_one_that_asks_without_end_is_slowed_down(claveld: Claveld) -> None:
    claveld.app.state.asked.clock = lambda: 0.0  # else some are let in again meanwhile
    answers = [await claveld.get("/v1/deployments/amber", "amber") for _ in range(int(limits.ASKED_AT_ONCE) + 20)]
    assert {answer.status_code for answer in answers} == {200, 429}
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert (await claveld.get("/v1/deployments/beryl", "beryl")).status_code == 200


async def test_what_an_agent_was_refused_is_told_once_and_shown_until_it_is_well(claveld: Claveld) -> None:
    ended = await claveld.coordinator.agents.new_token("amber", Role.AGENT, ends=time.time() - 1)
    await claveld.coordinator.look()
    for _ in range(3):
        await claveld.get("/v1/deployments/beryl", "amber")
    assert (await claveld.get("/v1/agents")).json()[0]["refused"] == "it may not ask for beryl"
    await claveld.get("/v1/deployments/amber", ended)
    await claveld.post("/v1/reports", {**report(1).model_dump(mode="json"), "agent": "beryl"}, "amber")
    told = [event["text"] for event in (await claveld.get("/v1/events")).json() if event["kind"] == "warn"]
    assert told == [
        "refused: it may not ask for beryl",
        "refused: its token has ended; asked from 127.0.0.1",
        "refused: it reported for beryl",
    ]
    await claveld.get("/v1/deployments/amber", "amber")
    assert (await claveld.get("/v1/agents")).json()[0]["refused"] == ""


async def test_an_agent_that_reports_or_is_refused_without_end_fills_no_journal(claveld: Claveld) -> None:
    before = await claveld.coordinator.journal.last_seq()
    codes = [
        (await claveld.post("/v1/reports", report(number).model_dump(mode="json"), "amber")).status_code
        for number in range(int(limits.REPORTS_AT_ONCE) + 20)
    ]
    assert set(codes) == {200, 429}
    for number in range(30):
        await claveld.post("/v1/reports", {**report(1).model_dump(mode="json"), "agent": f"other{number}"}, "beryl")
    assert await claveld.coordinator.journal.last_seq() - before < limits.REPORTS_AT_ONCE + 15
