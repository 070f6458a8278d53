"""The bus over a real NATS server: several claveld come to the same, whatever happens to the server and the lines to it."""

import asyncio
import contextlib
import random
import shutil
import signal
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from clavel_tui.bus.claveld import ClaveldError
from clavel_tui.bus.following import FollowingClient
from clavel_tui.bus.link import Link, OvertakenError
from clavel_tui.bus.listening import ListeningClient
from clavel_tui.bus.log import Log
from clavel_tui.bus.records import Record, Registered
from clavel_tui.bus.wanted import Ordering, Wanted
from clavel_tui.claveld.app import make_app
from clavel_tui.claveld.by_nats import Asking
from clavel_tui.claveld.coordinator import Coordinator
from clavel_tui.claveld.lease import LEASE_S, RENEW_S, Lease
from clavel_tui.claveld.replica import Replica
from clavel_tui.claveld.replicated import ReplicatedAgents, ReplicatedDeployments, ReplicatedRefs, ReplicatedSources
from clavel_tui.claveld.telling import Telling, make_refs
from clavel_tui.domain.agent import Agent, AgentSpecification, Order, Report, Role
from clavel_tui.domain.broker import Broker, key
from clavel_tui.domain.errors import AwayError, MovedError, RefusedError
from clavel_tui.domain.source import Source, SourcePin
from clavel_tui.history import MIGRATIONS, Journal
from clavel_tui.history.agents import REPORTS_KEPT, Agents
from clavel_tui.history.applied import Applied
from clavel_tui.history.deployments import Deployments
from clavel_tui.history.refs import Refs
from clavel_tui.operations.following import Following
from clavel_tui.store import Database
from tests.history.test_deployments import deployment, evaluation

from .broker import Line, Server
from .jwt import operated

pytestmark = [pytest.mark.lab, pytest.mark.waits]

AMBER = Agent(name="amber", specification=AgentSpecification(deployments=("amber",)))
SHARED = ("deployments", "evaluations", "refs", "ref_moves", "pins", "agents", "tokens", "reports", "good", "kept_sources")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "nats") as server:
        yield server


@dataclass
class One:
    """One of several claveld: what it reads and writes."""

    replica: Replica
    refs: ReplicatedRefs
    agents: ReplicatedAgents
    deployments: ReplicatedDeployments
    sources: ReplicatedSources
    database: Database
    file: Path

    def tables(self) -> dict[str, list[tuple[object, ...]]]:
        """All that several claveld have in common."""
        with contextlib.closing(sqlite3.connect(self.file)) as connection:
            return {name: connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in SHARED}

    async def caught_up(self, others: "One") -> None:
        async with asyncio.timeout(30):
            while self.replica.cursor < others.replica.cursor:
                await asyncio.sleep(0.05)


@asynccontextmanager
async def claveld(file: Path, broker: Broker, *, begin: bool = True) -> AsyncIterator[One]:
    database = await Database.open(file, MIGRATIONS)
    link = Link(broker, file.stem)
    try:
        async with link.opened():
            replica = Replica(database, Log(link), file.stem)
            tables = (
                kind(database, replica) for kind in (ReplicatedRefs, ReplicatedAgents, ReplicatedDeployments, ReplicatedSources)
            )
            made = One(replica, *tables, database, file)  # type: ignore[arg-type]
            if begin:
                await link.ready()
                await replica.begin()
            task = asyncio.create_task(replica.keep_up())
            try:
                yield made
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
    finally:
        await database.close()


def report(number: int, **said: object) -> Report:
    return Report.model_validate({"event": f"{number:032x}", "agent": "amber", "name": "amber", "at": 5.0, **said})


async def test_two_come_to_the_same_and_a_third_that_joins_later_too(server: Server, tmp_path: Path) -> None:
    first, second = deployment("amber"), deployment("amber", "/nix/store/2")
    async with claveld(tmp_path / "a.db", server.broker) as a, claveld(tmp_path / "b.db", server.broker) as b:
        await a.agents.add(AMBER, "ann")
        token = await b.agents.new_token("amber", Role.AGENT)
        await a.deployments.record(evaluation(), [first], "claveld", "evaluated")
        await b.caught_up(a)
        await b.deployments.record(evaluation(), [second], "claveld", "evaluated")
        seen = await b.refs.one("amber")
        assert seen
        assert seen.deployment.id == second.id
        await a.caught_up(b)
        moved = await a.refs.point("amber", first.id, "ann", "slow", seen.revision)
        with pytest.raises(MovedError, match="was moved meanwhile"):
            await b.refs.point("amber", second.id, "bob", "", seen.revision)
        with pytest.raises(RefusedError, match="has no Deployment"):
            await b.refs.point("amber", "0" * 64, "bob", "")
        assert await b.agents.report(report(1)) is True
        await a.caught_up(b)
        assert await a.agents.report(report(1)) is False
        await a.agents.tell("amber", Order.HOLD, "ann")
        await b.caught_up(a)
        assert a.tables() == b.tables()
        assert (await b.refs.one("amber")) == moved
        assert token.encode() not in (tmp_path / "a.db").read_bytes() + (tmp_path / "a.db-wal").read_bytes()
        async with claveld(tmp_path / "c.db", server.broker) as c:
            assert c.tables() == a.tables()
            await c.refs.unpin("amber", "cat", "")
            await a.caught_up(c)
            assert a.tables() == c.tables()


async def test_what_is_told_of_sources_is_told_to_all_and_a_pin_holds_for_what_was_evaluated_elsewhere(
    server: Server, tmp_path: Path
) -> None:
    old, new = deployment("amber"), deployment("amber", "/nix/store/2")
    pin = SourcePin(revision="r1", url="git+file:///repository?rev=r1", of="/repository", at=5.0, operator="ann")
    async with claveld(tmp_path / "a.db", server.broker) as a, claveld(tmp_path / "b.db", server.broker) as b:
        await a.sources.add(Source(name="edge", url="github:ada/edge", added_by="ann"))
        await a.deployments.record(evaluation("r1"), [old], "claveld", "")
        await b.caught_up(a)
        with pytest.raises(RefusedError, match="edge is github:ada/edge already"):
            await b.sources.add(Source(name="edge", url="github:bob/edge", added_by="bob"))
        await a.sources.pin("main", pin)
        with pytest.raises(RefusedError, match="main was pinned at r1 meanwhile by ann"):
            await b.deployments.record(evaluation("r2"), [new], "claveld", "began before it was pinned")
        seen = await b.refs.one("amber")
        assert seen
        assert seen.deployment.id == old.id
        await b.sources.unpin("main", "bob")
        await b.deployments.record(evaluation("r2"), [new], "claveld", "")
        await b.sources.remove("edge", "bob")
        await a.caught_up(b)
        assert a.tables() == b.tables()
        assert await a.sources.all() == []
        await a.sources.pin("main", pin)
        async with claveld(tmp_path / "c.db", server.broker) as c:
            assert [one.pin for one in await c.sources.all()] == [pin]


async def test_both_move_one_ref_at_once_and_one_is_refused(server: Server, tmp_path: Path) -> None:
    found = [deployment("amber", f"/nix/store/{number}") for number in range(4)]
    async with claveld(tmp_path / "a.db", server.broker) as a, claveld(tmp_path / "b.db", server.broker) as b:
        await a.deployments.record(evaluation(), found[:1], "claveld", "")
        for one in found[1:]:
            await a.deployments.record(evaluation(), [one], "claveld", "")
        for _ in range(20):
            await b.caught_up(a)
            await a.caught_up(b)
            seen = await a.refs.one("amber")
            assert seen
            tried = [one.refs.point("amber", random.choice(found).id, "x", "", seen.revision) for one in (a, b)]
            said = await asyncio.gather(*tried, return_exceptions=True)
            assert sorted(isinstance(one, MovedError) for one in said) == [False, True], said
        await b.caught_up(a)
        await a.caught_up(b)
        assert a.tables() == b.tables()


async def test_what_was_there_before_the_log_goes_into_it(server: Server, tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "a.db", MIGRATIONS)
    agents, refs = Agents(database), Refs(database)
    await agents.add(AMBER, "ann")
    await agents.new_token("amber", Role.AGENT)
    for number in range(3):
        await Deployments(database).record(evaluation(), [deployment("amber", f"/nix/store/{number}")], "claveld", "")
    await refs.point("amber", deployment("amber", "/nix/store/1").id, "ann", "slow")
    for number in range(300):
        await agents.report(report(number))
        await agents.report(report(number))  # sent again
    await database.close()
    async with claveld(tmp_path / "a.db", server.broker) as a, claveld(tmp_path / "b.db", server.broker) as b:
        assert b.tables() == a.tables()
        assert len(b.tables()["reports"]) == REPORTS_KEPT
        assert await b.agents.report(report(1000)) is True
        await a.caught_up(b)
        await b.refs.unpin("amber", "bob", "")
        await a.caught_up(b)
        assert a.tables() == b.tables()


async def test_a_database_with_another_past_is_refused(server: Server, tmp_path: Path) -> None:
    async with claveld(tmp_path / "a.db", server.broker) as a:
        await a.agents.add(AMBER, "ann")
    database = await Database.open(tmp_path / "b.db", MIGRATIONS)
    await Agents(database).add(AMBER, "bob")
    await database.close()
    with pytest.raises(RefusedError, match="a past of their own"):
        async with claveld(tmp_path / "b.db", server.broker):
            pass
    with Server(tmp_path / "other") as other, pytest.raises(RefusedError, match="another log"):
        async with claveld(tmp_path / "a.db", other.broker):
            pass


async def test_a_database_that_used_numbers_up_seeds_the_same_numbers(server: Server, tmp_path: Path) -> None:
    """An older version gave a number to each report that came again; SQLite never gives one out twice."""
    database = await Database.open(tmp_path / "a.db", MIGRATIONS)
    await Agents(database).add(AMBER, "ann")
    await Agents(database).report(report(1))
    await database.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "a.db")) as connection, connection:
        connection.execute("UPDATE sqlite_sequence SET seq = 40 WHERE name = 'reports'")
    async with claveld(tmp_path / "a.db", server.broker) as a, claveld(tmp_path / "b.db", server.broker) as b:
        await b.agents.report(report(2))
        await a.caught_up(b)
        assert a.tables() == b.tables()


async def test_whoever_joins_knows_the_tokens_at_once(server: Server, tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "a.db", MIGRATIONS)
    await Agents(database).add(AMBER, "ann")
    token = await Agents(database).new_token("amber", Role.AGENT)
    await database.close()
    async with claveld(tmp_path / "a.db", server.broker), claveld(tmp_path / "b.db", server.broker, begin=False) as b:
        coordinator = Coordinator(Journal(b.database, "b"), b.deployments, b.refs, b.agents, b.sources)
        b.replica.anew = coordinator.forget
        await coordinator.look()  # of an empty database, which is what claveld serves until it has joined
        await until(lambda: not b.replica.trouble)
        await coordinator.look()
        assert coordinator.holder(token)
        assert "amber" in coordinator.known.agents


async def test_a_broker_that_has_lost_its_end_is_not_followed(server: Server, tmp_path: Path) -> None:
    """Its disk went back to what it was: whoever wrote into that would have two stories."""
    async with claveld(tmp_path / "a.db", server.broker) as a:
        await a.agents.add(AMBER, "ann")
        server.end()
        shutil.copytree(server.folder / "jetstream", tmp_path / "kept")
        server.start()
        await until(lambda: not a.replica.trouble)
        for order in (Order.HOLD, Order.RELEASE, Order.HOLD):
            await a.agents.tell("amber", order, "ann")
        server.end()
        shutil.rmtree(server.folder / "jetstream")
        shutil.copytree(tmp_path / "kept", server.folder / "jetstream")
        server.start()
        await until(lambda: "the broker's log ends at 1" in a.replica.trouble)
        with pytest.raises(RefusedError, match="ends at 1, and this database knows it up to 4"):
            await a.agents.tell("amber", Order.RELEASE, "ann")
        async with linked(server.broker) as link:
            assert await link.following("clavel-log", 1) is None
    server.end()
    shutil.rmtree(server.folder / "jetstream")
    server.start()
    database = await Database.open(tmp_path / "a.db", MIGRATIONS)
    async with linked(server.broker) as link:
        await Replica(database, Log(link), "a").forget()  # `claveld forget-log`
    await database.close()
    async with claveld(tmp_path / "a.db", server.broker) as a, claveld(tmp_path / "b.db", server.broker) as b:
        assert a.tables() == b.tables()
        told = (await b.agents.all())["amber"][1]
        assert told
        assert told.order is Order.HOLD


async def until(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not met():
            await asyncio.sleep(0.05)


async def test_a_key_that_cannot_be_read_is_said(server: Server, tmp_path: Path) -> None:
    (tmp_path / "nkey").write_text("rubbish")
    link = Link(server.broker.model_copy(update={"nkey_file": str(tmp_path / "nkey")}), "test")
    async with link.opened():
        with pytest.raises(ClaveldError, match=r"cannot be reached: .*(seed|key)"):
            await link.ready(2)


async def test_a_server_that_knows_everybody_by_tokens(tmp_path: Path) -> None:
    """With the credentials of `nsc` two claveld share one log; without them, or with another operator's, nobody is let in."""
    mine, others = tmp_path / "mine.creds", tmp_path / "others.creds"
    operated(others)
    with Server(tmp_path / "nats", more=operated(mine)) as server:
        broker = server.broker.model_copy(update={"credentials_file": str(mine)})
        async with claveld(tmp_path / "a.db", broker) as a, claveld(tmp_path / "b.db", broker) as b:
            await a.agents.add(AMBER, "ann")
            await b.caught_up(a)
            assert a.tables() == b.tables()
            assert len(b.tables()["agents"]) == 1
        for stranger in (server.broker, server.broker.model_copy(update={"credentials_file": str(others)})):
            link = Link(stranger, "stranger")
            async with link.opened():
                with pytest.raises(ClaveldError, match=r"(?i)authorization"):
                    await link.ready(2)


async def test_a_broker_that_is_away_changes_nothing_and_is_waited_for(server: Server, tmp_path: Path) -> None:
    async with claveld(tmp_path / "a.db", server.broker) as a:
        await a.agents.add(AMBER, "ann")
        server.end(signal.SIGKILL)
        with pytest.raises(AwayError, match="the bus does not answer"):
            await a.agents.tell("amber", Order.HOLD, "ann")
        server.start()
        async with asyncio.timeout(60):
            while a.replica.trouble:
                await asyncio.sleep(0.1)
        await a.agents.tell("amber", Order.RELEASE, "ann")
        told = (await a.agents.all())["amber"][1]
        assert told
        assert told.order is Order.RELEASE


async def test_no_record_is_lost_or_done_twice_while_the_server_is_killed_and_the_line_is_cut(
    server: Server, tmp_path: Path
) -> None:
    """Two claveld write as fast as they can; what each has said yes to is there once, and what was refused, never."""
    line = Line(server)
    taken: list[int] = []
    unknown: list[int] = []

    async def write(one: One, numbers: range, stop: Callable[[], bool]) -> None:
        for number in numbers:
            if stop():
                return
            try:
                await one.agents.report(report(number))
                taken.append(number)
            except AwayError:
                unknown.append(number)

    async with line.opened(), claveld(tmp_path / "a.db", server.broker) as a, claveld(tmp_path / "b.db", line.broker) as b:
        await a.agents.add(AMBER, "ann")
        stopped = False
        writers = [
            asyncio.create_task(write(one, range(start, start + 100_000), lambda: stopped))
            for one, start in ((a, 0), (b, 1_000_000))
        ]
        for _ in range(3):
            await asyncio.sleep(random.uniform(0.3, 1.5))
            server.end(signal.SIGKILL)
            await asyncio.sleep(random.uniform(0.1, 3))
            server.start()
        await asyncio.sleep(2)
        line.cut()
        await asyncio.sleep(20)
        line.mend()
        await asyncio.sleep(5)
        stopped = True
        await asyncio.gather(*writers)
        async with asyncio.timeout(60):
            while a.replica.trouble or b.replica.trouble or a.replica.cursor != b.replica.cursor:
                await asyncio.sleep(0.1)
        assert len(taken) > 200
        with contextlib.closing(sqlite3.connect(a.file)) as connection:
            kept = [row[0] for row in connection.execute("SELECT id FROM applied WHERE id NOT LIKE 'again%'")]
            shown = connection.execute("SELECT count(*) FROM events WHERE kind = 'report'").fetchone()[0]
        assert len(kept) == len({*kept})
        assert {report(number).event for number in taken} <= {*kept}
        assert len(kept) - 1 == shown  # each told once, and the agent
        assert len(kept) - 1 <= len({*taken, *unknown})
        assert a.tables() == b.tables()
        print(f"{len(taken)} taken, {len(unknown)} unknown, {shown} kept")


async def test_an_evaluation_that_another_one_has_overtaken_is_dropped(server: Server, tmp_path: Path) -> None:
    old, new = deployment("amber", "/nix/store/old"), deployment("amber", "/nix/store/new")
    async with claveld(tmp_path / "a.db", server.broker) as a, claveld(tmp_path / "b.db", server.broker) as b:
        a.deployments.begins("main")
        b.deployments.begins("main")
        await b.deployments.record(evaluation(), [new], "claveld", "")
        with pytest.raises(RefusedError, match="another claveld has evaluated"):
            await a.deployments.record(evaluation(), [old], "claveld", "")
        seen = await a.refs.one("amber")
        assert seen
        assert seen.deployment.id == new.id
        assert [row[1] for row in a.tables()["deployments"]] == ["amber"]


async def test_a_source_that_is_looked_at_again_fills_no_log(server: Server, tmp_path: Path) -> None:
    async with claveld(tmp_path / "a.db", server.broker) as a:
        await a.deployments.record(evaluation(), [deployment()], "claveld", "")
        for _ in range(3):
            await a.deployments.record(evaluation(), [deployment()], "claveld", "")
        assert a.replica.cursor == 1
        await a.deployments.record(evaluation("r2"), [deployment()], "claveld", "")
        assert a.replica.cursor == 2


async def test_a_record_that_is_not_understood_is_not_passed_over(server: Server, tmp_path: Path) -> None:
    async with claveld(tmp_path / "a.db", server.broker) as a:
        await a.agents.add(AMBER, "ann")
        link = Link(server.broker, "newer")
        async with link.opened():
            await link.ready()
            await link.append("clavel-log.party.amber", b'{"version": 2}')
            log = Log(link)
            what = Registered(agent=AMBER, operator="bob")
            await log.append(Record(id="a" * 32, at=1.0, by="x", what=what), 5)
        async with asyncio.timeout(10):
            while "not understood" not in a.replica.trouble:
                await asyncio.sleep(0.05)
        with pytest.raises((AwayError, ClaveldError)):
            await a.agents.tell("amber", Order.HOLD, "ann")
        assert a.replica.cursor == 1


@asynccontextmanager
async def linked(broker: Broker) -> AsyncIterator[Link]:
    link = Link(broker, "test")
    async with link.opened():
        await link.ready()
        yield link


async def test_a_lease_is_one_ones_and_anothers_when_that_one_sleeps(server: Server) -> None:
    async with linked(server.broker) as link:
        asleep = 0.0
        leases = [Lease(link, "a", lambda: asyncio.get_running_loop().time() + asleep), Lease(link, "b")]
        for lease in leases:
            await lease.begin()
        tasks = [asyncio.create_task(lease.keep()) for lease in leases]
        await asyncio.sleep(RENEW_S * 2 + 0.5)
        assert [lease.held for lease in leases] == [True, False]
        tasks[0].cancel()  # as a process that was stopped: it renews nothing, and tells nobody
        await asyncio.gather(tasks[0], return_exceptions=True)
        async with asyncio.timeout(60):
            await leases[1].wait()
        asleep = LEASE_S + 1  # it goes on, and its own clock says that it holds nothing
        assert [lease.held for lease in leases] == [False, True]
        again = asyncio.create_task(leases[0].keep())
        await asyncio.sleep(RENEW_S + 1)
        assert [lease.held for lease in leases] == [False, True]
        for task in (again, tasks[1]):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_what_agents_are_told_is_never_older_than_what_they_know(server: Server, tmp_path: Path) -> None:
    """A claveld that was away for a while tells what it knew then: another one has written what is newer."""
    old, new = deployment("amber", "/nix/store/old"), deployment("amber", "/nix/store/new")
    subject = key(server.broker.refs, "ref", "amber")
    async with claveld(tmp_path / "a.db", server.broker) as a, linked(server.broker) as link:
        coordinator = Coordinator(Journal(a.database, "a"), a.deployments, a.refs, a.agents, a.sources)
        coordinator.log_cursor = lambda: a.replica.cursor
        telling = Telling(link, coordinator, a.replica)
        await telling.begin()
        await a.agents.add(AMBER, "ann")
        await a.deployments.record(evaluation(), [old], "claveld", "")
        await coordinator.look()
        await link.append(subject, Wanted(seq=a.replica.cursor + 5, log=a.replica.ident, deployment=new).packed())
        await telling._tell()
        found = await link.last(f"KV_{server.broker.refs}", subject)
        assert found
        assert Wanted.read(found.data) == Wanted(seq=a.replica.cursor + 5, log=a.replica.ident, deployment=new)
        for number in range(6):
            await a.agents.tell("amber", Order.HOLD if number % 2 else Order.POLL, "ann")
        await coordinator.look()
        telling._forget()
        await telling._tell()
        found, told = [
            await link.last(f"KV_{server.broker.refs}", one) for one in (subject, key(server.broker.refs, "told", "amber"))
        ]
        assert found
        assert told
        assert (Wanted.read(found.data) or Wanted(seq=0, deployment=new)).deployment == old  # this one knows more now
        last = (await a.agents.all())["amber"][1]
        assert last
        assert last.order is Order.HOLD
        assert Ordering.read(told.data) == Ordering(seq=a.replica.cursor, log=a.replica.ident, told=last)


async def test_an_agent_hears_at_once_and_misses_nothing_while_its_line_was_cut(server: Server) -> None:
    line, found = Line(server), [deployment("amber", f"/nix/store/{number}") for number in range(3)]
    subject = key(server.broker.refs, "ref", "amber")

    async def tell(link: Link, number: int) -> None:
        await link.append(subject, Wanted(seq=number, deployment=found[number]).packed())

    async with linked(server.broker) as link, line.opened():
        await make_refs(link)
        agent = ListeningClient(Link(line.broker, "agent"), lambda: "token", "agent", "amber")
        async with agent.opened():
            with pytest.raises(ClaveldError, match="nothing was evaluated for amber yet"):
                await agent.deployment("amber")
            await tell(link, 0)
            got = await agent.deployment("amber", "", 5)
            assert got.deployment == found[0]
            assert (await agent.deployment("amber", got.tag, 0.3)).deployment is None
            waiting = asyncio.create_task(agent.deployment("amber", got.tag, 60))
            await asyncio.sleep(0.2)
            await tell(link, 1)
            async with asyncio.timeout(10):
                got = await waiting
            assert got.deployment == found[1]
            waiting = asyncio.create_task(agent.deployment("amber", got.tag, 60))
            await asyncio.sleep(0.2)
            line.cut()
            await tell(link, 2)
            await asyncio.sleep(20)  # long enough for the agent to notice
            line.mend()
            async with asyncio.timeout(60):
                got = await waiting
            assert got.deployment == found[2]


async def test_an_agent_believes_only_what_the_server_has_kept_and_what_is_meant_for_it(server: Server) -> None:
    found = [deployment("amber", f"/nix/store/{number}") for number in range(2)]
    refs, refused = server.broker.refs, Wanted(seq=9, deployment=deployment("amber", "/nix/store/refused")).packed()
    subject, other = key(refs, "ref", "amber"), key(refs, "ref", "beryl")
    async with linked(server.broker) as link:
        await make_refs(link)
        await link.append(subject, Wanted(seq=0, deployment=found[0]).packed())
        await link.append(other, refused)
        agent = ListeningClient(Link(server.broker, "agent"), lambda: "token", "agent", "amber")
        async with agent.opened():
            got = await agent.deployment("amber")
            waiting = asyncio.create_task(agent.deployment("amber", got.tag, 60))
            await asyncio.sleep(0.2)
            with pytest.raises(OvertakenError):
                await link.append(subject, refused, expected=77)
            await link.say(server.broker.now("ref", "amber"), refused)
            asked = f"$JS.API.DIRECT.GET.KV_{refs}.{other}"
            await link._client.publish(asked, b"", reply=server.broker.now("ref", "amber"))
            await asyncio.sleep(1)
            assert not waiting.done()
            await link.append(subject, Wanted(seq=1, deployment=found[1]).packed())
            async with asyncio.timeout(10):
                assert (await waiting).deployment == found[1]


async def test_a_bucket_that_passes_nothing_on_is_looked_at_all_the_same(server: Server) -> None:
    """It was made by an older claveld, and a server changes that of no stream."""
    found = [deployment("amber", f"/nix/store/{number}") for number in range(2)]
    refs = server.broker.refs
    async with linked(server.broker) as link:
        await link.stream(f"KV_{refs}", [f"$KV.{refs}.>"], {"max_msgs_per_subject": 1})
        await make_refs(link)
        await link.append(key(refs, "ref", "amber"), Wanted(seq=0, deployment=found[0]).packed())
        agent = ListeningClient(Link(server.broker, "agent"), lambda: "token", "agent", "amber")
        async with agent.opened():
            got = await agent.deployment("amber")
            await link.append(key(refs, "ref", "amber"), Wanted(seq=1, deployment=found[1]).packed())
            assert (await agent.deployment("amber", got.tag, 1)).deployment == found[1]


async def test_a_server_that_is_away_is_said_and_ends_nothing(server: Server) -> None:
    agent = ListeningClient(Link(server.broker, "agent"), lambda: "token", "agent", "amber")
    server.end(signal.SIGKILL)
    async with agent.opened():
        with pytest.raises(ClaveldError, match="cannot be reached"):
            await agent.deployment("amber")
        server.start()
        async with linked(server.broker) as link:
            await make_refs(link)
            await link.append(key(server.broker.refs, "ref", "amber"), Wanted(seq=1, deployment=deployment()).packed())
        assert (await agent.deployment("amber")).deployment == deployment()
        with pytest.raises(ClaveldError, match="no claveld answers"):
            await agent.report(report(1))


async def test_two_consoles_of_one_journal_see_the_same_and_keep_it_once(server: Server, tmp_path: Path) -> None:
    """Two terminals of one person: whoever reads a record first has it in the journal, and both show it."""
    async with claveld(tmp_path / "a.db", server.broker) as a, linked(server.broker) as link:
        coordinator = Coordinator(Journal(a.database, "a"), a.deployments, a.refs, a.agents, a.sources)
        coordinator.log_cursor = lambda: a.replica.cursor
        a.replica.heard, a.replica.anew = coordinator.reported, coordinator.forget
        app = make_app(coordinator, None, None)  # type: ignore[arg-type]
        app.state.replica = a.replica
        await Asking(app, link).begin()
        await a.agents.add(AMBER, "ann")
        token = await a.agents.new_token("desk", Role.VIEWER)
        await coordinator.look()
        looking = asyncio.create_task(coordinator.keep_up())
        journal = await Database.open(tmp_path / "console.db", MIGRATIONS)
        clients = [FollowingClient(Link(server.broker, f"c{number}"), lambda: token, "test") for number in range(2)]
        async with clients[0].opened(), clients[1].opened():
            consoles = [Following(client, Applied(journal)) for client in clients]
            for console in consoles:
                await console.begin()
            for number in range(5):
                await a.agents.report(report(number, text=f"number {number}"))
            await a.agents.tell("amber", Order.HOLD, "ann")
            await consoles[0].news(2)
            await consoles[1].news(2)
            for console in consoles:
                state = console.states["amber"]
                assert (state.reports[0].report.text, state.told and state.told.order) == ("number 4", Order.HOLD)
            texts = [row[0] for row in await journal.rows("SELECT text FROM events ORDER BY seq")]
            assert texts == [*(f"amber: idle: number {number}" for number in range(5)), "told to hold: ann"]
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        await journal.close()


async def test_who_reads_can_be_stopped_at_any_moment(server: Server) -> None:
    """Also at the very moment at which an answer comes: a claveld that could not be stopped would be killed."""

    async def read(link: Link) -> None:
        while True:
            await link.following("clavel-log", 0)

    async with linked(server.broker) as link:
        await link.stream("clavel-log", ["clavel-log.>"], {})
        for _ in range(300):
            task = asyncio.create_task(read(link))
            await asyncio.sleep(random.uniform(0, 0.003))
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=1)
            assert done
