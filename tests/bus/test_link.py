"""The link to a NATS server that ends it for good: a scripted one, since real credentials take their time to expire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from clavel_tui.bus import link as of_link
from clavel_tui.bus.link import Link
from clavel_tui.domain.broker import Broker

INFO = b'INFO {"server_id":"x","version":"2.9.10","headers":true,"max_payload":1048576,"proto":1}\r\n'


class Server:
    """Says what nats-server says at the beginning, and keeps what it is told."""

    def __init__(self) -> None:
        self.clients: list[asyncio.StreamWriter] = []
        self.subscribed: list[list[str]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.clients.append(writer)
        self.subscribed.append(subjects := [])
        writer.write(INFO)
        while line := await reader.readline():
            if line.startswith(b"PING"):
                writer.write(b"PONG\r\n")
            if line.startswith(b"SUB"):
                subjects.append(line.split()[1].decode())


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, str]]:
    said = Server()
    async with await asyncio.start_server(said.serve, "127.0.0.1", 0) as listening:
        yield said, f"nats://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        for client in said.clients:
            client.close()


async def test_credentials_that_have_expired_end_no_link_for_good(
    server: tuple[Server, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_link, "RECONNECT_S", 0.05)
    said, url = server
    heard: list[int] = []

    async def hear(_subject: str, _data: bytes) -> None: ...

    async def answer(_data: bytes) -> bytes:
        return b""

    link = Link(Broker(url=url), "me")
    link.when_back(lambda: heard.append(1))
    async with link.opened():
        await link.ready(5)
        await link.listen("news", hear)
        await link.serve("questions", "all", answer)
        said.clients[-1].write(b"-ERR 'User Authentication Expired'\r\n")
        async with asyncio.timeout(20):
            while len(heard) < 2 or {*said.subscribed[-1]} != {"news", "questions"}:
                await asyncio.sleep(0.02)
        assert link.connected
        await link.ready(1)
    await asyncio.sleep(0.3)
    assert len(said.clients) == 2  # its own end is no reason to begin anew


async def test_a_way_back_that_has_ended_without_a_word_is_begun_anew(
    server: tuple[Server, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As nats-py's does where the loop raises what it does not expect: nobody is told, and nothing tries again."""
    monkeypatch.setattr(of_link, "RECONNECT_S", 0.05)
    monkeypatch.setattr(of_link, "SILENT_S", 0.5)
    said, url = server
    link = Link(Broker(url=url), "me")
    async with link.opened():
        await link.ready(5)
        await asyncio.sleep(0.7)  # well for longer than it may be silent
        first = link._client
        broken: list[int] = []

        async def breaks(_self: object) -> None:
            broken.append(1)
            raise RuntimeError("the handler is closed")

        monkeypatch.setattr(type(first), "_attempt_reconnect", breaks)
        said.clients[-1].close()
        async with asyncio.timeout(20):
            while not broken:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.2)
            assert link._client is first  # its own way back has its time
            while len(said.clients) < 2 or not link.connected:
                await asyncio.sleep(0.02)
        assert broken
        assert link._client is not first
        with pytest.raises(RuntimeError):  # what nobody looks at but us
            await first._reconnection_task
