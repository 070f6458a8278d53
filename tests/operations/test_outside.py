"""Checks that are looked at from the workstation: nothing that answers oddly ends an operation."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from clavel_tui.domain.unit import Check, Unit, UnitType
from clavel_tui.operations.outside import failing


class Answering(BaseHTTPRequestHandler):
    """404 for everything but /."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def unit(*checks: Check, address: str = "127.0.0.1") -> Unit:
    return Unit(name="web", type=UnitType.NIXOS, arch="x86_64-linux", address=address, checks=checks)


async def test_what_accepts_and_answers_holds(port: int) -> None:
    url = f"http://127.0.0.1:{port}"
    checks = (Check(tcp=port), Check(http=f"{url}/"), Check(http=f"{url}/gone", status=404), Check(systemd="a.service"))
    assert await failing(unit(*checks), None) == frozenset()
    assert await failing(unit(Check(tcp=port), address="local"), None) == frozenset()
    assert await failing(unit(Check(http=f"{url}/gone")), None) == {f"http {url}/gone 200"}


async def test_what_is_no_web_server_or_no_address_does_not_hold_and_raises_nothing() -> None:
    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        dead = free.getsockname()[1]
    checks = [Check(http=f"http://127.0.0.1:{port}/"), Check(http="http://nas:abc/"), Check(tcp=dead)]
    assert len(await failing(unit(*checks), None)) == 3
    assert len(await failing(unit(Check(tcp=22), address="no such\x00host"), None)) == 1
    server.close()
