"""The arguments of every verb. Global options may stand before or behind the verb."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable

from clavel_tui.domain import limits
from clavel_tui.domain.outcome import EXIT_CODES, WORDS

HOUR = 3600
MOST = 100_000
"""Lines or rows that one may ask for."""


def build() -> argparse.ArgumentParser:
    """The whole parser. Without a verb the console opens."""
    parser = argparse.ArgumentParser(
        prog="clavel-tui",
        description="See what a fleet runs, what it should run, and put it right, or back.",
        epilog="Exit codes: "
        + ", ".join(f"{code} {WORDS[outcome]}" for outcome, code in EXIT_CODES.items())
        + "; 2 wrong usage or files; 4 also several stacks with different outcomes.",
    )
    parser.add_argument("--version", action="store_true", help="print the version and leave")
    _globals(parser)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    _init(verbs)
    for name, text in (("units", "one line a unit"), ("stacks", "one line a stack")):
        _choosing(_verb(verbs, name, text))
    _choosing(_verb(verbs, "doctor", "what each unit lacks, and what mends it; exit code 1 where something is lacking"))
    _verb(verbs, "show", "everything that is known of one unit").add_argument("name", metavar="UNIT")
    _agents(verbs)
    _changes(verbs)
    _evaluating(verbs)
    _systems(verbs)
    _rollout(verbs)
    logs = _choosing(_verb(verbs, "logs", "a stack's logs"))
    logs.add_argument("stack", metavar="STACK")
    logs.add_argument("--service")
    logs.add_argument("--tail", type=_within(0, MOST), default=200, metavar="LINES")
    logs.add_argument("-f", "--follow", action="store_true")
    history = _verb(verbs, "history", "operations: who, when, from what, how they ended; `history export` writes all as JSON")
    history.add_argument("id", nargs="?", metavar="ID|export")
    history.add_argument("--limit", type=_within(1, MOST), default=50, metavar="N")
    _verb(verbs, "unlock", "settle dead jobs of a unit; never breaks a live lock").add_argument("name", metavar="UNIT")
    _choosing(_verb(verbs, "trust", "accept a unit's host key after looking at its fingerprint"))
    key = _verb(verbs, "install-key", "a key that may only look: prints its line for authorized_keys, or puts it on the unit")
    key.add_argument("name", metavar="UNIT")
    key.add_argument("--read-only", action="store_true", dest="looks", help="the kind of key; there is no other yet")
    key.add_argument("--key", required=True, metavar="FILE.pub", help="the public key")
    key.add_argument("--install", action="store_true", help="put it on the unit, with what it runs; asks before")
    key.add_argument("-y", "--yes", action="store_true", help="do not ask")
    text = "lets a login without root's rights deploy signed systems: puts the helper and its line in sudoers on the unit"
    helper = _verb(verbs, "install-helper", text)
    helper.add_argument("name", metavar="UNIT")
    helper.add_argument("--login", required=True, help="who may run it there")
    what = "by which key of Nix a system has to be signed; else by that of signing_key"
    helper.add_argument("--key", dest="keys", action="append", default=[], metavar="NAME:BASE64", help=what)
    helper.add_argument("--as", dest="root", default="", metavar="LOGIN", help="the login to put it with: root, or one with sudo")
    helper.add_argument("-y", "--yes", action="store_true", help="do not ask")
    _verb(verbs, "check", "read the fleet's files without touching a unit")
    completion = verbs.add_parser("completion", help="a script for your shell: `source <(clavel-tui completion bash)`")
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    demo = _verb(verbs, "demo", "eleven units on loopback: no root, no Nix, no Docker; leaves nothing behind")
    demo.add_argument("rest", nargs=argparse.REMAINDER, metavar="VERB ...", help="run a verb in the demo instead of the console")
    return parser


def _globals(parser: argparse.ArgumentParser, *, behind: bool = False, read_only: bool = True) -> None:
    unset = argparse.SUPPRESS if behind else None
    parser.add_argument(
        "--fleet",
        default=unset,
        metavar="DIR",
        help="the folder of fleet.toml (else $CLAVEL_FLEET, else upward from here)",
    )
    parser.add_argument("--db", default=unset, metavar="FILE", help="the journal (else in your data folder)")
    if read_only:
        parser.add_argument("--read-only", action="store_true", default=unset or False, help="look only: nothing can be changed")
    parser.add_argument("--ssh-config", default=unset, metavar="FILE", help="instead of ~/.ssh/config")
    parser.add_argument("--known-hosts", default=unset, metavar="FILE", help="instead of ~/.ssh/known_hosts")
    parser.add_argument("--identity", default=unset, metavar="FILE", help="use this SSH key only")


def _verb(verbs: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=text, description=text)
    _globals(parser, behind=True, read_only=name != "install-key")  # there it says what kind of key
    parser.add_argument("--json", action="store_true", help="the result as JSON, with stable keys")
    return parser


def _choosing(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--unit", action="append", metavar="NAME", help="this unit; may be said again")
    parser.add_argument("--tag", action="append", metavar="TAG", help="units with this tag; said again: with all of them")
    return parser


def _init(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "write a first fleet: hosts that you name or that ssh_config names, and the Compose projects that run there"
    init = _verb(verbs, "init", text)
    init.add_argument("folder", nargs="?", default=".", metavar="DIR", help="the repository; hosts/ is written there")
    init.add_argument("--name", help="the fleet's name (else the folder's)")
    init.add_argument(
        "--host", action="append", metavar="[NAME=]ADDRESS", help="a host, or an alias of ssh_config; may be said again"
    )
    init.add_argument("--from-ssh-config", action="store_true", help="offer the hosts of ssh_config; with --yes take them all")
    init.add_argument("--no-adopt", action="store_true", help="copy no stack's files")
    init.add_argument("--accept-host-keys", action="store_true", help="accept unknown host keys without a question")
    init.add_argument("-y", "--yes", action="store_true", help="do not ask which stacks are adopted: all that can be")


def _evaluating(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "evaluate a source into Deployments; builds nothing and touches no unit"
    evaluate = _verb(verbs, "eval", text)
    evaluate.add_argument("source", nargs="?", default="", metavar="SOURCE", help="its name, or any flake reference")
    evaluate.add_argument("--watch", action="store_true", help="go on: evaluate when its files or its revision change")
    evaluate.add_argument("--reason", help="why; kept in the journal")
    _verb(verbs, "sources", "the fleet's sources, with what came of them when they were evaluated last")
    deployments = _verb(verbs, "deployments", "recorded Deployments, the newest first")
    deployments.add_argument("name", nargs="?", default="", metavar="UNIT", help="of this unit only")
    deployments.add_argument("--limit", type=_within(1, MOST), default=50, metavar="N")
    compare = _verb(verbs, "compare", "what differs between two Deployments; exit code 1 where anything does")
    compare.add_argument("old", metavar="NAME@ID", help="a recorded one, or a bare name for where its ref points")
    compare.add_argument("new", metavar="NAME@ID")


def _changes(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    words = {
        "update": ("update", "put the repository's files and pull newer images; what goes bad returns by itself"),
        "rollback": (
            "rollback",
            "back to the last known good, or to anything recorded: a stack, or where none is named the system",
        ),
        "hold": ("hold", "hold the stack at what runs"),
        "release": ("unhold", "release the hold"),
        "restart": ("restart", "restart the stack, or one service"),
        "stop": ("stop", "stop the stack's services"),
        "remove": ("remove", "docker compose down; releases, files and volumes are kept"),
        "forget": ("forget", "forget one release, with what kept its images"),
    }
    for name, (operation, text) in words.items():
        parser = _choosing(_verb(verbs, name, text))
        parser.set_defaults(operation=operation)
        parser.add_argument("stack", metavar="STACK", nargs="?" if name == "rollback" else None)
        parser.add_argument("--reason", help="why; kept in the journal")
        parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
        parser.add_argument("--dry-run", action="store_true", help="preview only")
        if name in {"update", "restart", "stop"}:
            parser.add_argument("--service", help="only this service")
        if name == "update":
            parser.add_argument("--unhold", action="store_true", help="release a hold with it")
            parser.add_argument("--check", action="store_true", help="only tell which images have a newer digest")
        if name in {"rollback", "hold", "forget"}:
            parser.add_argument(
                "--to", metavar="RELEASE", required=name == "forget", help="its id, or an unmistakable beginning of it"
            )
        if name == "rollback":
            _confirming(parser)


def _systems(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    words = {
        "deploy": "build, copy, preview, activate; it returns by itself unless it is well and can be reached again",
        "prepare": "build and copy what `deploy` would activate; what runs stays as it is",
        "diff": "packages that a deployment would add, remove and change; exit code 1 where it would",
    }
    for name, text in words.items():
        parser = _verb(verbs, name, text)
        parser.set_defaults(operation="prepare" if name == "prepare" else "deploy")
        parser.add_argument("units", metavar="UNIT", nargs="*")
        parser.add_argument("--tag", action="append", metavar="TAG", help="units with this tag; said again: with all of them")
        parser.add_argument(
            "--to", metavar="DEPLOYMENT", help="NAME@ID, a generation's number or a store path; else what should run"
        )
        if name == "deploy":
            parser.add_argument("--mode", choices=("switch", "test", "boot"), help="test: until the next boot; boot: from it on")
            parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
            parser.add_argument("--dry-run", action="store_true", help="preview only: nothing is built or copied")
            what = "units that are away: once they are back an open console deploys it to them; else they are left out"
            parser.add_argument("--when-back", action="store_true", help=what)
            _confirming(parser)
        if name != "diff":
            _building(parser)
            parser.add_argument("--reason", help="why; kept in the journal")
    machines = {
        "reboot": "restart machines, wait until they are up, and look at what came up",
        "gc": "collect the garbage of their Nix stores; what was deployed last is kept",
    }
    for name, text in machines.items():
        parser = _verb(verbs, name, text)
        parser.set_defaults(operation=name)
        parser.add_argument("units", metavar="UNIT", nargs="*")
        parser.add_argument("--tag", action="append", metavar="TAG", help="units with this tag; said again: with all of them")
        if name == "gc":
            what = "remove all generations but the newest N first; else they all stay"
            parser.add_argument("--keep-generations", type=_within(1, 1000), metavar="N", dest="keep", help=what)
        parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
        parser.add_argument("--dry-run", action="store_true", help="preview only")
        parser.add_argument("--reason", help="why; kept in the journal")
    text = "what a unit can be brought back to: generations and deployments, with where each came from"
    _verb(verbs, "generations", text).add_argument("name", metavar="UNIT")


def _rollout(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "deploy, or with --stack update, in waves: a few first, watched, and no more where they go bad"
    parser = _verb(verbs, "rollout", text)
    parser.add_argument("units", metavar="UNIT", nargs="*")
    parser.add_argument("--tag", action="append", metavar="TAG", help="units with this tag; said again: with all of them")
    parser.add_argument("--stack", default="", metavar="STACK", help="update this stack of them, not their systems")
    parser.add_argument("--mode", choices=("switch", "test", "boot"), help="as for `deploy`")
    _building(parser)
    parser.add_argument(
        "--canary", type=_within(0, 1000), metavar="N", help="so many go first; 0: none (else as fleet.toml says, or 1)"
    )
    parser.add_argument("--wave", type=_wave, metavar="N|N%", help="so many at a time behind them (25%%)")
    parser.add_argument(
        "--soak", type=_within(0, 24 * HOUR), metavar="SECONDS", help="how long a wave is watched before the next begins (60)"
    )
    parser.add_argument("--stop-at", type=_within(1, 1000), metavar="K", help="with so many failures nothing more is begun (1)")
    parser.add_argument("--on-stop", choices=("leave", "return"), help="what becomes of those done then (leave)")
    told = parser.add_mutually_exclusive_group()
    told.add_argument("--show", metavar="ID", help="how a rollout stands, unit by unit")
    told.add_argument("--pause", metavar="ID", help="begin nothing more until it is resumed")
    told.add_argument("--resume", metavar="ID", help="go on with one that was paused, or whose console has ended")
    told.add_argument("--abort", metavar="ID", help="begin nothing more, and stop what runs at its next safe point")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    parser.add_argument("--dry-run", action="store_true", help="preview only: nothing is built or copied")
    parser.add_argument("--reason", help="why; kept in the journal")
    _confirming(parser)
    parser.set_defaults(operation="deploy")


def _agents(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    _verb(verbs, "agents", "one line an agent, as claveld knows them")
    agent = _verb(verbs, "agent", "tell an agent to hold, release or poll; or move the ref that it asks for")
    agent.add_argument("order", choices=("hold", "release", "poll", "rollback", "pin", "unpin"))
    agent.add_argument("name", metavar="AGENT|REF")
    agent.add_argument("--to", metavar="ID", help="rollback: to that Deployment (the last known good)")
    agent.add_argument("--reason", help="why; kept by claveld")


def _building(parser: argparse.ArgumentParser) -> None:
    text = "where to build what is not built yet (else as unit.toml says, or here)"
    parser.add_argument("--build-on", choices=("here", "unit"), help=text)
    text = "how it comes to the unit: copied from here, or taken from the Deployment's substituters (else as unit.toml says)"
    parser.add_argument("--delivery", choices=("copy", "substitute"), help=text)


def _within(least: int, most: int) -> Callable[[str], int]:
    """A number of that range, as argparse takes it."""

    def number(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text} is not a number from {least} to {most}")
        return int(text)

    return number


def _wave(text: str) -> str:
    if not re.fullmatch(limits.WAVE, text):
        raise argparse.ArgumentTypeError(f"{text} is neither a number of units, such as 5, nor a part of all, such as 25%")
    return text


def _confirming(parser: argparse.ArgumentParser) -> None:
    text = "how long a unit waits to be reached again before it returns"
    parser.add_argument("--confirm-timeout", type=_seconds, metavar="SECONDS", help=text)
    parser.add_argument("--no-confirm", action="store_true", help="do not wait to be reached again")


def _seconds(text: str) -> int:
    """Whole ones, an hour at most."""
    if not text.isdecimal() or int(text) > HOUR:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds from 0 to {HOUR}")
    return int(text)
