"""claveld is killed at any moment under load, and started again: what it has said yes to is there, once, and unchanged."""

from __future__ import annotations

import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from clavel_tui.domain.agent import Agent, AgentSpecification, Role
from clavel_tui.history import MIGRATIONS
from clavel_tui.history.agents import Agents
from clavel_tui.history.deployments import Deployments
from clavel_tui.store import Database
from tests.history.test_deployments import deployment, evaluation

KILLS = 8
UNIT = 'name = "amber"\ntype = "nixos"\narch = "x86_64-linux"\naddress = "amber"\n'


@dataclass
class Killed:
    """A claveld that is a process of its own, and what it has said yes to."""

    folder: Path
    tokens: dict[Role, str]
    idents: list[str]
    port: int
    taken: list[str] = field(default_factory=list)
    moved: list[tuple[int, str]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def start(self) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-c", "import sys; from clavel_tui.claveld_wiring import main; sys.exit(main())"]
        process = subprocess.Popen([*words, "--config", self.folder / "claveld.toml", "serve"], stderr=subprocess.DEVNULL)
        for _ in range(1200):
            try:
                httpx.get(f"http://127.0.0.1:{self.port}/healthz", timeout=2).raise_for_status()
            except httpx.HTTPError:
                assert process.poll() is None
                time.sleep(0.05)
            else:
                return process
        raise AssertionError("it does not answer")

    def ask(self, role: Role, path: str, said: dict[str, Any]) -> dict[str, Any] | None:
        headers = {"Authorization": f"Bearer {self.tokens[role]}"}
        try:
            answer = httpx.post(f"http://127.0.0.1:{self.port}{path}", json=said, headers=headers, timeout=5)
        except httpx.HTTPError:
            return None
        return answer.json() if answer.status_code == 200 else None

    def reporting(self) -> None:
        """As an agent does: the same report again until it is taken."""
        while not self.stop.is_set():
            said = {"event": uuid.uuid4().hex, "agent": "amber", "name": "amber", "at": 1.0}
            while not self.stop.is_set():
                if self.ask(Role.AGENT, "/v1/reports", said) is not None:
                    self.taken.append(str(said["event"]))
                    break
                time.sleep(0.02)

    def moving(self) -> None:
        """As an operator does, back and forth."""
        while not self.stop.is_set():
            moved = self.ask(Role.OPERATOR, "/v1/refs/amber/rollback", {"to": random.choice(self.idents)})
            if moved:
                self.moved.append((moved["revision"], moved["deployment"]["id"]))
            time.sleep(0.01)


@pytest.fixture
async def killed(tmp_path: Path) -> Killed:
    hosts = tmp_path / "hosts/amber"
    hosts.mkdir(parents=True)
    (hosts / "unit.toml").write_text(UNIT)
    (hosts.parent / "fleet.toml").write_text('name = "test"\n')
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    said = {"fleet": hosts.parent, "listen": f"127.0.0.1:{port}", "database": tmp_path / "claveld.db"}
    (tmp_path / "claveld.toml").write_text("".join(f'{key} = "{value}"\n' for key, value in said.items()))
    database = await Database.open(tmp_path / "claveld.db", MIGRATIONS)
    agents = Agents(database)
    await agents.add(Agent(name="amber", specification=AgentSpecification(deployments=("amber",))), "ann")
    tokens = {role: await agents.new_token("amber", role) for role in Role}
    known = [deployment("amber", text) for text in "abc"]
    for one in known:
        await Deployments(database).record(evaluation(), [one], "claveld", "")
    await database.close()
    return Killed(tmp_path, tokens, [one.id for one in known], port)


def test_what_it_said_yes_to_is_there_once_and_unchanged(killed: Killed) -> None:
    seed = random.randrange(10_000)
    print(f"seed {seed}")
    moments = random.Random(seed)
    with sqlite3.connect(killed.folder / "claveld.db") as raw:
        before = raw.execute("SELECT * FROM deployments ORDER BY id").fetchall()
    process = killed.start()
    threads = [threading.Thread(target=work) for work in (killed.reporting, killed.reporting, killed.moving)]
    for thread in threads:
        thread.start()
    kills = 0
    while kills < KILLS or (min(len(killed.taken), len(killed.moved)) <= KILLS and kills < 3 * KILLS):
        kills += 1
        time.sleep(moments.uniform(0.05, 0.6))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process = killed.start()
    killed.stop.set()
    for thread in threads:
        thread.join()
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(20) == 0

    assert len(killed.taken) > KILLS
    assert len(killed.moved) > KILLS
    with sqlite3.connect(killed.folder / "claveld.db") as raw:
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert raw.execute("SELECT * FROM deployments ORDER BY id").fetchall() == before
        moves = dict(raw.execute("SELECT seq, deployment FROM ref_moves").fetchall())
        reports = [row[0] for row in raw.execute("SELECT event FROM reports")]
        told = raw.execute("SELECT count(*) FROM events WHERE kind = 'report'").fetchone()[0]
        kept = raw.execute("SELECT deployment FROM refs").fetchone()[0]
        sequence = [row[0] for row in raw.execute("SELECT seq FROM events ORDER BY seq")]
    assert all(moves[revision] == ident for revision, ident in killed.moved)
    assert kept == moves[max(moves)]
    assert len(reports) == len(set(reports))
    newest = killed.taken[-50:]  # older ones are beyond what is kept of an agent
    assert set(newest) <= set(reports)
    assert told >= len(killed.taken)
    assert sequence == list(range(sequence[0], sequence[-1] + 1))


def test_a_unit_that_is_added_is_known_without_anybodys_doing_and_files_that_are_wrong_change_nothing(killed: Killed) -> None:
    process = killed.start()
    headers = {"Authorization": f"Bearer {killed.tokens[Role.VIEWER]}"}

    def units() -> list[str]:
        try:
            answer = httpx.get(f"http://127.0.0.1:{killed.port}/v1/units", headers=headers, timeout=5)
        except httpx.HTTPError:
            return []
        return [unit["name"] for unit in answer.json()] if answer.status_code == 200 else []

    def until(names: list[str]) -> None:
        for _ in range(1200):
            if units() == names:
                return
            time.sleep(0.05)
        raise AssertionError(units())

    until(["amber"])
    beryl = killed.folder / "hosts/beryl/unit.toml"
    beryl.parent.mkdir()
    beryl.write_text("name = 'beryl")
    time.sleep(1)
    assert units() == ["amber"]
    beryl.write_text(UNIT.replace("amber", "beryl"))
    until(["amber", "beryl"])
    assert process.poll() is None  # it is the same process, which the init knows
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(20) == 0
