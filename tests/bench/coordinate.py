"""So many agents that wait at one claveld, against a bare ASGI program that holds the same questions: processor, memory, telling."""

import asyncio
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from clavel_tui.domain.agent import Agent, AgentSpecification, Role
from clavel_tui.domain.deployment import Deployment, Specification, Template
from clavel_tui.domain.source import Evaluation, Lock, Source
from clavel_tui.history import MIGRATIONS
from clavel_tui.history.agents import Agents
from clavel_tui.history.deployments import Deployments
from clavel_tui.store import Database

from . import by_nats
from .measure import Aim, Row, Verdict

OURS, NATS, PEER = "claveld", "claveld and nats-server", "uvicorn, no more"
TELLING = "processor for the telling"
CHANGES, SETTLE_S = 10, 2.0
"""The telling is not over when the last one was told: who asks, asks again. What goes on beside it is taken off."""
ALONE_S = 5.0
"""So long nobody is connected."""
WAIT_S = 15
"""A heartbeat: each question waits so long, and is asked again."""
CORE = "% of a core"
BARE = """
import asyncio, sys, uvicorn
changed, tag = asyncio.Event(), "a"
async def app(scope, receive, send):
    global changed, tag
    headers = dict(scope["headers"])
    if scope["path"] == "/change":
        tag, old, changed = tag + "a", changed, asyncio.Event()
        old.set()
    elif headers.get(b"if-none-match", b"").decode() == tag:
        try:
            async with asyncio.timeout(WAIT_S):
                await changed.wait()
        except TimeoutError:
            pass
    same = headers.get(b"if-none-match", b"").decode() == tag
    await send({"type": "http.response.start", "status": 304 if same else 200, "headers": [(b"etag", tag.encode())]})
    await send({"type": "http.response.body", "body": b"" if same else b"x" * 600})
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", lifespan="off", access_log=False, timeout_keep_alive=75)
""".replace("WAIT_S", str(WAIT_S))  # fmt: skip


def coordinate(count: int, seconds: float = 60.0) -> tuple[list[Row], list[Verdict]]:
    """Both in turn: idle for ``seconds``, then one change that all of them are told."""
    with tempfile.TemporaryDirectory(prefix="clavel-bench-") as name:
        tokens = asyncio.run(_fleet(Path(name), count))
        with _claveld(Path(name)) as (pid, port):
            ours = asyncio.run(_measured([pid], _Agents(port, tokens), count, seconds, _in_a_thread(lambda: _move(Path(name)))))
        nats = asyncio.run(_by_nats(Path(name), count, seconds)) if by_nats.there() else {}
    with _bare() as (pid, port):
        theirs = asyncio.run(
            _measured([pid], _Agents(port, ["x"] * count), count, seconds, _in_a_thread(lambda: _ask_once(port)))
        )
    rows = [
        Row("coordinate", f"{who}: {what}", count, 1, value, unit=unit)
        for who, found in ((OURS, ours), (NATS, nats), (PEER, theirs))
        for what, (value, unit) in found.items()
    ]
    if not nats:
        rows.append(Row("coordinate", NATS, count, missing="no nats-server"))
    return rows, [verdict for name, peer, most in _RATIOS if (verdict := _verdict(count, rows, name, peer, most))]


_RATIOS = (
    (f"{OURS}: idle", f"{PEER}: idle", None),
    (f"{NATS}: idle", f"{OURS}: idle", None),
    (f"{NATS}: {TELLING}", f"{OURS}: {TELLING}", 1 / 3),
)


def _verdict(count: int, rows: list[Row], name: str, peer: str, most: float | None) -> Verdict | None:
    found = {row.name: row for row in rows}
    if name not in found or peer not in found:
        return None
    return Verdict("coordinate", count, name, Aim(found[name].unit, peer, most), found[name].wall / max(found[peer].wall, 0.01))


def _in_a_thread(change: Callable[[], object]) -> Callable[[], Awaitable[object]]:
    return lambda: asyncio.to_thread(change)


async def _by_nats(folder: Path, count: int, seconds: float) -> dict[str, tuple[float, str]]:
    with by_nats.server(folder) as server:
        process = subprocess.Popen(by_nats.command(folder), stderr=subprocess.DEVNULL)
        try:
            await asyncio.sleep(10)  # it puts what it knew into the log
            async with by_nats.another(folder, server.broker) as record:
                listeners = by_nats.Listeners(server, count)
                return await _measured(
                    [process.pid, server.pid],
                    listeners,
                    count,
                    seconds,
                    lambda: record(*_evaluated(f"nats{time.monotonic_ns()}")),
                )
        finally:
            process.terminate()
            process.wait(30)


async def _fleet(folder: Path, count: int) -> list[str]:
    """A journal with so many agents, all of which ask for one ref; their tokens."""
    hosts = folder / "hosts/fleet"
    hosts.mkdir(parents=True)
    (hosts / "unit.toml").write_text('name = "fleet"\ntype = "nixos"\narch = "x86_64-linux"\naddress = "fleet"\n')
    (hosts.parent / "fleet.toml").write_text('name = "bench"\n')
    database = await Database.open(folder / "claveld.db", MIGRATIONS)
    agents = Agents(database)
    tokens = []
    for number in range(count):
        await agents.add(Agent(name=f"a{number}", specification=AgentSpecification(deployments=("fleet",))), "bench")
        tokens.append(await agents.new_token(f"a{number}", Role.AGENT))
    await database.close()
    await _record(folder, "first")
    return tokens


def _evaluated(text: str) -> tuple[Evaluation, Deployment]:
    template = Template(
        nar_id=f"/nix/store/{text}", substituters=("https://cache.example.org",) * 3, keys=("key-1:" + "x" * 44,) * 3
    )
    found = Deployment.of(Specification(unit="fleet", template=template), "/repository", f"sha256-{text}")
    lock = Lock(url="/repository", nar_hash=f"sha256-{text}")
    return Evaluation(source=Source(name="main", url="/repository"), lock=lock), found


async def _record(folder: Path, text: str) -> None:
    database = await Database.open(folder / "claveld.db", MIGRATIONS)
    evaluation, found = _evaluated(text)
    await Deployments(database).record(evaluation, [found], "bench", "")
    await database.close()


def _move(folder: Path) -> None:
    """As an evaluation does; from another process, so that claveld has to notice it."""
    asyncio.run(_record(folder, f"next{time.monotonic_ns()}"))


def _ask_once(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET /change HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        connection.recv(4096)


def _port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _claveld(folder: Path) -> Iterator[tuple[int, int]]:
    port = _port()
    said = {"fleet": folder / "hosts", "listen": f"127.0.0.1:{port}", "database": folder / "claveld.db"}
    (folder / "claveld.toml").write_text("".join(f'{key} = "{value}"\n' for key, value in said.items()))
    words = [sys.executable, "-c", "import sys; from clavel_tui.claveld_wiring import main; sys.exit(main())"]
    with _started([*words, "--config", str(folder / "claveld.toml"), "serve"], port) as pid:
        yield pid, port


@contextmanager
def _bare() -> Iterator[tuple[int, int]]:
    port = _port()
    with _started([sys.executable, "-c", BARE, str(port)], port) as pid:
        yield pid, port


@contextmanager
def _started(words: list[str], port: int) -> Iterator[int]:
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    try:
        for _ in range(400):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


class _Agents:
    """So many connections that are kept; ``told``: when each last got something new."""

    beats_on = False
    """Behind a change all have just asked anew: no question runs out while it settles, so what that costs is not beside it."""

    def __init__(self, port: int, tokens: list[str]) -> None:
        self._port = port
        self._tokens = tokens
        self.told: dict[int, float] = {}
        self.waiting = 0

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for number, token in enumerate(self._tokens):
                group.create_task(self._one(number, token))
                await asyncio.sleep(WAIT_S / len(self._tokens))  # spread over a heartbeat, as their jitter does

    async def _one(self, number: int, token: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        tag = ""
        try:
            while True:
                ask = f"GET /v1/deployments/fleet?wait={WAIT_S if tag else 0} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
                writer.write((ask + (f"If-None-Match: {tag}\r\n" if tag else "") + "\r\n").encode())
                self.waiting += bool(tag)
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.waiting -= bool(tag)
                fields = {key.lower(): value for key, _, value in (line.partition(": ") for line in head.split("\r\n")[1:])}
                status = int(head.split()[1])
                if status == 200:
                    await _body(reader, fields)
                    self.told[number] = time.monotonic()
                elif status != 304:
                    raise RuntimeError(head)
                tag = fields["etag"]
        finally:
            writer.close()


async def _body(reader: asyncio.StreamReader, fields: dict[str, str]) -> None:
    if "content-length" in fields:
        await reader.readexactly(int(fields["content-length"]))
        return
    while length := int((await reader.readline()).strip(), 16):
        await reader.readexactly(length + 2)
    await reader.readexactly(2)


async def _measured(
    pids: list[int], agents: _Agents | by_nats.Listeners, count: int, seconds: float, change: Callable[[], Awaitable[object]]
) -> dict[str, tuple[float, str]]:
    alone = await _share(pids, ALONE_S)
    task = asyncio.create_task(agents.run())
    await asyncio.sleep(WAIT_S + 2)
    idle = await _share(pids, seconds)
    beside = idle if agents.beats_on else alone
    begun, used, after = time.monotonic(), _used(pids), list[float]()
    for _ in range(CHANGES):
        after += await _told(agents, count, change)
        await asyncio.sleep(SETTLE_S)
    after.sort()
    telling = (_used(pids) - used - beside * (time.monotonic() - begun)) / CHANGES
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return {
        "idle": (100 * idle, CORE),
        "memory": (sum(map(_memory, pids)), "MiB"),
        "told, the middle one": (statistics.median(after), "s"),
        "told, p99": (after[int(len(after) * 0.99) - 1], "s"),
        "told, the last": (after[-1], "s"),
        TELLING: (telling, "s"),
    }


async def _share(pids: list[int], seconds: float) -> float:
    """Of one core, while nothing changes."""
    begun, used = time.monotonic(), _used(pids)
    await asyncio.sleep(seconds)
    return (_used(pids) - used) / (time.monotonic() - begun)


async def _told(agents: _Agents | by_nats.Listeners, count: int, change: Callable[[], Awaitable[object]]) -> list[float]:
    """How long behind the change each has heard of it, in seconds."""
    agents.told.clear()
    at = time.monotonic()
    await change()
    while len(agents.told) < count:
        if time.monotonic() - at > 60:
            raise RuntimeError(f"only {len(agents.told)} were told")
        await asyncio.sleep(0.01)
    return [when - at for when in agents.told.values()]


def _used(pids: list[int]) -> float:
    stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(fields[11]) + int(fields[12]) for fields in stats) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
