"""The same agents by way of a NATS server: each listens to its ref, and beats; what claveld and the server take together."""

import asyncio
import json
import shutil
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from clavel_tui.bus.link import Link
from clavel_tui.bus.log import Log
from clavel_tui.bus.wanted import BEAT_S, Beat
from clavel_tui.claveld.replica import Replica
from clavel_tui.claveld.replicated import ReplicatedDeployments
from clavel_tui.domain.broker import Broker, key
from clavel_tui.domain.deployment import Deployment
from clavel_tui.domain.source import Evaluation
from clavel_tui.history import MIGRATIONS
from clavel_tui.store import Database
from tests.lab.broker import Server


def there() -> bool:
    """A server is installed."""
    return shutil.which("nats-server") is not None


class Listeners:
    """So many connections, in the server's own protocol: a client for each would be what is measured."""

    beats_on = True
    """What they are told does not keep them from their heartbeats."""

    def __init__(self, server: Server, count: int) -> None:
        self._server = server
        self._count = count
        self._broker = server.broker
        self.told: dict[int, float] = {}

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(self._count):
                group.create_task(self._one(number))
                await asyncio.sleep(BEAT_S / self._count)

    async def _one(self, number: int) -> None:
        reader, writer = await asyncio.open_connection(self._server.host, self._server.port, limit=1 << 20)
        said = [self._broker.now("ref", "fleet"), self._broker.now("told", f"a{number}")]
        await reader.readline()
        writer.write(b'CONNECT {"verbose":false,"headers":true}\r\n')
        for sid, subject in enumerate(said):
            writer.write(f"SUB {subject} {sid}\r\n".encode())
        beating = asyncio.create_task(self._beat(writer, key(self._broker.beats, f"a{number}")))
        try:
            while line := await reader.readline():
                if line.startswith(b"PING"):
                    writer.write(b"PONG\r\n")
                elif line.startswith(b"HMSG"):
                    await reader.readexactly(int(line.split()[-1]) + 2)
                    if line.split()[2] == b"0":
                        self.told[number] = time.monotonic()
        finally:
            beating.cancel()
            writer.close()

    async def _beat(self, writer: asyncio.StreamWriter, subject: str) -> None:
        while True:
            said = Beat(at=time.time()).packed()
            writer.write(f"PUB {subject} {len(said)}\r\n".encode() + said + b"\r\n")
            await asyncio.sleep(BEAT_S)


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    """A server, which claveld's file names from then on."""
    with Server(folder / "nats") as found:
        with (folder / "claveld.toml").open("a") as out:
            out.write(f"[nats]\nurl = {json.dumps(found.url)}\n")
        yield found


@asynccontextmanager
async def another(folder: Path, broker: Broker) -> AsyncIterator[Callable[[Evaluation, Deployment], Awaitable[None]]]:
    """A second claveld's way to record an evaluation: the first one has to hear of it."""
    database = await Database.open(folder / "another.db", MIGRATIONS)
    link = Link(broker, "another")
    async with link.opened():
        await link.ready()
        replica = Replica(database, Log(link), "another")
        await replica.begin()
        deployments = ReplicatedDeployments(database, replica)

        async def record(evaluation: Evaluation, found: Deployment) -> None:
            await deployments.record(evaluation, [found], "bench", "")

        yield record
    await database.close()


def command(folder: Path) -> list[str]:
    words = [sys.executable, "-c", "import sys; from clavel_tui.claveld_wiring import main; sys.exit(main())"]
    return [*words, "--config", str(folder / "claveld.toml"), "serve"]
