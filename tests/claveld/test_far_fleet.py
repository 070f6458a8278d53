"""A console that has no fleet's files and no way to a unit: it sees the fleet through claveld, over a real socket."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import tomli_w

from clavel_tui.bus import far_fleet
from clavel_tui.bus.far_fleet import FarFleet
from clavel_tui.bus.for_agent import AgentClient
from clavel_tui.bus.for_console import ConsoleClient
from clavel_tui.domain.agent import Order, Phase, Report, Role
from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.facts import Facts
from clavel_tui.domain.health import Level
from clavel_tui.domain.operation import Origin, Request, Verb
from clavel_tui.domain.outcome import Outcome
from clavel_tui.fleet.state import UnitState
from tests.history.test_agents import report
from tests.history.test_deployments import deployment, path

from .test_fuzz import Served

BACK = Request(unit="amber", stack="", verb=Verb.ROLLBACK)
A, B = deployment("amber", "a"), deployment("amber", "b")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    yield served
    served.stop()


def client(served: Served, role: Role) -> ConsoleClient:
    return ConsoleClient(served.url, lambda: served.tokens[role], "test")


@pytest.fixture
async def fleet(served: Served) -> AsyncIterator[FarFleet]:
    claveld = client(served, Role.OPERATOR)
    fleet = FarFleet(claveld, claveld, Origin(operator="ann"))
    watching = asyncio.create_task(fleet.watch())
    yield fleet
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    await fleet.close()


def said(text: str, number: int, phase: Phase = Phase.IDLE) -> Report:
    """How amber's agent stands with that system."""
    return report(
        number, desired=deployment("amber", text).id, running=path(text), phase=phase, outcome=Outcome.SUCCEEDED, health=Level.OK
    )


async def until(fleet: FarFleet, holds: Callable[[UnitState], object]) -> UnitState:
    """The unit amber, as soon as that is true of it."""
    async with asyncio.timeout(10):
        while True:
            amber = (await fleet.snapshot()).unit("amber")
            if amber and holds(amber):
                return amber
            await fleet.changed()


async def test_it_sees_what_agents_tell(served: Served, fleet: FarFleet) -> None:
    first = await fleet.snapshot()
    assert (first.name, served.url) == ("test", f"http://{first.through}")
    assert ([state.unit.name for state in first.units], first.claveld) == (["amber", "beryl"], "")
    agent = AgentClient(served.url, lambda: served.tokens[Role.AGENT], "test")
    await agent.tell(Facts(unit="amber", at=1.0, os="NixOS 25.05", boot_id="b", uptime=60.0, current=path("a")))
    amber = await until(fleet, lambda amber: amber.facts)
    assert amber.facts
    assert amber.facts.os == "NixOS 25.05"
    assert fleet.unit_now("amber") == amber
    assert amber.agent
    assert [one.deployment.id for one in await fleet.deployments("amber")] == [B.id, A.id]
    assert (await fleet.deployment(f"amber@{A.id[:8]}")).id == A.id
    assert [one.source.name for one in await fleet.sources()] == ["main"]
    assert await fleet.history() == []
    with pytest.raises(RefusedError, match="says 404"):
        await fleet.deployment("zinc")
    with pytest.raises(RefusedError, match="says 4"):
        await fleet.unpin_ref("käse/../x")


async def test_three_keys_bring_a_unit_back_through_claveld(served: Served, fleet: FarFleet) -> None:
    for number, text in enumerate("ab", 1):
        await asyncio.wrap_future(served.say(said(text, number)))
    await until(fleet, lambda amber: amber.agent and amber.agent.reports)
    plan = await fleet.plan(BACK)
    assert not plan.refusal
    assert plan.pull
    assert plan.pull.deployment == A.id
    ident = await fleet.submit(plan, "b is slow")
    await until(fleet, lambda amber: amber.head and amber.head.nar_id == path("a"))
    async with asyncio.timeout(10):
        while [one.step for one in (await fleet.snapshot()).operations] != ["its agent applies it"]:
            await asyncio.sleep(0.02)
    await asyncio.wrap_future(served.say(said("a", 3)))
    ended = await asyncio.wait_for(fleet.wait(ident), 10)
    assert (ended.outcome, ended.text.endswith("runs, as its agent has seen")) == (Outcome.SUCCEEDED, True)
    assert (await fleet.snapshot()).operations == ()
    assert [one.id for one in await fleet.history(10, "amber")] == [ident]
    assert (await fleet.unpin_ref("amber")).deployment.id == B.id
    pinned = await fleet.pin_ref("amber", "b is good enough")
    assert (pinned.deployment.id, pinned.pin and pinned.pin.why) == (B.id, "b is good enough")


async def test_what_it_cannot_do_is_said(served: Served, fleet: FarFleet) -> None:
    await fleet.snapshot()
    for request in (Request(unit="amber", stack="web", verb=Verb.UPDATE), Request(unit="amber", stack="", verb=Verb.DEPLOY)):
        assert "there is no way from here to" in (await fleet.plan(request)).refusal
    assert "no agent has reported another Deployment" in (await fleet.plan(BACK)).refusal
    assert "there is no unit zinc" in (await fleet.plan(BACK.model_copy(update={"unit": "zinc"}))).refusal
    assert "beryl has no agent" in (await fleet.plan(BACK.model_copy(update={"unit": "beryl"}))).refusal
    for ask in (fleet.unlock("amber"), fleet.fingerprint("amber"), fleet.check_images("amber", "web"), fleet.trust("line")):
        with pytest.raises(RefusedError, match="there is no way from here"):
            await ask
    assert "no way from here to the logs" in await fleet.logs("amber", "web", "", tail=1, follow=False, on_line=print)


async def refused(fleet: FarFleet) -> str:
    """Why amber was not rolled back."""
    try:
        ended = await fleet.wait(await fleet.submit(await fleet.plan(BACK)))
    except RefusedError as error:
        return str(error)
    assert ended.outcome is Outcome.REFUSED
    return ended.text


async def test_a_viewers_token_and_a_read_only_console_change_nothing(served: Served) -> None:
    for number, text in enumerate("ab", 1):
        await asyncio.wrap_future(served.say(said(text, number)))
    viewer = client(served, Role.VIEWER)
    for fleet, word in (
        (FarFleet(viewer, viewer, Origin(operator="ann")), "a token of the role viewer changes nothing"),
        (FarFleet(client(served, Role.OPERATOR), None, Origin(operator="ann"), "--read-only"), "--read-only says so"),
    ):
        assert word in await refused(fleet)
        for ask in (
            fleet.evaluate("main"),
            fleet.tell_agent("amber", Order.HOLD),
            fleet.roll_back_ref("amber"),
            fleet.pin_ref("amber"),
            fleet.unpin_ref("amber"),
        ):
            with pytest.raises(RefusedError, match=word):
                await ask
        await fleet.close()
    assert (await viewer.ref("amber")).deployment.id == B.id


async def test_a_claveld_that_is_away_is_said_and_what_it_said_last_stays(
    served: Served, fleet: FarFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(far_fleet, "AWAY_FIRST_S", 0.05)
    before = await fleet.snapshot()
    served.stop()
    async with asyncio.timeout(10):
        while not (now := await fleet.snapshot()).claveld:
            await fleet.changed()
    assert "cannot be reached" in now.claveld
    assert now.units == before.units
    never = FarFleet(client(served, Role.VIEWER), None, Origin(operator="ann"))
    assert ((await never.snapshot()).units, "cannot be reached" in (await never.snapshot()).claveld) == ((), True)


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command line, in a folder without a fleet."""
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "XDG_CONFIG_HOME": str(folder / ".config"), "LC_ALL": "C.UTF-8"}
    argv = [sys.executable, "-c", "import sys; from clavel_tui.wiring import main; sys.exit(main())", *words]
    return subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_line_without_a_fleet_asks_the_claveld_that_is_named(served: Served, tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    config = folder / ".config/clavel-tui/config.toml"
    config.parent.mkdir(parents=True)
    token = folder / "token"
    token.write_text(served.tokens[Role.OPERATOR])
    token.chmod(0o600)
    config.write_text(tomli_w.dumps({"claveld": {"url": served.url, "token_file": str(token)}}))
    assert tomllib.loads(config.read_text())["claveld"]["url"] == served.url

    units = run(folder, "units", "--json")
    assert units.returncode == 0, units.stderr
    assert [unit["name"] for unit in json.loads(units.stdout)] == ["amber", "beryl"]
    assert json.loads(run(folder, "agents", "--json").stdout)[0]["agent"]["name"] == "amber"
    assert "amber@" in run(folder, "deployments").stdout
    moved = run(folder, "agent", "rollback", "amber", "--to", A.id[:8], "--reason", "b is slow")
    assert "stays there" in moved.stdout, moved.stderr
    refused = run(folder, "--read-only", "agent", "unpin", "amber")
    assert (refused.returncode, "read-only" in refused.stderr) == (3, True)
    evaluated = run(folder, "eval", "main")
    assert "0123456789" in evaluated.stderr or evaluated.returncode  # the engine of this test evaluates nothing
    assert (run(folder, "check").returncode, run(folder, "history", "export", "--json").returncode) == (2, 0)
    assert run(folder, "completion", "bash").returncode == 0
    served.stop()
    assert run(folder, "completion", "bash").returncode == 0
    away = run(folder, "units")
    assert (away.returncode, "cannot be reached" in away.stderr) == (3, True)
    assert "Traceback" not in away.stderr
