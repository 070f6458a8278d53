"""claveld's composition root: its file → wired parts."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from clavel_tui import __version__
from clavel_tui.domain.errors import ClavelError, RefusedError, SettingsError
from clavel_tui.inventory import load_fleet
from clavel_tui.inventory.watching import fleet_changes
from clavel_tui.process import is_alive, origin, runner_name

if TYPE_CHECKING:
    from clavel_tui.claveld.config import Config
    from clavel_tui.claveld.coordinator import Coordinator
    from clavel_tui.claveld.shared import Shared
    from clavel_tui.domain.unit import Fleet
    from clavel_tui.operations import InProcessFleet


_AGAIN = -1


def main(argv: Sequence[str] | None = None) -> int:
    """The entry point of `claveld`."""
    try:
        import uvloop

        from clavel_tui.claveld.verbs import build_parser
    except ModuleNotFoundError as error:
        sys.stderr.write(f"claveld: {error.name} is not installed: `pip install 'clavel-tui[claveld]'`\n")
        return 2
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.version or args.verb is None:
        sys.stdout.write(f"claveld {__version__}\n" if args.version else parser.format_help())
        return 0
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            code = runner.run(_run(args))
    except ClavelError as error:
        sys.stderr.write(f"claveld: {error}\n{f'  {error.hint}' + chr(10) if error.hint else ''}")
        return 2 if isinstance(error, SettingsError) else 3
    except KeyboardInterrupt:
        return 130
    if code == _AGAIN:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  ourselves
    return code


async def _run(args: argparse.Namespace) -> int:
    from clavel_tui.bus.permissions import new_seed
    from clavel_tui.claveld.config import FILE, read, read_to_serve
    from clavel_tui.claveld.evaluating import Evaluations
    from clavel_tui.claveld.logs import tell
    from clavel_tui.claveld.serve import serve
    from clavel_tui.claveld.showing import Showing
    from clavel_tui.claveld.verbs import READING, VERBS

    if args.verb == "key":
        sys.stdout.write(f"{new_seed(Path(args.file))}\n")
        return 0
    name = f"{args.verb} {args.inner}" if hasattr(args, "inner") else args.verb
    file = Path(args.config) if args.config else FILE
    if args.of_console:
        config = _of_console(args, changes=name not in READING)
    else:
        config = read_to_serve(file) if args.verb == "serve" else read(file)
    fleet = load_fleet(Path(config.fleet))
    again, ended = asyncio.Event(), asyncio.Event()
    async with opened(config, fleet) as (coordinator, engine, shared):
        if args.verb == "serve":
            coordinator.told = tell
            await coordinator.look()
            await engine.settle_open()
            watcher = asyncio.create_task(_watch_files(Path(config.fleet), fleet, again))
            several = (shared.lease, shared.deployments.begins) if shared else ()
            evaluations, showing = Evaluations(fleet, engine, *several), Showing(coordinator, engine)
            await serve(config, coordinator, evaluations, showing, shared, again, ended)
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)
        elif shared and name == "forget-log":
            await shared.forget()
        else:
            if shared and name not in READING:
                await shared.begin()
            await coordinator.look()
            verb = VERBS[name]
            await verb(coordinator, fleet, args, lambda line: sys.stdout.write(f"{line}\n"))
    if again.is_set():
        await _heard_all()
    # Asked last: whoever stopped it, before it began anew or while it closed, meant it to end.
    return _AGAIN if again.is_set() and not ended.is_set() else 0


async def _heard_all() -> None:
    """What it was told until now is known behind this, and what comes later ends it at once: nothing is open any more.

    Else a signal that came while the loop is taken down would be heard by nobody.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    await asyncio.sleep(0.01)


def _of_console(args: argparse.Namespace, *, changes: bool) -> Config:
    """The claveld in the console of whoever asks, which need not be open. Read-only holds here as it does there."""
    from clavel_tui.claveld.config import of_console
    from clavel_tui.inventory import find_root
    from clavel_tui.settings import Settings, user_file

    if args.config:
        raise RefusedError("--config and --console name two different claveld", "take one of them out")
    if args.verb in ("serve", "forget-log"):
        raise RefusedError(f"the console serves while it is open: `{args.verb}` is for a claveld of its own")
    settings = Settings.here(args.fleet, args.db)
    if changes and settings.read_only:
        raise RefusedError(f"read-only ({settings.read_only}): nothing is changed here")
    if not settings.serve:
        hint = 'write listen = "0.0.0.0:8420" there, with tls_certificate and tls_key'
        raise RefusedError(f"[claveld] of {user_file()} says of no claveld in your console", hint)
    root = find_root(settings.fleet, os.environ, Path.cwd())
    return of_console(dict(settings.serve), user_file(), root, settings.database, settings.nix, settings.evaluator_mib)


async def _watch_files(root: Path, fleet: Fleet, again: asyncio.Event) -> None:
    """A unit that was added is served without anybody's doing; files that are wrong leave everything as it was."""
    async for _ in fleet_changes(root):
        try:
            changed = load_fleet(root) != fleet
        except ClavelError as error:
            sys.stderr.write(f"claveld: the fleet's files are not taken: {error}\n")
            continue
        if changed:
            sys.stderr.write("claveld: the fleet's files have changed: beginning anew\n")
            again.set()
            return


@asynccontextmanager
async def opened(config: Config, fleet: Fleet) -> AsyncIterator[tuple[Coordinator, InProcessFleet, Shared | None]]:
    """The coordinator and the engine that evaluates for it, over one journal; and what it shares with others, if it does."""
    from clavel_tui.bus.link import Link
    from clavel_tui.bus.permissions import CLAVELD, inbox
    from clavel_tui.claveld.coordinator import Coordinator
    from clavel_tui.claveld.shared import Shared
    from clavel_tui.domain.errors import StoreRefusedError
    from clavel_tui.history import MIGRATIONS, Journal, JournalError
    from clavel_tui.history.agents import Agents
    from clavel_tui.history.deployments import Deployments
    from clavel_tui.history.mutes import Mutes
    from clavel_tui.history.refs import Refs
    from clavel_tui.history.sources import Sources
    from clavel_tui.nix import Evaluator
    from clavel_tui.operations import InProcessFleet
    from clavel_tui.operations.parts import Clock, Parts
    from clavel_tui.remote.local import LocalRunner
    from clavel_tui.remote.secrets import Secrets
    from clavel_tui.remote.trust import SshFiles
    from clavel_tui.store import Database

    runner, name = LocalRunner(Secrets()), runner_name(os.getpid())
    # What is wrong with its files is said before anything is open.
    link = Link(config.nats, name, inbox(CLAVELD)) if config.nats else None
    try:
        database = await Database.open(Path(config.database), MIGRATIONS)
    except JournalError as error:
        raise StoreRefusedError(error.text, error.hint) from error
    shared = Shared(link, database, name) if link else None
    deployments = shared.deployments if shared else Deployments(database, time.time)
    refs, agents = (shared.refs, shared.agents) if shared else (Refs(database), Agents(database))
    sources = shared.sources if shared else Sources(database)
    journal = Journal(database, name, time.time)
    parts = Parts(
        fleet=fleet,
        runner=runner,
        jobs=None,  # it evaluates and serves: there is nothing by which it could change a unit
        journal=journal,
        deployments=deployments,
        mutes=Mutes(database),
        evaluator=Evaluator(runner, config.nix, config.evaluator_mib),
        nix=config.nix,
        clock=Clock(time.time),
        origin=origin,
        runner_name=name,
        kept=sources,
        is_alive=is_alive,
    )
    async with InProcessFleet(parts, SshFiles(), database.close).opened() as engine, link.opened() if link else nullcontext():
        yield Coordinator(journal, deployments, refs, agents, sources), engine, shared
