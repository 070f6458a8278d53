"""A rollback of a unit that pulls goes over claveld, which is real here, and ends with what the agent says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from clavel_tui.bus.for_console import ConsoleClient
from clavel_tui.domain.agent import Agent, AgentSpecification, AgentState, Phase, Role, Said
from clavel_tui.domain.deployment import Deployment
from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.health import Level
from clavel_tui.domain.operation import Operation, Origin, Plan, Request, State, Verb
from clavel_tui.domain.outcome import Outcome
from clavel_tui.domain.unit import Unit, UnitType
from clavel_tui.operations.parts import Clock
from clavel_tui.operations.pull_plan import PullPlanner, PullRun
from tests.claveld.test_fuzz import Served
from tests.history.test_agents import report
from tests.history.test_deployments import deployment

AMBER = Unit(name="amber", type=UnitType.NIXOS, arch="x86_64-linux", address="amber")
A, B = deployment("amber", "a"), deployment("amber", "b")
BACK = Request(unit="amber", stack="", verb=Verb.ROLLBACK)


@pytest.fixture
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Its ref points to B; A was there before."""
    served = Served(tmp_path_factory.mktemp("claveld"))
    yield served
    served.stop()


class FakeJournal:
    """Keeps the last word."""

    def __init__(self) -> None:
        self.last: Operation | None = None

    async def record(self, *_: object) -> None:
        pass

    async def settle(self, operation: Operation) -> bool:
        self.last = operation
        return True


def parts(served: Served | None, role: Role = Role.OPERATOR) -> Any:  # noqa: ANN401  what of Parts is used
    claveld = ConsoleClient(served.url, lambda: served.tokens[role], "test") if served else None
    return SimpleNamespace(claveld=claveld, clock=Clock(time.time), journal=FakeJournal())


def watch(phase: Phase | None = Phase.IDLE) -> Any:  # noqa: ANN401  what of Watch is used
    reports = (Said(seq=1, received=1, report=report(1, phase=phase)),) if phase else ()
    agent = AgentState(agent=Agent(name="amber", specification=AgentSpecification(deployments=("amber",))), reports=reports)
    facts = SimpleNamespace(generations=((7, A.nar_id),))
    return SimpleNamespace(state=lambda _unit: SimpleNamespace(agent=agent if phase else None, facts=facts))


async def say(served: Served, number: int, what: Deployment, **said: object) -> None:
    more = {"desired": what.id, "running": what.nar_id, "outcome": Outcome.SUCCEEDED, "health": Level.OK, **said}
    await asyncio.wrap_future(served.say(report(number, **more)))


async def planned(served: Served, **said: str) -> Plan:
    found = await PullPlanner(parts(served), watch()).plan(BACK.model_copy(update=said), AMBER, "rollback amber")
    assert found
    return found


async def test_a_unit_that_does_not_pull_or_is_held_is_pushed_to(served: Served) -> None:
    for ours, watched in ((parts(None), watch()), (parts(served), watch(None)), (parts(served), watch(Phase.HELD))):
        assert await PullPlanner(ours, watched).plan(BACK, AMBER, "") is None
    deploy = BACK.model_copy(update={"verb": Verb.DEPLOY})
    assert await PullPlanner(parts(served), watch()).plan(deploy, AMBER, "") is None


async def test_the_last_that_its_agent_found_well_is_meant_where_none_is_said(served: Served) -> None:
    with pytest.raises(RefusedError, match="no agent has reported another Deployment of amber"):
        await planned(served)
    await say(served, 1, A)
    await say(served, 2, B)
    plan = await planned(served)
    assert plan.pull
    assert (plan.pull.deployment, plan.pull.nar_id, plan.request.pull) == (A.id, A.nar_id, True)
    assert "its ref goes from" in plan.notes[0]


@pytest.mark.parametrize("said", [A.nar_id, f"amber@{A.id[:8]}", A.id, "7"])
async def test_any_recorded_one_by_its_path_its_name_or_a_generation_that_runs_it(served: Served, said: str) -> None:
    plan = await planned(served, release=said)
    assert plan.pull
    assert plan.pull.deployment == A.id


@pytest.mark.parametrize("said", ["/nix/store/" + "z" * 32 + "-foreign", "0000", "12"])
async def test_what_claveld_has_not_recorded_is_refused_with_the_way_to_push_it(served: Served, said: str) -> None:
    with pytest.raises(RefusedError, match="claveld has recorded no Deployment of amber") as error:
        await planned(served, release=said)
    assert "agent hold amber" in error.value.hint


async def test_a_claveld_that_is_away_is_told(served: Served) -> None:
    ours = parts(served)
    served.stop()
    with pytest.raises(RefusedError, match=r"amber pulls, and http.* cannot be reached"):
        await PullPlanner(ours, watch()).plan(BACK, AMBER, "")


async def carried(served: Served, plan: Plan, role: Role = Role.OPERATOR) -> asyncio.Task[Operation]:
    ours = parts(served, role)
    assert plan.pull
    operation = Operation(
        id="0" * 16, request=plan.request, origin=Origin(operator="ann", reason="why"), state=State.RUNNING, started=time.time()
    )
    run = PullRun(ours, ours.claveld, plan.pull, operation)

    async def carry() -> Operation:
        await run.carry()
        return run.operation

    return asyncio.create_task(carry())


async def test_it_succeeds_when_the_agent_has_seen_it_run_and_not_before(served: Served) -> None:
    task = await carried(served, await planned(served, release=A.id))
    await asyncio.sleep(0.3)
    await say(served, 1, A, phase=Phase.APPLYING, running=B.nar_id)
    await asyncio.sleep(0.3)
    assert not task.done()
    await say(served, 2, A)
    done = await asyncio.wait_for(task, 5)
    assert (done.outcome, done.came_from) == (Outcome.SUCCEEDED, f"amber@{B.id[:8]}")
    assert "runs, as its agent has seen" in done.text


async def test_one_that_returns_by_itself_is_told_so(served: Served) -> None:
    task = await carried(served, await planned(served, release=A.id))
    await say(served, 1, A, phase=Phase.QUARANTINED, running=B.nar_id, outcome=Outcome.RETURNED, text="returned to b")
    done = await asyncio.wait_for(task, 5)
    assert (done.outcome, done.text) == (Outcome.RETURNED, "returned to b")


async def test_a_ref_that_moved_meanwhile_and_a_token_that_may_not_change_nothing(served: Served) -> None:
    plan = await planned(served, release=A.id)
    viewer = await asyncio.wait_for(await carried(served, plan, Role.VIEWER), 5)
    assert (viewer.outcome, "changes nothing" in viewer.text) == (Outcome.REFUSED, True)
    claveld = ConsoleClient(served.url, lambda: served.tokens[Role.OPERATOR], "test")
    await claveld.roll_back("amber", B.id)
    done = await asyncio.wait_for(await carried(served, plan), 5)
    assert done.outcome is Outcome.REFUSED
    assert "was moved meanwhile" in done.text
