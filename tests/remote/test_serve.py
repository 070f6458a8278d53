"""The serving side: real /bin/sh behind real SSH on loopback, and an end to everything that it started."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import asyncssh
import pytest

from clavel_tui.remote.serve import ServedUnit, SshServers, end_processes, marked_processes

Connect = Callable[[], contextlib.AbstractAsyncContextManager[asyncssh.SSHClientConnection]]


@pytest.fixture
def mark(tmp_path: Path) -> Iterator[str]:
    yield f"SERVED={tmp_path}"
    assert end_processes(f"SERVED={tmp_path}")


@pytest.fixture
def servers(tmp_path: Path, mark: str) -> Iterator[tuple[SshServers, dict[str, int]]]:
    environment = {"PATH": os.environ["PATH"], "SERVED": mark.partition("=")[2], "WHO": "unit"}
    with SshServers() as servers:
        ports = servers.start([ServedUnit("here", tmp_path, environment), ServedUnit("gone", tmp_path, environment, away=True)])
        yield servers, ports


@pytest.fixture
def connect(servers: tuple[SshServers, dict[str, int]]) -> Connect:
    served, ports = servers

    @contextlib.asynccontextmanager
    async def made() -> AsyncIterator[asyncssh.SSHClientConnection]:
        known = asyncssh.import_known_hosts(served.known_hosts({"here": f"[127.0.0.1]:{ports['here']}"}))
        key = asyncssh.import_private_key(served.identity)
        options = {"known_hosts": known, "client_keys": [key], "agent_path": None, "config": None, "username": "root"}
        async with asyncssh.connect("127.0.0.1", ports["here"], **options) as connection:
            yield connection

    return made


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.02)


async def test_a_command_has_its_folder_its_environment_and_its_status(connect: Connect, tmp_path: Path) -> None:
    async with connect() as ssh:
        done = await ssh.run("pwd; echo $WHO-${HOME:-none}; echo trouble >&2; exit 7")
    assert (done.stdout, done.stderr, done.exit_status) == (f"{tmp_path.resolve()}\nunit-none\n", "trouble\n", 7)


async def test_stdin_goes_in_whole_and_ends(connect: Connect) -> None:
    data = os.urandom(3_000_000)
    async with connect() as ssh:
        done = await ssh.run("cat", input=data, encoding=None)
    assert done.stdout == data


async def test_a_slow_reader_is_waited_for(connect: Connect) -> None:
    async with connect() as ssh:
        process = await ssh.create_process("head -c 20000000 /dev/zero; echo end", encoding=None)
        await asyncio.sleep(0.3)
        size, last = 0, b""
        while chunk := await process.stdout.read(1 << 16):
            size, last = size + len(chunk), chunk
    assert size == 20_000_004
    assert last.endswith(b"end\n")


async def test_eight_commands_at_once_on_one_connection(connect: Connect) -> None:
    async with connect() as ssh:
        done = await asyncio.gather(*(ssh.run(f"sleep 0.1; echo {n}") for n in range(8)))
    assert [d.stdout for d in done] == [f"{n}\n" for n in range(8)]


async def test_a_signal_reaches_the_whole_group(connect: Connect, mark: str) -> None:
    async with connect() as ssh:
        process = await ssh.create_process("sleep 600 & sleep 600; wait")
        await until(lambda: len(marked_processes(mark)) > 2)
        process.terminate()
        await until(lambda: not marked_processes(mark))
        await process.wait_closed()
        assert process.exit_signal is not None
        assert process.exit_signal[0] == "TERM"


async def test_a_signal_is_not_lost_while_the_process_is_being_started(connect: Connect) -> None:
    async with connect() as ssh, asyncio.timeout(10):
        for _ in range(5):
            process = await ssh.create_process("sleep 600")
            process.terminate()
            await process.wait_closed()
            assert process.exit_signal is not None
            assert process.exit_signal[0] == "TERM"


async def test_a_cut_connection_ends_what_runs_on_it(connect: Connect, mark: str) -> None:
    async with connect() as ssh:
        await ssh.create_process("trap '' TERM; while :; do sleep 0.1; done")
        await until(lambda: bool(marked_processes(mark)))
        ssh.abort()
    await until(lambda: not marked_processes(mark))


async def test_what_was_detached_lives_on_until_it_is_ended_by_its_mark(connect: Connect, mark: str) -> None:
    async with connect() as ssh:
        await ssh.run("setsid sh -c 'trap \"\" TERM; sleep 600; sleep 600' </dev/null >/dev/null 2>&1 &")
    await asyncio.sleep(0.2)
    assert marked_processes(mark)
    assert end_processes(mark)
    assert not marked_processes(mark)


async def test_the_end_of_the_servers_ends_commands(tmp_path: Path, mark: str) -> None:
    with SshServers() as served:
        ports = served.start([ServedUnit("here", tmp_path, {"PATH": os.environ["PATH"], "SERVED": mark.partition("=")[2]})])
        key = asyncssh.import_private_key(served.identity)
        ssh = await asyncssh.connect(
            "127.0.0.1", ports["here"], known_hosts=None, client_keys=[key], agent_path=None, config=None, username="root"
        )
        await ssh.create_process("trap '' TERM HUP; while :; do sleep 0.1; done")
        await until(lambda: bool(marked_processes(mark)))
    await until(lambda: not marked_processes(mark))
    ssh.abort()


async def test_only_our_key_is_let_in(servers: tuple[SshServers, dict[str, int]]) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519")
    with pytest.raises(asyncssh.PermissionDenied):
        await asyncssh.connect(
            "127.0.0.1", servers[1]["here"], known_hosts=None, client_keys=[other], agent_path=None, config=None, username="root"
        )


async def test_each_unit_has_a_host_key_of_its_own(tmp_path: Path) -> None:
    with SshServers() as served:
        served.start([ServedUnit("one", tmp_path, {}), ServedUnit("two", tmp_path, {})])
        lines = served.known_hosts({"one": "one.demo", "two": "two.demo"}).splitlines()
    assert [line.split()[0] for line in lines] == ["one.demo", "two.demo"]
    assert len({line.split()[2] for line in lines}) == 2


def test_nobody_listens_for_a_unit_that_is_away(servers: tuple[SshServers, dict[str, int]]) -> None:
    begun = time.monotonic()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", servers[1]["gone"]), 5)
    assert time.monotonic() - begun < 1


async def test_a_person_gets_a_terminal(connect: Connect) -> None:
    async with connect() as ssh:
        process = await ssh.create_process("stty size; tty; read word; echo got:$word", term_type="xterm", term_size=(100, 30))
        process.stdin.write("hello\n")
        said = await process.stdout.read()
        assert process.exit_status == 0
    assert "30 100" in said
    assert "/dev/" in said
    assert "got:hello" in said
