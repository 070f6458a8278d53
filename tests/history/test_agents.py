"""What is kept of agents: tokens as hashes, reports once each, and what an agent that is away will hear."""

import sqlite3
from pathlib import Path

import pytest

from clavel_tui.domain.agent import Agent, AgentSpecification, Order, Phase, Report, Role, Told
from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.health import Level
from clavel_tui.domain.outcome import Outcome
from clavel_tui.history import MIGRATIONS
from clavel_tui.history.agents import REPORTS_KEPT, Agents, hashed
from clavel_tui.store import Database

AMBER = Agent(name="amber", specification=AgentSpecification(deployments=("amber",)))


def report(number: int = 1, **said: object) -> Report:
    return Report.model_validate({"event": f"{number:032x}", "agent": "amber", "name": "amber", "at": 5.0, **said})


@pytest.fixture
async def agents(tmp_path: Path) -> Agents:
    agents = Agents(await Database.open(tmp_path / "j.db", MIGRATIONS), lambda: 100.0)
    await agents.add(AMBER, "ann")
    return agents


async def test_a_token_is_kept_as_its_hash_alone(agents: Agents, tmp_path: Path) -> None:
    token = await agents.new_token("amber", Role.AGENT)
    assert token not in (tmp_path / "j.db").read_bytes().decode("latin1") + (tmp_path / "j.db-wal").read_bytes().decode("latin1")
    holder = (await agents.holders())[hashed(token)]
    assert (holder.name, holder.role, holder.ends) == ("amber", Role.AGENT, None)


async def test_a_new_token_leaves_the_old_one_its_time(agents: Agents) -> None:
    old = await agents.new_token("amber", Role.AGENT)
    new = await agents.new_token("amber", Role.AGENT, others_end=160.0)
    later = await agents.new_token("amber", Role.AGENT, others_end=200.0)
    holders = await agents.holders()
    assert [holders[hashed(token)].ends for token in (old, new, later)] == [160.0, 200.0, None]
    assert await agents.revoke("amber", Role.AGENT) == 3
    assert await agents.holders() == {}


async def test_what_is_removed_has_no_token(agents: Agents) -> None:
    await agents.new_token("amber", Role.AGENT)
    operator = await agents.new_token("amber", Role.OPERATOR)  # a person of that name is somebody else
    await agents.remove("amber", "ann")
    assert [*await agents.holders()] == [hashed(operator)]
    with pytest.raises(RefusedError, match="no agent amber"):
        await agents.remove("amber", "ann")


async def test_a_report_that_comes_twice_counts_once(agents: Agents) -> None:
    first = report(1, phase=Phase.APPLYING)
    assert await agents.report(first)
    assert not await agents.report(first)
    assert await agents.report(report(2, phase=Phase.IDLE, outcome=Outcome.SUCCEEDED))
    (said,) = (await agents.latest())["amber"]
    assert said.report.outcome is Outcome.SUCCEEDED
    assert [one.report.event for one in await agents.reports("amber")] == [f"{2:032x}", f"{1:032x}"]
    events = await agents._db.rows("SELECT text FROM events WHERE kind = 'report'")
    assert [row[0] for row in events] == ["amber: applying", "amber: idle, succeeded"]


async def test_reports_do_not_change_and_are_bounded(agents: Agents, tmp_path: Path) -> None:
    for number in range(REPORTS_KEPT + 5):
        await agents.report(report(number))
    assert len(await agents.reports("amber", 10_000)) == REPORTS_KEPT
    with sqlite3.connect(tmp_path / "j.db") as raw, pytest.raises(sqlite3.IntegrityError, match="does not change"):
        raw.execute("UPDATE reports SET body = ''")


async def test_what_was_applied_and_found_well_is_good(agents: Agents) -> None:
    said = [("a", Outcome.SUCCEEDED, Level.OK), ("b", Outcome.RETURNED, Level.OK), ("c", Outcome.SUCCEEDED, Level.FAILED)]
    for number, (ident, outcome, health) in enumerate([*said, ("a", Outcome.NO_CHANGE, Level.DEGRADED)]):
        await agents.report(report(number, desired=ident * 64, outcome=outcome, health=health))
    assert await agents.good("amber") == ["a" * 64]


async def test_an_agent_hears_what_it_was_told_last(agents: Agents) -> None:
    await agents.tell("amber", Order.HOLD, "ann")
    await agents.tell("amber", Order.RELEASE, "bob")
    assert (await agents.all())["amber"] == (AMBER, Told(order=Order.RELEASE, number=100_002))
    with pytest.raises(RefusedError):
        await agents.tell("beryl", Order.HOLD, "ann")


async def test_what_was_good_is_found_however_many_reports_came_since(agents: Agents) -> None:
    await agents.report(report(0, desired="a" * 64, outcome=Outcome.SUCCEEDED, health=Level.OK))
    for number in range(1, REPORTS_KEPT + 10):
        await agents.report(report(number, phase=Phase.FAILED))
    assert await agents.good("amber") == ["a" * 64]


async def test_orders_behind_a_new_registration_are_newer_than_those_before_it(tmp_path: Path) -> None:
    times = iter(range(100, 200))
    agents = Agents(await Database.open(tmp_path / "j.db", MIGRATIONS), lambda: float(next(times)))
    numbers = []
    for order in (Order.HOLD, Order.RELEASE):
        await agents.add(AMBER, "ann")
        await agents.tell("amber", order, "ann")
        _, told = (await agents.all())["amber"]
        assert told
        numbers.append(told.number)
        await agents.remove("amber", "ann")
    assert numbers[1] > numbers[0]
