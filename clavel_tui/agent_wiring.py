"""clavel-agent's composition root: its file → wired parts."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import getpass
import os
import signal
import socket
import sys
import time
import types
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from clavel_tui import __version__
from clavel_tui.domain.errors import ClavelError, InventoryError, RefusedError, SettingsError
from clavel_tui.process import origin, runner_name, user_name

if TYPE_CHECKING:
    from clavel_tui.agent.daemon import Daemon
    from clavel_tui.bus.for_agent import AgentClient
    from clavel_tui.domain.unit import Unit
    from clavel_tui.inventory.schema import ClaveldTable
    from clavel_tui.operations.parts import Parts
    from clavel_tui.store import Database

TRIES = 3
FILE = Path("/etc/clavel-agent/agent.toml")
OWN = Path("/var/lib/clavel-agent")
"""Its journal, its outbox and what it remembers. Keep it, and /var/lib/clavel, where the root file system does not last."""


def main(argv: Sequence[str] | None = None) -> int:
    """The entry point of `clavel-agent`."""
    args = _parser().parse_args(argv)
    _without_plugins()
    if args.version or args.verb is None:
        sys.stdout.write(f"clavel-agent {__version__}\n" if args.version else _parser().format_help())
        return 0
    try:
        return _VERBS[args.verb](args)
    except ClavelError as error:
        sys.stderr.write(f"clavel-agent: {error}\n{f'  {error.hint}' + chr(10) if error.hint else ''}")
        return 2 if isinstance(error, (InventoryError, SettingsError)) else 3
    except KeyboardInterrupt:
        return 130


def _without_plugins() -> None:
    """Pydantic looks for plug-ins of its own in what is installed, and imports 0.8 MB for it; an agent has none.

    Should its loader once be called otherwise, nothing is lost but that.
    """
    loader = types.ModuleType("pydantic.plugin._loader")
    loader.get_plugins = tuple  # type: ignore[attr-defined]  # that is: none
    sys.modules.setdefault(loader.__name__, loader)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="clavel-agent", description="Asks claveld which Deployment this machine should run, and applies it."
    )
    parser.add_argument("--version", action="store_true", help="show the version and end")
    parser.add_argument("--config", default=str(FILE), metavar="FILE", help=f"its own file ({FILE})")
    parser.add_argument("--own", default=str(OWN), metavar="FOLDER", help=f"where it keeps what it remembers ({OWN})")
    verbs = parser.add_subparsers(dest="verb", metavar="COMMAND")
    verbs.add_parser("run", help="ask and apply until stopped")
    hold = verbs.add_parser("hold", help="leave everything as it is, until released")
    hold.add_argument("reason", nargs="?", default="", help="kept, and reported")
    verbs.add_parser("release", help="end a hold, and a quarantine")
    enrol = verbs.add_parser("enrol", help="write agent.toml and the token, which is read from standard input")
    enrol.add_argument("url", help="of claveld, such as https://ops.example.org:8420")
    enrol.add_argument("--name", default=socket.gethostname().partition(".")[0].lower(), help="the unit's (the host's name)")
    enrol.add_argument("--ca", default="", metavar="FILE", help="claveld's own authority, where it has one")
    verbs.add_parser("key", help="make a key by which a NATS server knows us; shows its public half").add_argument("file")
    verbs.add_parser("status", help="what it is at, from what it remembers")
    return parser


def _run(args: argparse.Namespace) -> int:
    asyncio.run(_serve(Path(args.config), Path(args.own)))
    return 0


async def _serve(file: Path, own: Path) -> None:
    from clavel_tui.agent.daemon import running
    from clavel_tui.inventory.load import load_agent

    unit, claveld = load_agent(file, Path(os.environ.get("CLAVEL_ROOT") or "/"))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with opened(unit, claveld, own) as daemon, running(daemon) as task:
        stopping = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait([task, stopping], return_when=asyncio.FIRST_COMPLETED)
        if task in done:
            task.result()  # a fault of ours ends it with a traceback, and the init starts it again


@asynccontextmanager
async def opened(unit: Unit, said: ClaveldTable, own: Path) -> AsyncIterator[Daemon]:
    """The daemon over its parts: the engine of a console, for this one unit, with a local runner."""
    from clavel_tui.agent.daemon import Daemon
    from clavel_tui.agent.outbox import Outbox
    from clavel_tui.agent.ref import Folders
    from clavel_tui.domain.errors import StoreRefusedError
    from clavel_tui.history import MIGRATIONS, JournalError
    from clavel_tui.operations import InProcessFleet
    from clavel_tui.remote.trust import SshFiles
    from clavel_tui.store import Database

    claveld = _claveld(said, said.agent or unit.name)
    outbox = Outbox(own / "outbox")
    outbox.sweep()
    try:
        database = await Database.open(own / "agent.db", MIGRATIONS)
    except JournalError as error:
        if "left as it is" not in error.text:
            raise StoreRefusedError(error.text, error.hint) from error
        # A card that went bad, or an older agent behind a rollback: a machine that only pulls has no other way in.
        _move_aside(own, error.text)
        database = await Database.open(own / "agent.db", MIGRATIONS)
    parts = _parts(unit, claveld, database, own)
    async with InProcessFleet(parts, SshFiles(), database.close).opened() as engine, claveld.opened():
        await engine.refresh()
        await engine.settle_open()  # what was under way when the agent was restarted, by the very switch perhaps
        refs = tuple(said.deployments) or (unit.name,)
        folders = Folders(own, Path(os.environ.get("CLAVEL_ROOT") or "/"))
        yield Daemon(unit, said.agent or unit.name, refs, claveld, engine, parts.deployments, outbox, folders, time.time, _log)


def _move_aside(own: Path, why: str) -> None:
    """Only the newest is kept. One of a newer agent knew what must not be tried again, perhaps the very one that brought it."""
    from clavel_tui.agent import memory

    for old in own.glob("agent.db.[0-9]*"):
        old.unlink(missing_ok=True)
    for tail in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            (own / f"agent.db{tail}").replace(own / f"agent.db.{time.time():.0f}{tail}")
    sys.stderr.write(f"clavel-agent: {why}; it was moved aside\n")
    if "by a newer" in why:
        held = "its journal was a newer agent's and was moved aside, with what had failed before: release it to go on"
        memory.change(own / "memory.json", lambda known: known.model_copy(update={"held": known.held or held}))


def _claveld(said: ClaveldTable, agent: str) -> AgentClient:
    """Over HTTP, or by way of a broker; nothing of NATS is imported where none is named."""
    from clavel_tui.bus.for_agent import AgentClient
    from clavel_tui.bus.token import KeptToken

    token, who = KeptToken(Path(said.token_file), "claveld agent add"), f"clavel-agent/{__version__}"
    if said.nats is None:
        return AgentClient(said.url, token, who, said.ca_file)
    from clavel_tui.bus.link import Link
    from clavel_tui.bus.listening import ListeningClient
    from clavel_tui.bus.permissions import agent_inbox

    return ListeningClient(Link(said.nats, f"clavel-agent {agent}", agent_inbox(agent)), token, who, agent)


def _parts(unit: Unit, claveld: AgentClient, database: Database, own: Path) -> Parts:
    """The same as a console's, but that it reaches this machine alone, and that a switch must leave the way to claveld."""
    from clavel_tui.domain import limits
    from clavel_tui.domain.unit import Fleet
    from clavel_tui.history import Journal
    from clavel_tui.history.deployments import Deployments
    from clavel_tui.history.mutes import Mutes
    from clavel_tui.nix import Workshop
    from clavel_tui.operations.parts import Clock, Parts
    from clavel_tui.remote.jobs import JobClient, JobScripts
    from clavel_tui.remote.local import LocalRunner
    from clavel_tui.remote.secrets import Secrets
    from clavel_tui.remote.trust import SshFiles
    from clavel_tui.unit import script

    async def failing_too() -> frozenset[str]:
        """Asked more than once: what is taken to be away before a switch is not looked for behind it."""
        for _ in range(TRIES):
            if await claveld.there():
                return frozenset()
            await asyncio.sleep(1)
        return frozenset({f"claveld at {claveld.url}"})

    runner, name = LocalRunner(Secrets()), runner_name(os.getpid())
    scripts = JobScripts(put=script("put.sh"), job=script("lib.sh") + script("job.sh"))
    return Parts(
        fleet=Fleet(name=unit.name, units=(unit,)),
        runner=runner,
        jobs=JobClient(runner, scripts, limits.PUT_S),
        journal=Journal(database, name, time.time),
        deployments=Deployments(database, time.time),
        mutes=Mutes(database),
        workshop=Workshop(runner, "nix", SshFiles(), own / "roots"),
        clock=Clock(time.time),
        origin=origin,
        runner_name=name,
        is_alive=lambda runner: runner == name,  # there is one agent here, whatever the machine was called before
        failing_too=failing_too,
    )


def _log(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _hold(args: argparse.Namespace) -> int:
    from clavel_tui.agent import memory
    from clavel_tui.domain.text import clean

    file = Path(args.own) / "memory.json"
    why = clean(args.reason, 200)
    held = f"held by {user_name()} on the unit{f': {why}' if why else ''}"
    memory.change(file, lambda known: known.model_copy(update={"held": held}))
    sys.stdout.write("held: nothing is applied until `clavel-agent release`\n")
    return 0


def _release(args: argparse.Namespace) -> int:
    from clavel_tui.agent import memory
    from clavel_tui.inventory.load import load_agent

    unit, said = load_agent(Path(args.config))
    file = Path(args.own) / "memory.json"
    released = memory.quarantines(said.deployments or [unit.name], unit)
    memory.change(file, lambda known: known.model_copy(update={"held": "", "released": released}))
    sys.stdout.write("released: what claveld says is applied again\n")
    return 0


def _enrol(args: argparse.Namespace) -> int:
    from clavel_tui.agent.enrol import enrol

    token = (getpass.getpass("token: ") if sys.stdin.isatty() else sys.stdin.read()).strip()
    if len(token.split()) != 1:
        raise RefusedError("no token was said", "type that of `claveld agent add`, or pipe it in")
    wanted = enrol(Path(args.config), args.name, args.url.rstrip("/"), token, args.ca)
    sys.stdout.write(f"{args.config} is written; {args.name} should run {wanted}\nstart it: clavel-agent run\n")
    return 0


def _status(args: argparse.Namespace) -> int:
    from clavel_tui.agent import memory
    from clavel_tui.agent.outbox import Outbox

    own = Path(args.own)
    known = memory.load(own / "memory.json")
    waiting = len(Outbox(own / "outbox"))
    sys.stdout.write(f"{known.held or 'not held'}\n{waiting} report{'s' * (waiting != 1)} wait for claveld\n")
    return 0


def _key(args: argparse.Namespace) -> int:
    from clavel_tui.bus.permissions import new_seed

    sys.stdout.write(f"{new_seed(Path(args.file))}\n")
    return 0


_VERBS = {"run": _run, "hold": _hold, "release": _release, "enrol": _enrol, "status": _status, "key": _key}
