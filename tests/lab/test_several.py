"""Several claveld, one fleet: agents, console and both claveld on a NATS server with TLS and a key for each, and all that can break."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clavel_tui.bus.link import Link
from clavel_tui.bus.permissions import CLAVELD, accounts, inbox
from clavel_tui.domain.broker import Broker

from .broker import Server
from .cache import Cache
from .console import Answer, Console
from .flakes import git
from .pull import HOME, PORT, Agent, Claveld, settings_of
from .shell import run, wait_for, write
from .systems import Fleet, runs
from .terminal import Terminal
from .test_bus import SHARED
from .test_claveld import Pull, workshop

__all__ = ["workshop"]
pytestmark = [pytest.mark.lab, pytest.mark.waits]


@dataclass
class Several(Pull):
    """``claveld`` is the first one; agents and console know neither of them, but the broker."""

    server: Server
    second: Claveld
    keys: Path

    @property
    def both(self) -> tuple[Claveld, Claveld]:
        return self.claveld, self.second

    def broker(self, who: str) -> Broker:
        url = self.server.url.replace("nats:", "tls:")
        return Broker(url=url, ca_file=str(self.keys / "cert.pem"), nkey_file=str(self.keys / who))

    def console(self) -> Console:
        console, folder = self.fleet.console, self.fleet.folder / "config/clavel-tui"
        write(folder / "token", self.claveld.operator, 0o600)
        nix = f'nix = "{self.fleet.folder}/bin/nix"\n'
        way = f'[claveld]\ntoken_file = "{folder}/token"\n[claveld.nats]\n{settings_of(self.broker("console"))}\n'
        write(folder / "config.toml", nix + way)
        return console

    def desk_by_nats(self, role: str) -> Callable[..., Answer]:
        """See desk."""
        run = self.desk(role)
        folder = self.fleet.folder.parent / f"desk-{role}"
        said = f'[claveld]\ntoken_file = "{folder}/token"\n[claveld.nats]\n{settings_of(self.broker("console"))}\n'
        write(folder / ".config/clavel-tui/config.toml", said)
        return run

    def kept(self) -> dict[str, tuple[str, int]]:
        """Each stream that nobody but claveld may write: what it is, and how far it goes."""

        async def asked() -> dict[str, tuple[str, int]]:
            link = Link(self.broker("claveld"), "test", inbox(CLAVELD))
            async with link.opened():
                await link.ready()
                return {name: await link.stream(name, [], {}) for name in ("clavel-log", "KV_clavel-refs")}

        return asyncio.run(asked())

    def rows(self, claveld: Claveld, sql: str) -> list[Any]:
        with contextlib.closing(sqlite3.connect(claveld.folder / "claveld.db")) as connection:
            return connection.execute(sql).fetchall()

    def tables(self, claveld: Claveld) -> dict[str, list[Any]]:
        return {name: self.rows(claveld, f"SELECT * FROM {name} ORDER BY 1, 2") for name in SHARED}

    def agree(self) -> bool:
        return self.tables(self.claveld) == self.tables(self.second)


@pytest.fixture
def several(workshop: Fleet) -> Iterator[Several]:
    """Every host runs its first system; two claveld and the agents run, and speak by the broker alone."""
    lab, folder = workshop.lab, workshop.folder
    for name in ("claveld", "second", "live", "keys", "nats"):
        run("rm", "-rf", folder / name)
    git(folder, "clone", "-q", str(workshop.repository), "live")
    workshop.begin()
    agents = {host.name: Agent(lab, host) for host in lab.hosts}
    keys = folder / "keys"
    keys.mkdir()
    server = Server(folder / "nats", lab.plan.gateway)
    first = Claveld(workshop)
    second = Claveld(workshop, "second", PORT + 1)
    made = Several(workshop, Cache(workshop), first, agents, server, second, keys)
    first.folder.mkdir(parents=True, exist_ok=True)
    first._make_certificate()
    for name in ("cert.pem", "key.pem"):
        write(keys / name, (first.folder / name).read_text())
    public = {who: first.command("key", str(keys / who)).strip() for who in ("claveld", "console")}
    server.more = f'tls {{ cert_file: "{keys}/cert.pem", key_file: "{keys}/key.pem" }}\ninclude "users.conf"\n'
    server.folder.mkdir(parents=True, exist_ok=True)
    write(server.folder / "users.conf", accounts(Broker(url="nats://x"), [], [public["claveld"]], [public["console"]]))
    first.nats = second.nats = made.broker("claveld")
    with made.cache, server:
        workshop.caches({made.cache.url: made.cache.key("cache")}, folder / "live")
        with first, second:
            try:
                for name, agent in agents.items():
                    agent.install(first, "none yet", made.broker(name))
                    key = agent.command("key", "/etc/clavel-agent/nkey").strip()
                    token = first.command("agent", "add", name, "--nkey", key)
                    there = made.broker(name).model_copy(
                        update={"ca_file": "/etc/clavel-agent/ca.pem", "nkey_file": "/etc/clavel-agent/nkey"}
                    )
                    agent.install(first, token, there)
                    agent.host.put("/etc/clavel-agent/ca.pem", (keys / "cert.pem").read_text())
                write(
                    server.folder / "users.conf",
                    first.command("nats", "--claveld", public["claveld"], "--console", public["console"]),
                )
                os.kill(server.pid, signal.SIGHUP)
                for agent in agents.values():
                    agent.start()
                yield made
            finally:
                for agent in agents.values():
                    agent.stop()
                    agent.host.exec("rm -f /etc/clavel-agent/nkey", check=False)
    lab.reset()


def test_whatever_breaks_there_is_one_result_and_one_story(several: Several) -> None:
    names = list(several.agents)
    firsts = {host.name: runs(host) for host in several.fleet.lab.hosts}
    first, second = several.both
    wait_for(
        "all are seen by both",
        lambda: all(one["seen"] for claveld in several.both for one in claveld.get("/v1/agents")),
        timeout=60,
    )
    h1 = several.fleet.lab.host("h1")
    console = several.console()

    with Terminal(console._argv(), width=130, height=40, env=several.fleet.home) as keys:
        keys.until("✓ idle")
        begun = time.monotonic()
        several.until_all_run(several.publish(**{name: {"version": "24.11.2"} for name in names}))
        print(f"from the commit to applied by NATS: {time.monotonic() - begun:.1f} s, with building and uploading")

        for name in names:
            done = console.run("rollback", "--unit", name, "--yes", "--json", "--to", firsts[name]).ends(0)
            assert "runs, as its agent has seen" in done.text
        several.until_all_run(firsts)
        for name in names:
            console.run("agent", "unpin", name).ends(0)

        several.server.end(signal.SIGKILL)  # with what was just committed on its way
        wanted = several.publish(**{name: {"version": "24.11.3"} for name in names})
        time.sleep(5)
        assert not several.all_run(wanted)
        several.server.start()
        several.until_all_run(wanted)

        h1.cut()
        try:
            wanted = several.publish(**{name: {"version": "24.11.4"} for name in names})
            cut = time.monotonic()
            several.until_all_run({name: wanted[name] for name in names if name != "h1"})
            time.sleep(max(0.0, 60 - (time.monotonic() - cut)))
        finally:
            h1.heal()
        healed = time.monotonic()
        several.until_all_run(wanted)
        print(f"a host whose line was down for a minute runs it {time.monotonic() - healed:.1f} s behind that")

        first.stop(signal.SIGKILL)
        wanted = several.publish(**{name: {"version": "24.11.5"} for name in names})
        begun = time.monotonic()
        several.until_all_run(wanted)
        print(f"with the first claveld killed: {time.monotonic() - begun:.1f} s, another one's lease among it")
        first.start()
        wait_for("the first one knows all of it", several.agree, timeout=30)

        os.kill(second.pid, signal.SIGSTOP)  # who holds the lease now
        paused = time.monotonic()
        wanted = several.publish(**{name: {"version": "24.11.6"} for name in names})
        several.until_all_run(wanted)
        time.sleep(max(0.0, 60 - (time.monotonic() - paused)))
        os.kill(second.pid, signal.SIGCONT)
        wait_for("both agree", several.agree, timeout=30)
        time.sleep(15)  # what it had begun comes to its end
        wait_for("both agree", several.agree, timeout=30)
        assert several.all_run(wanted)
        keys.press("q")

    revisions = several.rows(first, "SELECT deployment, revision, count(*) FROM evaluations GROUP BY 1, 2")
    assert {count for _, _, count in revisions} == {1}, revisions
    moves = several.rows(first, "SELECT name, count(*) FROM ref_moves GROUP BY 1")
    assert moves == [(name, 8) for name in names], several.rows(first, "SELECT * FROM ref_moves")
    logged = several.rows(first, "SELECT seq, id FROM applied ORDER BY seq")
    with contextlib.closing(sqlite3.connect(console.folder / console.journal)) as connection:
        read = connection.execute("SELECT seq, id FROM applied ORDER BY seq").fetchall()
        told = connection.execute(
            "SELECT text FROM events WHERE kind IN ('report', 'warn', 'ref', 'agent', 'state', 'token') AND operation = ''"
        )
        lines = [text for (text,) in told]
    start = read[0][0]
    assert [seq for seq, _ in read] == list(range(start, start + len(read))), "a gap"
    assert read[1:] == [row for row in logged if start < row[0] <= read[-1][0]]
    assert len(lines) == sum(not ident.startswith("again") for _, ident in read[1:])
    assert read[-1][0] >= logged[-1][0] - 3, "it has stopped following"


def test_an_agent_may_do_on_the_broker_what_is_its_own_and_nothing_else(several: Several) -> None:
    """With h1's own key and token: another one's ref, another one's heartbeat, the log, and what others are answered."""
    tried = """
import asyncio, json, sys
from pathlib import Path
from clavel_tui.bus.link import Link
from clavel_tui.bus.claveld import ClaveldError
from clavel_tui.bus.permissions import agent_inbox
from clavel_tui.inventory.load import load_agent
async def main():
    unit, said = load_agent(Path("/etc/clavel-agent/agent.toml"))
    link = Link(said.nats, "h1", agent_inbox("h1"))
    async def heard(subject, data): print("HEARD", subject)
    async with link.opened():
        await link.ready()
        print("own", (await link.last("KV_clavel-refs", "$KV.clavel-refs.ref.h1")) is not None)
        for what in ("$KV.clavel-refs.ref.h2", "$KV.clavel-refs.told.h2", "$KV.clavel-refs.>", "clavel.now.ref.h2", "clavel.now.told.h2", "clavel.now.>", "clavel-log.>", "clavel.ask", "_INBOX.>", "_INBOX.agent-h2.>"):
            await link.listen(what, heard)
        for name, ask in (
            ("read", link.last("KV_clavel-refs", "$KV.clavel-refs.ref.h2")),
            ("log", link.following("clavel-log", 0)),
            ("write", link.append("clavel-log.report.h1", b"{}")),
            ("ref", link.append("$KV.clavel-refs.ref.h1", b"{}")),
            ("beat", link.append("$KV.clavel-beats.h2", b"{}")),
            ("lease", link.append("$KV.clavel-lease.evaluate", b"mine")),
        ):
            try:
                print(name, await ask)
            except ClaveldError as error:
                print(name, "refused")
        await link.listen("clavel.now.ref.h1", heard)  # that it may, and what it says there itself nobody hears
        await link.say("clavel.now.ref.h1", b"{}")
        for ask in ("$JS.API.DIRECT.GET.KV_clavel-refs.$KV.clavel-refs.told.h1", "$JS.API.DIRECT.GET.KV_clavel-refs.$KV.clavel-refs.ref.h1", "clavel.ask", "$KV.clavel-beats.h1"):
            for answered in ("$JS.API.STREAM.DELETE.clavel-log", "clavel-log.a.b", "$KV.clavel-refs.ref.h2", "$KV.clavel-refs.told.h2", "clavel.now.ref.h2", "clavel.now.told.h2", "$JS.API.STREAM.PURGE.KV_clavel-refs", "$KV.clavel-lease.evaluate", "$JS.API.STREAM.DELETE.KV_clavel-lease"):
                await link._client.publish(ask, b"", reply=answered)  # the server looks at what is asked, and not at where the answer goes
        await asyncio.sleep(float(sys.argv[1]))
asyncio.run(main())
"""
    h1 = several.fleet.lab.host("h1")
    wait_for("h1 has a ref", lambda: any(one["name"] == "h1" for one in several.claveld.get("/v1/refs")), timeout=60)
    wait_for(
        "all run it", lambda: all(several.claveld.report(name).get("phase") == "idle" for name in several.agents), timeout=60
    )
    h1.put("/root/tried.py", tried)
    before, kept = several.tables(several.claveld), several.kept()
    done = h1.exec(f"PYTHONPATH={HOME}:{HOME}/agent-nats python3 /root/tried.py 8", timeout=120)
    assert done.stdout.splitlines() == [
        "own True",
        *(f"{name} refused" for name in ("read", "log", "write", "ref", "beat", "lease")),
    ], done
    assert (several.tables(several.claveld), several.kept()) == (before, kept)

    used = h1.exec("grep -h ^VmRSS /proc/$(pgrep -f clavel_tui.agent_wiring | head -1)/status").stdout.split()[1]
    print(f"clavel-agent by NATS takes {int(used) / 1024:.1f} MB on {several.fleet.lab.stack}")
    desk = several.desk_by_nats("viewer")  # neither the fleet's files nor a key of SSH, nor an address of any claveld
    seen = {unit["name"]: unit for unit in desk("units", "--json").ends(0).json}
    assert {name: (unit["health"], bool(unit["os"])) for name, unit in seen.items()} == dict.fromkeys(
        several.agents, ("ok", True)
    )
    refused = desk("agent", "hold", "h1").ends(3)
    assert "a token of the role viewer changes nothing" in refused.err
    several.claveld.stop(signal.SIGKILL)
    assert {unit["name"] for unit in desk("units", "--json").ends(0).json} == {*several.agents}
