"""The agent's client against a claveld that is real, away, or no claveld at all."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clavel_tui.bus.claveld import ClaveldError
from clavel_tui.bus.for_agent import AgentClient
from clavel_tui.domain.agent import Order, Role
from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.facts import Facts
from tests.claveld.test_fuzz import Served
from tests.history.test_agents import report


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(tmp_path_factory.mktemp("claveld"))
    yield served
    served.stop()


@pytest.fixture
def client(served: Served) -> AgentClient:
    return AgentClient(served.url, lambda: served.tokens[Role.AGENT], "test")


async def test_it_gets_its_deployment_and_then_only_what_has_changed(client: AgentClient) -> None:
    got = await client.deployment("amber")
    assert got.deployment
    assert got.deployment.genuine
    again = await client.deployment("amber", got.tag, wait=0.1)
    assert (again.deployment, again.tag) == (None, got.tag)
    assert not got.deployment.model_copy(update={"metadata": {**got.deployment.metadata, "sourceHash": "sha256-9"}}).genuine


async def test_it_hears_what_it_was_told(served: Served, client: AgentClient) -> None:
    await asyncio.wrap_future(served.tell("amber", Order.HOLD))
    told = (await client.deployment("amber")).told
    assert told
    assert told.order is Order.HOLD
    assert told.number > 0


async def test_a_report_is_taken_and_a_refusal_says_why(client: AgentClient) -> None:
    await client.report(report(1))
    with pytest.raises(ClaveldError, match="says 403: amber reports for itself") as refused:
        await client.report(report(2).model_copy(update={"agent": "beryl"}))
    assert refused.value.refused
    with pytest.raises(ClaveldError, match="says 403: amber may not ask for beryl; an operator says which"):
        await client.deployment("beryl")


@pytest.mark.parametrize("text", [None, "no certificate"])
def test_a_ca_file_that_cannot_be_read_is_said(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "ca.pem"
    if text:
        file.write_text(text)
    with pytest.raises(RefusedError, match=r"ca_file: .* cannot be read"):
        AgentClient("https://claveld", lambda: "token", "test", str(file))


async def test_facts_of_its_own_unit_are_taken(client: AgentClient) -> None:
    await client.tell(Facts(unit="amber", at=1.0, os="NixOS"))
    with pytest.raises(ClaveldError, match="says 403: amber tells of its own unit, and not of beryl"):
        await client.tell(Facts(unit="beryl", at=1.0))


async def test_a_claveld_that_is_away_is_no_refusal(client: AgentClient) -> None:
    assert await client.there()
    away = AgentClient("http://127.0.0.1:9", lambda: "token", "test")
    assert not await away.there()
    with pytest.raises(ClaveldError, match="cannot be reached") as error:
        await away.deployment("amber")
    assert not error.value.refused


async def test_what_is_no_claveld_is_not_believed() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        connection, _ = listener.accept()
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n<html>hi</html>")
        connection.close()

    threading.Thread(target=answer, daemon=True).start()
    client = AgentClient(f"http://127.0.0.1:{listener.getsockname()[1]}", lambda: "token", "test")
    with pytest.raises(ClaveldError, match="answers what is not understood"):
        await client.deployment("amber")
    listener.close()


async def test_a_wait_that_is_given_up_ends_at_once(client: AgentClient) -> None:
    """Else an agent that is stopped would wait a minute for its own question."""
    tag = (await client.deployment("amber")).tag
    waiting = asyncio.create_task(client.deployment("amber", tag, wait=60))
    await asyncio.sleep(0.3)
    before = threading.active_count()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    begun = time.monotonic()
    await asyncio.get_running_loop().shutdown_default_executor()
    assert time.monotonic() - begun < 10
    assert threading.active_count() < before
