"""claveld inside a console: it serves agents while the console is open, over the console's own journal."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from clavel_tui.bus.claveld import ClaveldError
from clavel_tui.domain.agent import Agent, AgentSpecification, Order, Role
from clavel_tui.domain.errors import RefusedError, SettingsError
from clavel_tui.history import MIGRATIONS, Journal
from clavel_tui.history.agents import Agents
from clavel_tui.history.deployments import Deployments
from clavel_tui.settings import Settings
from clavel_tui.store import Database
from clavel_tui.wiring import Wiring
from tests.history.test_agents import report
from tests.history.test_deployments import deployment, evaluation

A, B = deployment("amber"), deployment("amber", "b")
UNIT = 'name = "amber"\ntype = "nixos"\narch = "x86_64-linux"\naddress = "127.0.0.1"\nport = 1\n'


async def nobody(_question: object) -> str | None:
    return None


async def asked(client: httpx.AsyncClient) -> httpx.Response:
    try:
        return await client.get("/deployments/amber")
    except httpx.TransportError:
        return httpx.Response(503)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A fleet of one unit that is not there, and a console that serves it."""
    folder = tmp_path / "hosts"
    (folder / "amber").mkdir(parents=True)
    (folder / "fleet.toml").write_text('name = "test"\n[sources.main]\nurl = "/nowhere"\non = "request"\n')
    (folder / "amber/unit.toml").write_text(UNIT)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return Settings(str(folder), str(tmp_path / "journal.db"), serve=(("listen", f"127.0.0.1:{port}"),))


async def prepared(settings: Settings) -> str:
    """Two Deployments were evaluated, and there is an agent: its token."""
    database = await Database.open(settings.database, MIGRATIONS)
    for found in (A, B):
        await Deployments(database).record(evaluation(), [found], "ann", "evaluated main")
    agents = Agents(database)
    await agents.add(Agent(name="amber", specification=AgentSpecification(deployments=("amber",))), "ann")
    token = await agents.new_token("amber", Role.AGENT)
    await database.close()
    return token


def agent(settings: Settings, token: str) -> httpx.AsyncClient:
    url = f"http://{dict(settings.serve)['listen']}/v1"
    return httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=20)


async def test_an_agent_is_served_by_a_console_and_goes_back_with_its_ref(settings: Settings) -> None:
    token = await prepared(settings)
    async with Wiring(settings).console(nobody) as fleet, agent(settings, token) as client:
        assert (await client.get("/deployments/amber")).json()["specification"]["template"]["narId"] == B.nar_id
        await client.post("/reports", json=report(1, desired=A.id, health="ok", outcome="succeeded").model_dump(mode="json"))
        (seen,) = await fleet.agents()
        assert [said.report.desired for said in seen.reports] == [A.id]
        moved = await fleet.roll_back_ref("amber", "", "b is slow")
        assert (moved.deployment.id, bool(moved.pin)) == (A.id, True)
        assert (await client.get("/deployments/amber")).json()["specification"]["template"]["narId"] == A.nar_id
        waiting = asyncio.create_task(client.get("/deployments/amber?wait=15", headers={"If-None-Match": '"x"'}))
        await fleet.tell_agent("amber", Order.HOLD)
        assert (await waiting).status_code == 200
        assert (await client.get("/agents")).status_code == 403
    with pytest.raises(httpx.ConnectError):
        async with agent(settings, token) as client:
            await client.get("/deployments/amber")
    assert [thread.name for thread in threading.enumerate() if "_connection_worker_thread" in thread.name] == []


async def test_a_second_console_serves_nobody_until_the_first_is_closed(settings: Settings) -> None:
    token = await prepared(settings)
    first, second = AsyncExitStack(), AsyncExitStack()
    await first.enter_async_context(Wiring(settings).console(nobody))
    async with second, agent(settings, token) as client:
        assert (await client.get("/deployments/amber")).status_code == 200
        fleet = await second.enter_async_context(Wiring(settings).console(nobody))
        assert [state.agent.name for state in await fleet.agents()] == ["amber"]
        assert (await fleet.roll_back_ref("amber", A.id, "")).deployment.id == A.id
        await asyncio.sleep(0.5)
        await first.aclose()
        async with asyncio.timeout(30):
            while not (await asked(client)).is_success:
                await asyncio.sleep(0.1)
    database = await Database.open(settings.database, MIGRATIONS)
    said = [event.text for event in await Journal(database, "test").events(0) if event.kind == "warn"]
    await database.close()
    assert len(said) == 1
    assert "this console serves no agents" in said[0]


async def test_a_verb_changes_what_the_console_serves_and_listens_on_nothing(settings: Settings) -> None:
    await prepared(settings)
    async with Wiring(settings).client() as fleet:
        assert [state.agent.name for state in await fleet.agents()] == ["amber"]
        with socket.create_server(("127.0.0.1", int(dict(settings.serve)["listen"].rpartition(":")[2]))):
            pass


async def test_read_only_it_serves_nobody_and_moves_nothing(settings: Settings) -> None:
    token = await prepared(settings)
    async with Wiring(replace(settings, read_only="--read-only")).console(nobody) as fleet, agent(settings, token) as client:
        assert [state.agent.name for state in await fleet.agents()] == ["amber"]
        with pytest.raises(httpx.ConnectError):
            await client.get("/deployments/amber")
        with pytest.raises(RefusedError):
            await fleet.roll_back_ref("amber", A.id, "")
        assert fleet._parts.claveld  # type: ignore[attr-defined]
        with pytest.raises(ClaveldError, match="a token of the role viewer changes nothing"):
            await fleet._parts.claveld.roll_back("amber", A.id)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("said", "right"),
    [
        (
            {"listen": "127.0.0.1:8420", "tls_certificate": "/no.pem", "tls_key": "~/no.pem"},
            "claveld.tls_certificate is '/no.pem'",
        ),
        ({"listen": "0.0.0.0:8420"}, "others would read every token there"),
        ({"listen": "8420"}, "claveld.listen is '8420'"),
        ({"listen": "127.0.0.1:8420", "plain_http": "yes"}, "plain_http is 'yes'"),
        ({"listen": "127.0.0.1:8420", "tls_key": "/key.pem"}, "tls_certificate: is missing"),
    ],
)
async def test_what_cannot_be_served_is_said(settings: Settings, said: dict[str, str], right: str) -> None:
    with pytest.raises(SettingsError) as refused:
        async with Wiring(replace(settings, serve=tuple(said.items()))).console(nobody):
            pass
    assert right in str(refused.value)


@pytest.fixture
def run(tmp_path: Path, settings: Settings) -> Callable[..., tuple[int, str]]:
    """`claveld --console`, with the files of whoever types it."""
    config = tmp_path / "config/clavel-tui/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f"[claveld]\nlisten = {json.dumps(dict(settings.serve)['listen'])}\n")
    places = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_DATA_HOME": str(tmp_path / "data")}

    def ask(*words: str) -> tuple[int, str]:
        code = "import sys; from clavel_tui.claveld_wiring import main; sys.exit(main())"
        argv = [sys.executable, "-c", code, "--console", *words]
        done = subprocess.run(argv, cwd=tmp_path, env={**os.environ, **places}, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr

    return ask


async def test_its_agents_are_added_beside_it(run: Callable[..., tuple[int, str]], settings: Settings, tmp_path: Path) -> None:
    code, token = await asyncio.to_thread(run, "agent", "add", "amber")
    assert (code, token[:10]) == (0, "clv_agent_")
    mine = replace(settings, db=str(tmp_path / "data/clavel-tui/journal.db"))
    async with Wiring(mine).console(nobody), agent(mine, token.strip()) as client:
        assert (await client.get("/deployments/amber")).status_code == 404
        assert (await asyncio.to_thread(run, "agent", "remove", "amber"))[0] == 0
        async with asyncio.timeout(20):
            while (await client.get("/deployments/amber")).status_code != 401:
                await asyncio.sleep(0.1)
    assert (await asyncio.to_thread(run, "serve"))[0] == 3
    assert (await asyncio.to_thread(run, "--config", "/x", "refs"))[0] == 3
    file = tmp_path / "config/clavel-tui/config.toml"
    file.write_text(f"read_only = true\n{file.read_text()}")
    code, refused = await asyncio.to_thread(run, "token", "add", "mallory", "--role", "operator")
    assert (code, "clv_" in refused, "read-only" in refused) == (3, False, True)
    assert (await asyncio.to_thread(run, "agent", "list"))[0] == 0


def test_where_the_console_serves_nobody_it_says_how(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    (tmp_path / "config/clavel-tui/config.toml").write_text("")
    code, said = run("agent", "list")
    assert (code, "says of no claveld in your console" in said, "listen =" in said) == (3, True, True)


async def test_a_second_console_sees_what_is_reported_to_the_first(settings: Settings) -> None:
    token = await prepared(settings)
    wiring = Wiring(settings)
    async with wiring.console(nobody), Wiring(settings).client(settle=False) as second, agent(settings, token) as client:
        while not (await asked(client)).is_success:
            await asyncio.sleep(0.05)
        await client.post("/reports", json=report(1, desired=B.id, health="ok", outcome="succeeded").model_dump(mode="json"))
        async with asyncio.timeout(10):
            while not any(one.reports for one in await second.agents()):
                await asyncio.sleep(0.1)
