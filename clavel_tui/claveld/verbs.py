"""The commands of `claveld` beside `serve`: each works on the database, and a claveld that runs hears of it at once."""

from __future__ import annotations

import argparse
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from clavel_tui.bus.permissions import NKEY, accounts
from clavel_tui.claveld import sources
from clavel_tui.claveld.coordinator import Coordinator
from clavel_tui.domain.agent import Agent, AgentSpecification, Order, Role
from clavel_tui.domain.broker import Broker
from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.source import Source, SourcePin, Trigger, standing
from clavel_tui.domain.text import clean
from clavel_tui.domain.unit import Fleet
from clavel_tui.process import user_name

Say = Callable[[str], object]
OVERLAP_S = 600.0
"""How long an old token stays good beside a new one: long enough to carry it over."""


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


async def agent_add(claveld: Coordinator, fleet: Fleet, args: argparse.Namespace, say: Say) -> None:
    """Registers an agent, and shows its token once."""
    refs = tuple(dict.fromkeys(args.deployments.split(","))) if args.deployments else (args.name,)
    if unknown := [name for name in refs if fleet.unit(name) is None]:
        raise RefusedError(f"there is no unit {unknown[0]} in this fleet", "name those that it may ask for with --deployments")
    if args.name in claveld.known.agents:
        hint = f"`claveld agent token {args.name}` makes a new token; remove it first to change what it may ask for"
        raise RefusedError(f"there is an agent {args.name} already", hint)
    known = {NKEY: args.nkey} if args.nkey else {}
    agent = Agent(name=args.name, metadata=known, specification=AgentSpecification(deployments=refs))
    await claveld.agents.add(agent, user_name())
    token = await claveld.agents.new_token(args.name, Role.AGENT)
    say(token)


async def agent_token(claveld: Coordinator, _fleet: Fleet, args: argparse.Namespace, say: Say) -> None:
    """A new token; the old ones stay good for a while."""
    if args.name not in claveld.known.agents:
        raise RefusedError(f"there is no agent {args.name}", "`claveld agent list` tells which there are")
    ends = claveld.wall() + args.overlap
    say(await claveld.agents.new_token(args.name, Role.AGENT, others_end=ends))


async def agent_remove(claveld: Coordinator, _fleet: Fleet, args: argparse.Namespace, say: Say) -> None:
    """No token of it is good any more."""
    agent, _ = claveld.known.agents.get(args.name, (None, None))
    await claveld.agents.remove(args.name, user_name())
    if agent and NKEY in agent.metadata:
        say("on the NATS server it may still read its ref: write `claveld nats` there anew, and reload it")


async def agent_list(claveld: Coordinator, _fleet: Fleet, _args: argparse.Namespace, say: Say) -> None:
    """One a line: name, what it may ask for, when it last reported, and how that stands."""
    for state in claveld.states():
        seen = _when(state.seen) if state.seen else "never"
        how = "; ".join(
            f"{said.report.name} {said.report.phase.value}{f' ({clean(said.report.text, 120)})' if said.report.text else ''}"
            for said in state.reports
        )
        say(f"{state.agent.name}\t{','.join(state.agent.specification.deployments)}\t{seen}\t{how}")


async def tell(claveld: Coordinator, _fleet: Fleet, args: argparse.Namespace, _say: Say) -> None:
    """Hold, release or poll."""
    await claveld.agents.tell(args.name, Order(args.order), user_name())


async def token_add(claveld: Coordinator, _fleet: Fleet, args: argparse.Namespace, say: Say) -> None:
    """For a console or a person."""
    ends = claveld.wall() + args.days * 86400.0 if args.days else None
    say(await claveld.agents.new_token(args.name, Role(args.role), ends=ends))


async def token_revoke(claveld: Coordinator, _fleet: Fleet, args: argparse.Namespace, say: Say) -> None:
    """Of a console or a person, whatever its role."""
    gone = sum([await claveld.agents.revoke(args.name, role) for role in (Role.OPERATOR, Role.VIEWER)])
    if not gone:
        raise RefusedError(f"{args.name} has no token")
    say(f"{gone} token{'s' * (gone != 1)} of {args.name} revoked")


async def refs(claveld: Coordinator, _fleet: Fleet, _args: argparse.Namespace, say: Say) -> None:
    """One a line: where it points, and whether it stays there."""
    for state in claveld.known.refs.values():
        why = f": {state.pin.why}" if state.pin and state.pin.why else ""
        how = f"pinned by {state.pin.operator}{why}" if state.pin else "follows its source"
        say(f"{state.name}\t{state.short}\t{how}")


async def nats(claveld: Coordinator, _fleet: Fleet, args: argparse.Namespace, say: Say) -> None:
    """What nats-server.conf is to say, so that each may do there what is its own."""
    agents = [agent for agent, _ in claveld.known.agents.values()]
    broker = Broker(url="nats://localhost", prefix=args.prefix)
    say(accounts(broker, agents, args.claveld, args.console).rstrip())


async def deployments(claveld: Coordinator, _fleet: Fleet, args: argparse.Namespace, say: Say) -> None:
    """One a line, the newest first."""
    for one in await claveld.deployments.deployments(args.name or ""):
        say(f"{one.short}\t{_when(one.at)}\t{one.revision[:12]}{' (dirty)' if one.dirty else ''}\t{one.deployment.nar_id}")


async def rollback(claveld: Coordinator, _fleet: Fleet, args: argparse.Namespace, say: Say) -> None:
    """The ref goes back to a recorded Deployment and stays there."""
    moved = await claveld.roll_back(args.name, args.to or "", user_name(), clean(args.why or "", 300), None)
    say(f"{args.name} points to {moved.short}, and stays there until `claveld unpin {args.name}`")


async def unpin(claveld: Coordinator, _fleet: Fleet, args: argparse.Namespace, say: Say) -> None:
    """The ref follows its source again."""
    moved = await claveld.refs.unpin(args.name, user_name(), "")
    say(f"{args.name} points to {moved.short}, and follows its source")


async def source_list(claveld: Coordinator, fleet: Fleet, _args: argparse.Namespace, say: Say) -> None:
    """One a line: what it is, when it is evaluated, and where it stays."""
    kept = await claveld.sources.all()
    for one in standing(fleet.sources, kept):
        every = f", each {one.every_minutes} min" if one.every_minutes else ""
        stays = f"stays at {one.pin.revision[:12]}: {one.pin.operator}" if one.pin else "follows its reference"
        said_by = f"added by {one.added_by}" if one.added_by else "fleet.toml"
        say(f"{one.name}\t{one.url}\ton {one.on}{every}\t{stays}\t{said_by}")
    held = {one.name for one in standing(fleet.sources, kept) if one.pin}
    for left in kept:
        if left.pin and left.name not in held:
            stays = f"its machines stay at {left.pin.revision[:12]}\t`claveld source unpin {left.name}`"
            say(f"{left.name}\t{left.pin.of}\tis not followed any more\t{stays}")


async def source_add(claveld: Coordinator, fleet: Fleet, args: argparse.Namespace, _say: Say) -> None:
    """Evaluated from now on."""
    said = Source(
        name=args.name, url=args.url, on=Trigger(args.on), every_minutes=args.every, added_by=user_name()
    )  # fmt: skip
    await sources.add(claveld.sources, fleet.sources, said)


async def source_remove(claveld: Coordinator, fleet: Fleet, args: argparse.Namespace, _say: Say) -> None:
    """Evaluated no more; what it has yielded stays, and refs where they point."""
    await sources.remove(claveld.sources, fleet.sources, args.name, user_name())


async def source_pin(claveld: Coordinator, fleet: Fleet, args: argparse.Namespace, say: Say) -> None:
    """To a revision that was evaluated before."""
    said = SourcePin(revision="", url="", of="", at=claveld.wall(), operator=user_name(), why=clean(args.why or "", 300))
    known = standing(fleet.sources, await claveld.sources.all())
    made = await sources.pin(claveld.sources, known, args.name, args.revision or "", said)
    say(f"{args.name} stays at {made.revision} until `claveld source unpin {args.name}`")


async def source_unpin(claveld: Coordinator, _fleet: Fleet, args: argparse.Namespace, say: Say) -> None:
    """It follows its reference again."""
    await claveld.sources.unpin(args.name, user_name())
    say(f"{args.name} follows its reference again")


async def forget_log(_claveld: Coordinator, _fleet: Fleet, _args: argparse.Namespace, _say: Say) -> None:
    """Where there is a bus it is done before anything else is."""
    raise RefusedError("this claveld has no [nats], and follows no log")


READING = frozenset({"agent list", "source list", "refs", "nats", "deployments"})
"""They want no broker."""
VERBS: dict[str, Callable[[Coordinator, Fleet, argparse.Namespace, Say], Awaitable[None]]] = {
    "agent add": agent_add,
    "agent token": agent_token,
    "agent remove": agent_remove,
    "agent list": agent_list,
    "agent tell": tell,
    "token add": token_add,
    "token revoke": token_revoke,
    "source list": source_list,
    "source add": source_add,
    "source remove": source_remove,
    "source pin": source_pin,
    "source unpin": source_unpin,
    "refs": refs,
    "nats": nats,
    "deployments": deployments,
    "rollback": rollback,
    "unpin": unpin,
    "forget-log": forget_log,
}


def build_parser() -> argparse.ArgumentParser:
    """Of the command `claveld`."""
    parser = argparse.ArgumentParser(
        prog="claveld",
        description="The coordinator: evaluates Sources into Deployments, serves them to agents, and never builds.",
    )
    parser.add_argument("--version", action="store_true", help="show the version and end")
    parser.add_argument("--config", default=None, metavar="FILE", help="its own file (/etc/claveld/claveld.toml)")
    mine = "the claveld in your own console: its journal, its fleet's files"
    parser.add_argument("--console", action="store_true", dest="of_console", help=mine)
    parser.add_argument("--fleet", metavar="DIR", help="with --console: as clavel-tui takes it")
    parser.add_argument("--db", metavar="FILE", help="with --console: as clavel-tui takes it")
    verbs = parser.add_subparsers(dest="verb", metavar="COMMAND")
    verbs.add_parser("serve", help="evaluate and serve until stopped")
    _agent(verbs.add_parser("agent", help="agents: add, list, token, tell, remove"))
    _token(verbs.add_parser("token", help="tokens of consoles and people: add, revoke"))
    _source(
        verbs.add_parser("source", help="Sources beside those of fleet.toml, and where each stays: add, list, pin, unpin, remove")
    )
    _nats(verbs.add_parser("nats", help="what nats-server.conf is to say: who may do what there"))
    verbs.add_parser("key", help="make a key by which a NATS server knows us; shows its public half").add_argument("file")
    verbs.add_parser("forget-log", help="what this database knows goes into a new log at the next start; stop claveld first")
    verbs.add_parser("refs", help="where each DeploymentRef points")
    listed = verbs.add_parser("deployments", help="what was evaluated, the newest first")
    listed.add_argument("name", nargs="?", help="of this ref alone")
    back = verbs.add_parser("rollback", help="point a ref to a recorded Deployment, the last known good where none is said")
    back.add_argument("name")
    back.add_argument("--to", metavar="ID", help="the part behind @, or its beginning")
    back.add_argument("--why", help="kept in the journal")
    verbs.add_parser("unpin", help="let a ref follow its source again").add_argument("name")
    return parser


def _agent(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="inner", metavar="COMMAND", required=True)
    add = verbs.add_parser("add", help="register an agent, and show its token once")
    add.add_argument("name")
    add.add_argument("--nkey", type=_nkey, metavar="KEY", help="by which a NATS server knows it: what `clavel-agent key` shows")
    add.add_argument("--deployments", metavar="A,B", help="the refs that it may ask for (the one of its own name)")
    rotate = verbs.add_parser("token", help="a new token; the old one stays good for a while")
    rotate.add_argument("name")
    rotate.add_argument("--overlap", type=float, default=OVERLAP_S, metavar="SECONDS", help="for so long (600)")
    verbs.add_parser("list", help="agents, and how each stands")
    verbs.add_parser("remove", help="its tokens are good no more").add_argument("name")
    told = verbs.add_parser("tell", help="hold, release or poll")
    told.add_argument("name")
    told.add_argument("order", choices=[order.value for order in Order])


def _source(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="inner", metavar="COMMAND", required=True)
    add = verbs.add_parser("add", help="evaluate one that fleet.toml does not name")
    add.add_argument("name")
    add.add_argument("url", help="any flake reference; of a folder the whole path")
    add.add_argument(
        "--on",
        choices=[one.value for one in Trigger],
        default=Trigger.CHANGE.value,
        help="when it is evaluated by itself (change)",
    )
    add.add_argument("--every", type=int, default=0, metavar="MINUTES", help="how often it is looked at beside that")
    verbs.add_parser("list", help="all, also those of fleet.toml")
    stay = verbs.add_parser("pin", help="let one stay at a revision that was evaluated, the last one where none is said")
    stay.add_argument("name")
    stay.add_argument("revision", nargs="?", help="its beginning is enough")
    stay.add_argument("--why", help="kept in the journal")
    verbs.add_parser("unpin", help="let it follow its reference again").add_argument("name")
    verbs.add_parser("remove", help="one that was added; what it has yielded stays").add_argument("name")


def _nats(parser: argparse.ArgumentParser) -> None:
    for name, text, needed in (("claveld", "a claveld, which may do all", True), ("console", "consoles", False)):
        what = f"public key of {text}; more than once"
        parser.add_argument(
            f"--{name}", type=_nkey, action="append", default=[], metavar="KEY", required=needed, help=what
        )  # fmt: skip
    parser.add_argument("--prefix", default="clavel", help="what [nats] says (clavel)")


def _nkey(said: str) -> str:
    if not re.fullmatch(r"U[A-Z2-7]{55}", said):
        raise argparse.ArgumentTypeError("should be a user's public key: U and 55 letters and digits")
    return said


def _token(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="inner", metavar="COMMAND", required=True)
    add = verbs.add_parser("add", help="for a console or a person; shown once")
    add.add_argument("name")
    add.add_argument("--role", choices=[Role.VIEWER.value, Role.OPERATOR.value], default=Role.VIEWER.value, help="(viewer)")
    add.add_argument("--days", type=float, default=0.0, help="good for so long (for ever)")
    verbs.add_parser("revoke", help="all of that name").add_argument("name")
