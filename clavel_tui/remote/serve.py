"""The serving side of SSH: units that are folders of this machine, behind servers on loopback. For a demo, and for tests.

Each unit has a host key of its own and lets exactly one client key in. A request is run by /bin/sh in the unit's folder,
in a session of its own. The servers have a thread and an event loop of their own, so that a console never serves itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    import asyncssh

T = TypeVar("T")
_CHUNK = 64 * 1024
_START_S = 20.0
_KILL_AFTER_S = 1.0
_SIGNALS = {"TERM": signal.SIGTERM, "KILL": signal.SIGKILL, "INT": signal.SIGINT, "HUP": signal.SIGHUP, "QUIT": signal.SIGQUIT}


@dataclass(frozen=True)
class ServedUnit:
    """A unit: its folder, the whole environment of what runs there, and whether nobody listens on its port."""

    name: str
    folder: Path
    environment: Mapping[str, str]
    away: bool = False


class SshServers:
    """Serves units for as long as the block lasts; at its end no process of theirs is left."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="ssh-servers", daemon=True)
        self._acceptors: list[asyncssh.SSHAcceptor] = []
        self._reserved: list[socket.socket] = []
        self._host_keys: dict[str, str] = {}
        self.sessions: set[_Session] = set()
        self.connections: set[asyncssh.SSHServerConnection] = set()
        self.identity = b""
        """The only private key that is let in, as OpenSSH writes it."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_START_S)
        if not self._thread.is_alive():
            self._loop.close()
        for place in self._reserved:
            place.close()

    def start(self, units: Sequence[ServedUnit]) -> dict[str, int]:
        """Listens for each unit; the port of each, on 127.0.0.1."""
        ports = {unit.name: self._reserve() for unit in units if unit.away}
        return ports | self._do(self._listen([unit for unit in units if not unit.away]))

    def known_hosts(self, names: Mapping[str, str]) -> str:
        """Lines of known_hosts. ``names``: by unit, the name that a client knows it by."""
        return "".join(f"{host} {self._host_keys[unit]}\n" for unit, host in names.items() if unit in self._host_keys)

    def _reserve(self) -> int:
        """Bound and not listened on: who connects is refused, and nobody else gets the port."""
        place = socket.socket()
        place.bind(("127.0.0.1", 0))
        self._reserved.append(place)
        return int(place.getsockname()[1])

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_START_S)

    async def _listen(self, units: Sequence[ServedUnit]) -> dict[str, int]:
        import asyncssh

        client = asyncssh.generate_private_key("ssh-ed25519", comment="the console")
        self.identity = client.export_private_key("openssh")
        ports = {}
        for unit in units:
            key = asyncssh.generate_private_key("ssh-ed25519", comment=unit.name)
            self._host_keys[unit.name] = key.export_public_key("openssh").decode().strip()
            acceptor = await asyncssh.listen(
                "127.0.0.1",
                0,
                server_factory=_doors(self, unit, client.convert_to_public()),
                server_host_keys=[key],
                encoding=None,
                line_editor=False,
                compression_algs=None,
                gss_host=None,
            )
            self._acceptors.append(acceptor)
            ports[unit.name] = acceptor.get_port()
        return ports

    async def _close(self) -> None:
        for acceptor in self._acceptors:
            acceptor.close()
        for session in list(self.sessions):
            session.end(signal.SIGKILL)
        for connection in list(self.connections):
            connection.abort()
        tasks = [session.work for session in self.sessions if session.work]
        await asyncio.wait(tasks, timeout=2.0) if tasks else None


def _doors(servers: SshServers, unit: ServedUnit, client: asyncssh.SSHKey) -> Any:  # noqa: ANN401  asyncssh is imported late
    import asyncssh

    class Door(asyncssh.SSHServer):
        """One connection to one unit."""

        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            """Kept, to be closed at the end."""
            self._connection = conn
            servers.connections.add(conn)

        def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
            """Its sessions hear of it themselves."""
            servers.connections.discard(self._connection)

        def begin_auth(self, username: str) -> bool:  # noqa: ARG002
            """Nobody comes in without a key."""
            return True

        def public_key_auth_supported(self) -> bool:
            """The only way in."""
            return True

        def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:  # noqa: ARG002
            """Whether it is our client's."""
            return bool(key == client)

        def session_requested(self) -> Any:  # noqa: ANN401
            """A channel for one command."""
            return _Session(servers, unit)

    return Door


class _Session:
    """One request: a process group, its streams, and an end when either side is gone. An asyncssh.SSHServerSession."""

    def __init__(self, servers: SshServers, unit: ServedUnit) -> None:
        self._servers = servers
        self._unit = unit
        self._command: str | None = None
        self._terminal: str | None = None
        self._size = (80, 24, 0, 0)
        self._early: list[bytes] = []
        self._stdin: Any = None
        self._master = -1
        self._at_end = False
        self._process: asyncio.subprocess.Process | None = None
        self._early_end: signal.Signals | None = None
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.work: asyncio.Task[None] | None = None

    # What asyncssh asks and tells.

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        """The channel is open."""
        self._channel = chan
        self._servers.sessions.add(self)

    def pty_requested(self, term_type: str, term_size: tuple[int, int, int, int], _modes: object) -> bool:
        """A terminal, for a person."""
        self._terminal, self._size = term_type, term_size
        return True

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        """The person's window changed."""
        self._size = (width, height, pixwidth, pixheight)
        self._resize()

    def shell_requested(self) -> bool:
        """A login without a command."""
        return True

    def exec_requested(self, command: str) -> bool:
        """A command."""
        self._command = command
        return True

    def subsystem_requested(self, subsystem: str) -> bool:  # noqa: ARG002
        """No sftp."""
        return False

    def session_started(self) -> None:
        """Everything was asked for: go."""
        self.work = asyncio.ensure_future(self._run())

    def data_received(self, data: bytes, datatype: object) -> None:  # noqa: ARG002
        """To the process's stdin."""
        if self._master >= 0:
            os.write(self._master, data)
        elif self._stdin is None:
            self._early.append(data)
        elif not self._stdin.is_closing():
            self._stdin.write(data)

    def eof_received(self) -> bool:
        """Its stdin ends; its output does not."""
        self._at_end = True
        if self._stdin is not None:
            self._stdin.close()
        return True

    def signal_received(self, signal: str) -> None:
        """To the whole group."""
        self.end(_SIGNALS.get(signal, _SIGNALS["TERM"]))

    def break_received(self, msec: int) -> bool:  # noqa: ARG002
        """As on a serial line: an interrupt."""
        self.end(signal.SIGINT)
        return True

    def pause_writing(self) -> None:
        """The client reads more slowly than the process writes."""
        self._flowing.clear()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._flowing.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Nobody listens any more: the group is ended."""
        self._flowing.set()
        self.end(signal.SIGTERM)

    # What is done.

    def end(self, number: signal.Signals) -> None:
        """A signal to the group, for as long as its leader lives; one that is still being started gets it then."""
        if self._process is None:
            self._early_end = number
            return
        if self._process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)
        if number is signal.SIGTERM:
            asyncio.get_running_loop().call_later(_KILL_AFTER_S, self.end, signal.SIGKILL)

    async def _run(self) -> None:
        try:
            code = await (self._on_terminal() if self._terminal is not None else self._on_pipes())
            if code < 0:
                self._channel.exit_with_signal(signal.Signals(-code).name.removeprefix("SIG"))
            else:
                self._channel.exit(code)
        except OSError as error:
            self._channel.write_stderr(f"{error}\n".encode())
            self._channel.exit(127)
        finally:
            self._servers.sessions.discard(self)

    async def _start(self, streams: int, **more: Any) -> asyncio.subprocess.Process:  # noqa: ANN401
        line = ["-c", self._command] if self._command is not None else ["-i"]
        environment = {**self._unit.environment, **({"TERM": self._terminal} if self._terminal else {})}
        self._process = await asyncio.create_subprocess_exec(
            "/bin/sh",
            *line,
            cwd=self._unit.folder,
            env=environment,
            stdin=streams,
            stdout=streams,
            stderr=streams,
            start_new_session=True,
            **more,
        )
        if self._early_end or self._channel.is_closing():
            self.end(self._early_end or signal.SIGTERM)
        return self._process

    async def _on_pipes(self) -> int:
        process = await self._start(asyncio.subprocess.PIPE)
        self._stdin = process.stdin
        for data in self._early:
            self._stdin.write(data)
        if self._at_end:
            self._stdin.close()
        await asyncio.gather(
            self._pour(process.stdout, self._channel.write), self._pour(process.stderr, self._channel.write_stderr)
        )
        return await process.wait()

    async def _pour(self, stream: asyncio.StreamReader | None, write: Any) -> None:  # noqa: ANN401
        while stream and (chunk := await stream.read(_CHUNK)):
            await self._flowing.wait()
            if not self._channel.is_closing():
                write(chunk)

    async def _on_terminal(self) -> int:
        self._master, slave = os.openpty()
        self._resize()
        try:
            process = await self._start(slave, preexec_fn=_take_terminal)
        finally:
            os.close(slave)
        for data in self._early:
            os.write(self._master, data)
        loop = asyncio.get_running_loop()
        hung_up = asyncio.Event()
        loop.add_reader(self._master, self._read_master, hung_up)
        code = await process.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_KILL_AFTER_S):
                await hung_up.wait()
        loop.remove_reader(self._master)
        os.close(self._master)
        self._master = -1
        return code

    def _read_master(self, hung_up: asyncio.Event) -> None:
        try:
            chunk = os.read(self._master, _CHUNK)
        except OSError:
            chunk = b""
        if chunk and not self._channel.is_closing():
            self._channel.write(chunk)
        elif not chunk:
            asyncio.get_running_loop().remove_reader(self._master)
            hung_up.set()

    def _resize(self) -> None:
        if self._master >= 0:
            width, height, across, down = self._size
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, across, down))


def _take_terminal() -> None:
    """In the child, which leads a session already: its stdin is its terminal."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


# ---------------------------------------------------------------- what was detached


def end_processes(mark: str, patience: float = 5.0) -> bool:
    """Ends every process whose environment or command line holds ``mark``: a durable job left its session on purpose.

    Asked again until there is none, since one that is being ended may start another. False when some are left.
    """
    until = time.monotonic() + patience
    while found := marked_processes(mark):
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def marked_processes(mark: str) -> list[int]:
    """Who they are. Where there is no /proc, `ps` tells what it may."""
    if not Path("/proc/self/environ").exists():
        return _marked_by_ps(mark)
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if mark.encode() in (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return found


def _marked_by_ps(mark: str) -> list[int]:
    done = subprocess.run(["ps", "-axEww", "-o", "pid=,command="], capture_output=True, check=False)
    lines = [line.split(None, 1) for line in done.stdout.decode(errors="replace").splitlines()]
    return [int(line[0]) for line in lines if len(line) > 1 and mark in line[1] and int(line[0]) != os.getpid()]
