"""The composition root: settings → wired parts. The only file that knows them all."""

from __future__ import annotations

import argparse
import getpass
import io
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from clavel_tui import __version__
from clavel_tui.process import current_folder, is_alive, origin, runner_name, user_name
from clavel_tui.settings import Settings, user_file

if TYPE_CHECKING:
    from clavel_tui.bus.far_fleet import FarFleet
    from clavel_tui.bus.for_console import ConsoleClient
    from clavel_tui.claveld.embedded import Embedded
    from clavel_tui.domain.operation import Origin
    from clavel_tui.domain.unit import Fleet
    from clavel_tui.fleet.client import FleetClient
    from clavel_tui.operations import InProcessFleet
    from clavel_tui.operations.following import Following
    from clavel_tui.operations.newcomer import InProcessNewcomer
    from clavel_tui.remote.either import EitherRunner
    from clavel_tui.remote.secrets import Ask
    from clavel_tui.store import Database


GOES_ON = "an operation that was started goes on, on its unit: `clavel-tui history` tells"


class Wiring:
    """The doors that faces are given: see cli/context.py. ``checkpoint`` is told every boundary of the journal."""

    def __init__(self, settings: Settings, checkpoint: Callable[[str], None] = lambda _name: None) -> None:
        self.settings = settings
        self.ask: Ask | None = None
        self._checkpoint = checkpoint
        self._fleet: Fleet | None = None

    def fleet(self) -> Fleet:
        """The fleet's files, read and checked once; in a console without them, what claveld said of them."""
        if self._fleet is None:
            self._fleet = self._far_files() if self.is_far else self.files()
        return self._fleet

    def files(self) -> Fleet:
        """The fleet's files, and nobody's word instead."""
        from clavel_tui.inventory import load_fleet

        return load_fleet(self._root())

    def _root(self) -> Path:
        from clavel_tui.inventory import find_root

        return find_root(self.settings.fleet, os.environ, current_folder())

    @cached_property
    def is_far(self) -> bool:
        """A claveld is named, and there are no fleet's files here: the fleet is seen through it."""
        from clavel_tui.domain.errors import InventoryError
        from clavel_tui.inventory.find import VARIABLE

        if not self.settings.claveld or self.settings.fleet or os.environ.get(VARIABLE):
            return False
        try:
            self._root()
        except InventoryError:
            return True
        return False

    @property
    def title(self) -> str:
        """What the console is headed with: a claveld that does not answer keeps it from nothing but its fleet's name."""
        if not self.is_far:
            return self.fleet().name
        return self.settings.nats.url if self.settings.nats else dict(self.settings.claveld)["url"]

    def _far_files(self) -> Fleet:
        """Which units there are, for verbs that name some: they wait for that, in whatever loop they are."""
        import asyncio
        from concurrent.futures import ThreadPoolExecutor

        from clavel_tui.domain.errors import RefusedError
        from clavel_tui.domain.unit import Fleet

        async def asked() -> Fleet:
            async with self._far() as far:
                state = await far.snapshot()
            if state.claveld:
                raise RefusedError(state.claveld)
            return Fleet(name=state.name, units=tuple(one.unit for one in state.units), rollout=state.rollout)

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, asked()).result()

    @property
    def read_only(self) -> str:
        """See Doors."""
        return self.settings.read_only

    @asynccontextmanager
    async def client(self, *, settle: bool = True) -> AsyncIterator[FleetClient]:
        """A fleet in this process, closed at the end of the block. What the journal refuses is said in one sentence."""
        if self.is_far:
            async with self._far() as far:
                yield far
            return
        async with self._near(serve=False) as fleet:
            if settle:
                await fleet.settle_open()
            yield fleet

    @asynccontextmanager
    async def newcomer(self) -> AsyncIterator[InProcessNewcomer]:
        """For hosts that no fleet knows yet."""
        from clavel_tui.operations.newcomer import InProcessNewcomer

        runner = self._runner()
        try:
            yield InProcessNewcomer(runner, self.settings.ssh_files)
        finally:
            await runner.close()

    @asynccontextmanager
    async def console(self, ask: Ask) -> AsyncIterator[FleetClient]:
        """The same for the console, which settles what is open while it runs, and asks in its own frame."""
        self.ask = ask
        async with self._far() if self.is_far else self._near(serve=True) as fleet:
            yield fleet

    @asynccontextmanager
    async def _near(self, *, serve: bool) -> AsyncIterator[InProcessFleet]:
        """The engine over this fleet's files, with its claveld, which is elsewhere or in this process."""
        from clavel_tui.domain.errors import StoreRefusedError
        from clavel_tui.history import MIGRATIONS, JournalError
        from clavel_tui.store import Database

        self.fleet()  # what is wrong with its files is said before anything is open
        try:
            async with AsyncExitStack() as near:
                database = await Database.open(self.settings.database, MIGRATIONS, else_copy=bool(self.settings.read_only))
                near.push_async_callback(database.close)
                embedded = self._embedded(database)
                claveld = embedded.client if embedded else self._claveld()
                if claveld:
                    await near.enter_async_context(claveld.opened())
                fleet = await near.enter_async_context(self._engine(claveld, database).opened())
                if embedded:
                    await near.enter_async_context(embedded.opened(fleet, serve=serve))
                yield fleet
        except JournalError as error:
            raise StoreRefusedError(error.text, error.hint) from error

    def _embedded(self, database: Database) -> Embedded | None:
        """The claveld that runs in this console, if the config file wants one."""
        said = dict(self.settings.serve)
        if not said:
            return None
        try:
            from clavel_tui.claveld.embedded import Embedded
        except ModuleNotFoundError as error:
            from clavel_tui.domain.errors import RefusedError

            hint = "or take listen out of [claveld] in config.toml"
            raise RefusedError(f"{error.name} is not installed: `pip install 'clavel-tui[claveld]'`", hint) from error
        from clavel_tui.claveld.config import of_console
        from clavel_tui.claveld.coordinator import Coordinator
        from clavel_tui.domain.agent import Role
        from clavel_tui.history import Journal
        from clavel_tui.history.agents import Agents, Holder
        from clavel_tui.history.deployments import Deployments
        from clavel_tui.history.refs import Refs
        from clavel_tui.history.sources import Sources

        settings, fleet = self.settings, self.fleet()
        config = of_console(said, user_file(), self._root(), settings.database, settings.nix, settings.evaluator_mib)
        journal = Journal(database, runner_name(os.getpid()), time.time)
        coordinator = Coordinator(journal, Deployments(database), Refs(database), Agents(database), Sources(database))
        holder = Holder(user_name(), Role.VIEWER if settings.read_only else Role.OPERATOR)
        return Embedded(config, fleet, coordinator, holder)

    @asynccontextmanager
    async def _far(self) -> AsyncIterator[FarFleet]:
        """Read-only is a missing capability here, too: what changes anything is not given."""
        from clavel_tui.bus.far_fleet import FarFleet
        from clavel_tui.domain.errors import RefusedError

        claveld, read_only = self._claveld(), self.settings.read_only
        if claveld is None:
            raise RefusedError("no claveld is named")
        async with claveld.opened():
            fleet = FarFleet(claveld, None if read_only else claveld, await origin(), read_only)
            try:
                yield fleet
            finally:
                await fleet.close()

    def _runner(self) -> EitherRunner:
        from clavel_tui.domain import limits
        from clavel_tui.remote.either import EitherRunner
        from clavel_tui.remote.local import LocalRunner
        from clavel_tui.remote.pool import Pool, PoolLimits
        from clavel_tui.remote.secrets import Secrets
        from clavel_tui.remote.ssh import SshRunner

        secrets = Secrets(self.ask)
        bounds = PoolLimits(
            limits.CONNECT_S,
            limits.KEEPALIVE_S,
            limits.KEEPALIVE_TRIES,
            limits.HANDSHAKES,
            limits.CHANNELS,
            limits.BACKOFF_FIRST_S,
            limits.BACKOFF_MOST_S,
        )
        pool = Pool(self.settings.ssh_files, bounds, time.monotonic, secrets)
        return EitherRunner(SshRunner(pool, secrets), LocalRunner(secrets))

    def _claveld(self) -> ConsoleClient | None:
        """The one that the config file names."""
        said = dict(self.settings.claveld)
        if not said:
            return None
        from clavel_tui.bus.for_console import ConsoleClient
        from clavel_tui.bus.token import KeptToken

        token, who = KeptToken(Path(said["token_file"]).expanduser(), "claveld token add"), f"clavel-tui/{__version__}"
        if self.settings.nats is None:
            return ConsoleClient(said["url"], token, who, said.get("ca_file", ""))
        from clavel_tui.bus.following import FollowingClient
        from clavel_tui.bus.link import Link
        from clavel_tui.bus.permissions import CONSOLES, inbox

        return FollowingClient(Link(self.settings.nats, f"clavel-tui {user_name()}", inbox(CONSOLES)), token, who)

    def _following(self, claveld: ConsoleClient | None, database: Database) -> Following | None:
        """What reads the log of the bus into the journal, where there is one."""
        if self.settings.nats is None:
            return None
        from clavel_tui.bus.following import FollowingClient
        from clavel_tui.history.applied import Applied
        from clavel_tui.operations.following import Following

        return Following(claveld, Applied(database)) if isinstance(claveld, FollowingClient) else None

    def _engine(self, claveld: ConsoleClient | None, database: Database) -> InProcessFleet:
        from clavel_tui.domain import limits
        from clavel_tui.history import Journal
        from clavel_tui.history.deployments import Deployments
        from clavel_tui.history.mutes import Mutes
        from clavel_tui.history.sources import Sources
        from clavel_tui.nix import Evaluator, Workshop
        from clavel_tui.operations import InProcessFleet
        from clavel_tui.operations.parts import Clock, Parts
        from clavel_tui.remote.helper import HelperInstaller
        from clavel_tui.remote.jobs import JobClient, JobScripts
        from clavel_tui.remote.keys import KeyInstaller, KeyScripts
        from clavel_tui.remote.local import LocalRunner
        from clavel_tui.remote.looking import LookingRunner
        from clavel_tui.remote.secrets import Secrets
        from clavel_tui.unit import script

        inventory = self.fleet()
        read_only = self.settings.read_only
        secrets = Secrets(self.ask)
        runner = self._runner()
        scripts = JobScripts(put=script("put.sh"), job=script("lib.sh") + script("job.sh"))
        # Read-only is a missing capability: below this line nothing holds anything that takes a Mutation.
        jobs = None if read_only else JobClient(runner, scripts, limits.PUT_S)
        key_scripts = KeyScripts(*(script(name) for name in ("look.sh", "look_install.sh", "authorize.sh")))
        keys = None if read_only else KeyInstaller(runner, key_scripts)
        settings = self.settings
        evaluator = None if read_only else Evaluator(LocalRunner(secrets), settings.nix, settings.evaluator_mib)
        roots = settings.database.with_name("roots")
        workshop = None if read_only else Workshop(runner, settings.nix, settings.ssh_files, roots, settings.signing_key)
        name = runner_name(os.getpid())
        parts = Parts(
            fleet=inventory,
            runner=LookingRunner(runner) if read_only else runner,
            jobs=jobs,
            keys=keys,
            helper=None if read_only else HelperInstaller(runner, script("helper_install.sh")),
            read_only=read_only,
            journal=Journal(database, name, time.time),
            deployments=Deployments(database, time.time),
            mutes=Mutes(database),
            kept=Sources(database) if self.settings.serve else None,
            evaluator=evaluator,
            workshop=workshop,
            nix=settings.nix,
            claveld=claveld,
            following=self._following(claveld, database),
            clock=Clock(time.time),
            origin=lambda: _origin(Path(inventory.root)),
            runner_name=name,
            is_alive=is_alive,
            checkpoint=self._checkpoint,
        )
        return InProcessFleet(parts, self.settings.ssh_files, database.close)


async def _origin(root: Path) -> Origin:
    """Who, and from which revision of the repository."""
    from clavel_tui.domain.operation import Origin
    from clavel_tui.remote import Query, RemoteError, Target
    from clavel_tui.remote.local import LocalRunner
    from clavel_tui.remote.secrets import Secrets

    here = Target("workstation", "local")
    text = 'cd "$1" && git rev-parse HEAD && git status --porcelain -- . | head -n 1'
    try:
        result = await LocalRunner(Secrets()).query(here, Query.script("revision", text, str(root), timeout=10.0, elevated=False))
        revision, *dirty = result.out.splitlines() if result.ok else [""]
    except (RemoteError, OSError):
        revision, dirty = "", []
    return Origin(operator=user_name(), host=socket.gethostname(), revision=revision, dirty=bool(dirty))


def main(argv: Sequence[str] | None = None) -> int:
    """The entry point. Every error that a person can mend ends in a sentence, never in a traceback."""
    from clavel_tui.cli.parser import build

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name in letters that the locale lacks ends no command; and who reads a pipe reads each line as it comes.
            stream.reconfigure(errors="backslashreplace", line_buffering=True)
    args = build().parse_args(argv)
    if args.version:
        sys.stdout.write(f"clavel-tui {__version__}\n")
        return 0
    from clavel_tui.domain.errors import ClavelError, InventoryError, RefusedError, UnitError

    try:
        return _run(args)
    except (InventoryError, RefusedError, UnitError) as error:
        _complain(error)
        return {InventoryError: 2, RefusedError: 3}.get(type(error), 6)
    except ClavelError as error:
        _complain(error)
        return 2
    except KeyboardInterrupt:
        goes_on = "the demo is gone, with all that ran in it" if args.verb == "demo" else GOES_ON
        sys.stderr.write(f"\ninterrupted; {goes_on}\n")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _complain(error: Exception) -> None:
    hint = getattr(error, "hint", "")
    sys.stderr.write(f"clavel-tui: {error}\n{f'  {hint}' + chr(10) if hint else ''}")


def _run(args: argparse.Namespace) -> int:
    if args.verb == "demo":
        return _demo(args)
    return run_verb(args, Wiring(Settings.of(args)))


def run_verb(args: argparse.Namespace, wiring: Wiring) -> int:
    """One verb, or the console where none was said."""
    if args.verb is None:
        return _console(wiring)
    import asyncio

    from clavel_tui.cli.context import Context
    from clavel_tui.cli.verbs import VERBS

    wiring.ask = _on_terminal()
    return asyncio.run(VERBS[args.verb](Context(args, wiring)))


def _on_terminal() -> Ask:
    """Asks for passwords on the terminal, one after the other however many units want one, typed without an echo."""
    import asyncio

    turn = asyncio.Lock()

    async def ask(_unit: str, question: str) -> str | None:
        if not sys.stdin.isatty():
            return None
        async with turn:
            return await asyncio.to_thread(getpass.getpass, f"{question}: ")

    return ask


def _console(wiring: Wiring) -> int:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        from clavel_tui.domain.errors import RefusedError

        raise RefusedError(
            "the console needs a terminal", "use the verbs instead, such as `clavel-tui units`; see `clavel-tui --help`"
        )
    from clavel_tui.tui import splash

    frame = wiring.settings.frame
    drawn = splash.draw(frame)
    try:
        title = wiring.title
        import asyncio

        from clavel_tui.tui.app import ClavelApp
    except BaseException:
        sys.stdout.write(splash.LEAVE if drawn else "")
        raise
    app = ClavelApp(
        wiring.console,
        title,
        keep=lambda *said: splash.save(frame, title, *said),
        read_only=wiring.read_only,
        theme=wiring.settings.theme,
        keys=dict(wiring.settings.keys),
        tour=wiring.settings.tour,
    )
    return asyncio.run(app.run_to_the_end())


def _demo(args: argparse.Namespace) -> int:
    from clavel_tui.cli.parser import build
    from clavel_tui.demo import demo_fleet
    from clavel_tui.demo_wiring import demo_settings, live_through

    inner = build().parse_args(args.rest)
    if inner.verb == "demo":
        from clavel_tui.domain.errors import RefusedError

        raise RefusedError("a demo has no demo of its own", "leave one of the two words out")
    import asyncio

    with demo_fleet() as places:
        said = demo_settings(places)
        asyncio.run(live_through(places))
        mine = Settings.of(args)
        read_only = mine.read_only or ("--read-only" if inner.read_only else "")
        said = replace(said, db=args.db or said.db, read_only=read_only, theme=mine.theme, keys=mine.keys)
        return run_verb(inner, Wiring(said))
