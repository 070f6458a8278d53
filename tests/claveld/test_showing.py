"""What a console elsewhere is told: all at first, then what has changed; and what agents tell of their units."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from clavel_tui.domain.facts import Container, Facts
from clavel_tui.domain.health import Level
from clavel_tui.domain.outcome import Outcome
from clavel_tui.fleet.news import FleetNews, timeless
from clavel_tui.fleet.state import FleetState
from tests.history.test_agents import report
from tests.history.test_deployments import deployment, path

from .conftest import NAMES, Claveld

WELL = Facts(unit="amber", at=5.0, os="NixOS", boot_id="b", uptime=60.0, current=path("a"), profile=path("a"), docker="27.1")
SICK = WELL.model_copy(
    update={
        "containers": (
            Container(
                project="web", service="app", id="c1", image="sha256:1", state="exited", exit_code=1, working_dir="/srv/web"
            ),
        )
    }
)


async def news(claveld: Claveld, start: str = "", after: int = 0, wait: float = 0) -> FleetNews:
    answer = await claveld.get(f"/v1/fleet?start={start}&after={after}&wait={wait}")
    assert answer.status_code == 200, answer.text
    return FleetNews.model_validate_json(answer.text)


async def tell(claveld: Claveld, facts: Facts, unit: str = "amber", who: str = "amber") -> int:
    return (await claveld.post(f"/v1/facts/{unit}", facts.model_dump(mode="json"), who)).status_code


async def test_everything_at_first_and_then_what_has_changed(claveld: Claveld) -> None:
    first = await news(claveld)
    assert first.names == NAMES
    assert [state.unit.name for state in first.units] == list(NAMES)
    assert (await news(claveld, first.start, first.version)).units == ()

    waiting = asyncio.create_task(news(claveld, first.start, first.version, 20))
    await asyncio.sleep(0.1)
    assert await tell(claveld, SICK) == 204
    second = await asyncio.wait_for(waiting, 5)
    (amber,) = second.units
    assert second.version > first.version
    assert amber.health.level is Level.FAILED
    assert amber.facts
    assert amber.facts.containers == SICK.containers

    known = second.told(first.told(None))
    assert [state.unit.name for state in known.units] == list(NAMES)
    now = known.unit("amber")
    assert now
    assert timeless(now) == amber
    assert known == (await news(claveld)).told(None)


async def test_another_run_of_claveld_tells_everything_anew(claveld: Claveld) -> None:
    first = await news(claveld)
    assert len((await news(claveld, "earlier", first.version + 5)).units) == 2


async def test_an_agent_that_is_only_heard_of_is_no_news_and_is_seen_all_the_same(claveld: Claveld) -> None:
    first = await news(claveld)
    assert first.told(None).units[0].agent
    await claveld.get("/v1/deployments/amber", "amber")
    again = await news(claveld, first.start, first.version)
    assert again.units == ()
    agent = again.heard(again.told(first.told(None))).units[0].agent
    assert agent
    assert agent.seen > 0
    assert agent.next_poll > agent.seen


async def test_a_report_and_a_ref_that_moves_are_news_of_their_unit(claveld: Claveld) -> None:
    first = await news(claveld)
    said = report(1, desired=deployment("amber").id, outcome=Outcome.SUCCEEDED, health=Level.OK).model_dump(mode="json")
    assert (await claveld.post("/v1/reports", said, "amber")).status_code == 200
    second = await news(claveld, first.start, first.version, 5)
    assert [state.unit.name for state in second.units] == ["amber"]
    await claveld.evaluated(deployment("beryl", "b"))
    await claveld.coordinator.journal.record([("say", "", "", "as an evaluation ends")])
    third = await news(claveld, second.start, second.version, 5)
    (beryl,) = third.units
    assert beryl.head
    assert beryl.head.nar_id == path("b")


async def test_facts_are_of_the_agents_own_unit_and_of_the_time_they_came(claveld: Claveld) -> None:
    assert await tell(claveld, WELL, "beryl") == 403
    assert await tell(claveld, WELL, who="operator") == 403
    assert await tell(claveld, WELL.model_copy(update={"unit": "beryl"})) == 204
    amber, beryl = (await news(claveld)).told(None).units
    assert amber.facts
    assert (amber.facts.unit, amber.facts.os) == ("amber", "NixOS")
    assert amber.facts.at > 1e9
    assert beryl.facts is None
    assert amber.agent
    assert amber.agent.refused == "it told facts of beryl"


async def test_what_would_be_written_onto_a_terminal_is_cleaned(claveld: Claveld) -> None:
    assert await tell(claveld, WELL.model_copy(update={"os": "\x1b[2Jgone", "failed_units": ("a\x9b31mb",)})) == 204
    facts = (await news(claveld)).told(None).units[0].facts
    assert facts
    assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in facts.os + facts.failed_units[0])


async def test_facts_that_are_too_long_are_refused(claveld: Claveld) -> None:
    many: dict[str, Any] = WELL.model_dump(mode="json") | {"failed_units": ["x" * 1000] * 1100}
    answer = await claveld.post("/v1/facts/amber", many, "amber")
    assert (answer.status_code, "1048576 bytes" in answer.text) == (413, True)
    few = json.loads(json.dumps(many)) | {"failed_units": ["x" * 1000] * 500}
    assert (await claveld.post("/v1/facts/amber", few, "amber")).status_code == 204
    assert (await claveld.post("/v1/reports", few, "amber")).status_code == 413


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ('"took": NaN', "number"),
        ('"load": [Infinity]', "number"),
        ('"disks": [{"at": "/", "size": 1, "used": 1' + "0" * 400 + ', "free": 1}]', "number"),
        ('"generations": [[1' + "0" * 30 + ', "/nix/store/x"]]', "number"),
        ('"checks": [' + ", ".join(['{"line": "x", "code": 0}'] * 2001) + "]", "more than 2000"),
        ('"image_ids": [' + ", ".join(['"x"'] * 20_001) + "]", "more than 20000"),
    ],
)
async def test_facts_that_no_unit_has_are_refused_and_blind_nobody(claveld: Claveld, what: str, text: str) -> None:
    """One agent that was taken over must not be what keeps every console from the fleet."""
    headers = {"Authorization": f"Bearer {claveld.tokens['amber']}", "Content-Type": "application/json"}
    answer = await claveld.client.post("/v1/facts/amber", content=f'{{"unit": "amber", "at": 1, {what}}}', headers=headers)
    assert (answer.status_code, text in answer.text) == (422, True), answer.text
    assert (await news(claveld)).told(None).units[0].facts is None


async def test_a_unit_of_hundreds_of_projects_costs_no_more_than_its_containers(claveld: Claveld) -> None:
    many = tuple(Container(project=f"p{n}", service="a", id=f"c{n}", image="sha256:1", state="running") for n in range(2000))
    assert await tell(claveld, WELL.model_copy(update={"containers": many})) == 204
    assert len((await news(claveld)).units[0].stacks) == 2000


async def test_only_an_agent_may_send_a_long_body(claveld: Claveld) -> None:
    """It is read before anybody looks at the token."""
    long = {"x": "x" * 100_000}
    for who in ("nobody", "viewer", "operator", ""):
        assert (await claveld.post("/v1/facts/amber", long, who)).status_code == 413, who


async def test_a_unit_whose_agent_is_silent_is_not_well(claveld: Claveld) -> None:
    await tell(claveld, WELL)
    first = await news(claveld)
    assert first.heard(first.told(None)).units[0].health.level is Level.OK
    late = first.model_copy(update={"at": first.at + 1000})
    amber = late.heard(late.told(None)).units[0]
    assert (amber.health.level, amber.trouble) == (Level.UNREACHABLE, "its agent is not heard of any more")
    assert first.heard(late.told(None)).units[0].health.level is Level.OK


async def test_the_whole_state_goes_over_the_wire_and_back(claveld: Claveld) -> None:
    await tell(claveld, SICK)
    told = (await news(claveld)).told(None)
    assert FleetState.model_validate_json(told.model_dump_json()) == told


async def test_what_a_newer_agent_sees_beyond_what_is_known_here_is_passed_over(claveld: Claveld) -> None:
    said = WELL.model_dump(mode="json") | {"a_thing_of_tomorrow": 1}
    said["disks"] = [{"at": "/", "size": 10, "used": 5, "free": 5, "another": "x"}]
    answer = await claveld.post("/v1/facts/amber", said, "amber")
    assert answer.status_code == 204, answer.text
    (amber,) = [state for state in (await news(claveld)).units if state.unit.name == "amber"]
    assert amber.facts
    assert amber.facts.os == "NixOS"
