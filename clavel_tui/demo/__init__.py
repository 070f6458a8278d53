"""A fleet on loopback: eleven units, each a folder behind an SSH server, in which /bin/sh runs the scripts of any real unit.

Only the programs that those scripts ask about a machine are the demo's own: docker, systemctl, uname and the like.
Everything stands in one temporary folder, and nothing of it outlives the block.
"""

from __future__ import annotations

import contextlib
import fcntl
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clavel_tui.remote.serve import SshServers

_NAME = "clavel-demo-"


@dataclass(frozen=True)
class Places:
    """Where the demo's files are, for the wiring."""

    root: Path
    hosts: Path
    database: Path
    ssh_config: Path
    known_hosts: Path
    identity: Path
    nix: Path
    """The workstation's own, simulated."""


@contextlib.contextmanager
def demo_fleet() -> Iterator[Places]:
    """Brings the fleet up, and takes it down with all that was started in it, however the block ends."""
    from clavel_tui.demo.machine import remove
    from clavel_tui.remote.serve import SshServers, end_processes

    _sweep()
    root = Path(tempfile.mkdtemp(prefix=_NAME)).resolve()
    lock = (root / "lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    with _ended_kindly():
        try:
            with SshServers() as servers:
                yield _bring_up(root, servers)
        finally:
            with _undisturbed():
                end_processes(f"{root}/")
                lock.close()
                remove(root)


def _bring_up(root: Path, servers: SshServers) -> Places:
    """The units' folders, their servers, and the files that say how they are reached."""
    from clavel_tui.demo.engine.registry import FILE
    from clavel_tui.demo.engine.store import to_json
    from clavel_tui.demo.fleet import UNITS
    from clavel_tui.demo.hosts import write_hosts, write_ssh
    from clavel_tui.demo.life import write_repository
    from clavel_tui.demo.machine import write_machine, write_tools
    from clavel_tui.demo.past import write_past
    from clavel_tui.demo.stacks import REGISTRY
    from clavel_tui.remote.serve import ServedUnit

    names = ("repository/hosts", "journal.db", "ssh_config", "known_hosts", "identity", "tools/nix")
    places = Places(root, *(root / name for name in names))
    places.hosts.parent.mkdir()
    write_tools(root / "tools")
    (root / FILE).write_text(to_json(REGISTRY), encoding="utf-8")
    now = time.time()
    for unit in UNITS:
        write_machine(unit, root / unit.name, root / "tools")
        write_past(unit, root / unit.name, now)
    write_repository(places.hosts.parent)
    write_hosts(UNITS, places.hosts, root)
    served = [ServedUnit(unit.name, root / unit.name, environment(root / unit.name), unit.away) for unit in UNITS]
    write_ssh(places.ssh_config, places.known_hosts, places.identity, servers.start(served), servers)
    return places


def environment(folder: Path) -> Mapping[str, str]:
    """All that a process on a demo unit is given. CLAVEL_ROOT is where our scripts look for /proc, /etc and /run."""
    return {
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "PATH": f"{folder / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        "CLAVEL_ROOT": str(folder),
        "LANG": "C.UTF-8",
    }


def _sweep() -> None:
    """What a demo left that was killed with -9: its lock is free."""
    from clavel_tui.demo.machine import remove
    from clavel_tui.remote.serve import end_processes

    for folder in Path(tempfile.gettempdir()).glob(f"{_NAME}*"):
        with contextlib.suppress(OSError), (folder / "lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            end_processes(f"{folder.resolve()}/")
            remove(folder)


@contextlib.contextmanager
def _ended_kindly() -> Iterator[None]:
    """A closed terminal and a TERM are taken as a Ctrl-C, which asyncio ends a block on in good order."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # begun behind an `&`: then nobody would hear it
            raise KeyboardInterrupt
        signal.raise_signal(signal.SIGINT)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C does not stop the cleaning up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
