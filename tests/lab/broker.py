"""An NATS server with JetStream as a process of its own, and a line to it that can be cut."""

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from clavel_tui.domain.broker import Broker


def free_port(host: str = "127.0.0.1") -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


class Server:
    """As long as a `with` block lasts. What it keeps outlives its end."""

    def __init__(self, folder: Path, host: str = "127.0.0.1", more: str = "") -> None:
        self.folder = folder
        self.host, self.port = host, free_port(host)
        self.more = more
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.end(signal.SIGKILL)

    @property
    def url(self) -> str:
        return f"nats://{self.host}:{self.port}"

    @property
    def broker(self) -> Broker:
        return Broker(url=self.url)

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def start(self) -> None:
        said = f"listen: {json.dumps(f'{self.host}:{self.port}')}\njetstream {{ store_dir: {json.dumps(str(self.folder))} }}\n{self.more}\n"
        (self.folder / "nats.conf").write_text(said)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(["nats-server", "-c", self.folder / "nats.conf"], stdout=log, stderr=log)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                socket.create_connection((self.host, self.port), 1).close()
                return
            assert self._process.poll() is None, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.05)
        raise AssertionError((self.folder / "log").read_text()[-2000:])

    def end(self, number: int = signal.SIGTERM) -> None:
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
            self._process.wait(30)
            self._process = None


class Line:
    """Between a client and a server: ``cut``, nothing comes through, in neither direction, and nobody is told."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.port = 0
        self._open = asyncio.Event()
        self._open.set()

    @property
    def broker(self) -> Broker:
        return Broker(url=f"nats://127.0.0.1:{self.port}")

    def cut(self) -> None:
        self._open.clear()

    def mend(self) -> None:
        self._open.set()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Self]:
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self.mend()
            server.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._open.wait()
        try:
            there, back = await asyncio.open_connection(self._server.host, self._server.port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(self._pass(reader, back), self._pass(there, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        writer.close()
