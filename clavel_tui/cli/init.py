"""`init`: a first fleet in five minutes."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from clavel_tui.cli import output
from clavel_tui.cli.context import Context
from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.unit import NAME
from clavel_tui.fleet.newcomer import FoundUnit, Newcomer
from clavel_tui.process import current_folder


async def init(context: Context) -> int:
    """Asks, or takes flags; writes what is not there yet, and says what to do next."""
    context.refuse_read_only()
    args = context.args
    folder = _folder(args.folder)
    name = args.name or unit_name(folder.name)
    if not re.fullmatch(NAME, name):
        raise RefusedError(f"{name!r} is no name of a fleet: lower-case letters, digits and dashes", "say another with --name")
    async with context.doors.newcomer() as newcomer:
        hosts = _hosts(context, newcomer)
        units = [await _look(context, newcomer, *host) for host in hosts]
        for unit in units:
            _tell(unit)
        units = [_adopted(context, unit) for unit in units if not unit.trouble]
        lines = newcomer.write(str(folder), name, units)
    if context.json:
        output.as_json({"folder": str(folder), "name": name, "written": list(lines), "units": [u.name for u in units]})
    else:
        for line in lines:
            output.result(line)
        _next(folder)
    return 0 if len(units) == len(hosts) else 1


def _folder(said: str) -> Path:
    """Absolute; not where a link leads, since its name becomes the fleet's."""
    return Path(os.path.normpath(current_folder() / said))


def unit_name(alias: str) -> str:
    """A name for a host's alias or a folder: its first label, of lower-case letters, digits and dashes."""
    host = alias.lower().rpartition("@")[2]
    label = host if re.fullmatch(r"[0-9.]+|.*:.*", host) else host.partition(".")[0]
    plain = re.sub(r"[^a-z0-9]+", "-", label).strip("-")
    return plain[:63].strip("-") or "fleet"


def _hosts(context: Context, newcomer: Newcomer) -> list[tuple[str, str]]:
    """(name, address) of each host that was said, or chosen from ssh_config."""
    said = list(context.args.host or ())
    known = list(newcomer.aliases()) if context.args.from_ssh_config or not said else []
    if context.args.from_ssh_config and context.args.yes:
        said += known
    elif known and sys.stdin.isatty():
        said += _choose(known)
    pairs = [(name if address else unit_name(name), address or name) for name, _, address in (one.partition("=") for one in said)]
    names = [name for name, _ in pairs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise RefusedError(f"two hosts would be called {twice[0]}", "say --host NAME=ADDRESS for one of them")
    if wrong := [name for name in names if not re.fullmatch(NAME, name)]:
        raise RefusedError(f"{wrong[0]!r} is no name of a unit: lower-case letters, digits and dashes", "say --host NAME=ADDRESS")
    return pairs


def _choose(known: Sequence[str]) -> list[str]:
    output.note("hosts of your ssh_config:")
    for number, alias in enumerate(known, 1):
        output.note(f"  {number:>3}  {alias}")
    answer = output.asked("which of them are in this fleet? (numbers, `all`, or nothing)")
    if answer == "all":
        return list(known)
    numbers = [int(word) for word in re.split(r"[,\s]+", answer) if word.isdigit()]
    return [known[n - 1] for n in numbers if 0 < n <= len(known)]


async def _look(context: Context, newcomer: Newcomer, name: str, address: str) -> FoundUnit:
    """Once more where its host key was unknown, and a person has looked at it."""
    output.note(f"looking at {name} ({address})")
    adopt = not context.args.no_adopt
    found = await newcomer.look(name, address, adopt=adopt)
    if found.kind == "host-key-unknown":
        fingerprint, line = await newcomer.fingerprint(address)
        output.note(f"{name} shows the host key {fingerprint}")
        question = "Is that the key of this machine?"
        if context.args.accept_host_keys or output.confirmed(question, "say --accept-host-keys"):
            output.note(f"written to {await newcomer.trust(line)}")
            found = await newcomer.look(name, address, adopt=adopt)
    return found


def _tell(unit: FoundUnit) -> None:
    if unit.trouble:
        output.note(f"{unit.name}: left out: {unit.trouble}")
        if unit.hint:
            output.note(f"  {unit.hint}")
        return
    rights = {"none": "as root", "sudo": "by sudo", "sudo-password": "by sudo, with a password"}[unit.elevate.value]
    output.note(f"{unit.name}: {unit.system or unit.type.value}, {unit.arch}, changed {rights}")
    for stack in unit.stacks:
        what = (
            f"cannot be adopted: {stack.refusal}" if stack.refusal else f"{len(stack.files)} files, {', '.join(stack.services)}"
        )
        output.note(f"  {stack.name} in {stack.path}: {what}")


def _adopted(context: Context, unit: FoundUnit) -> FoundUnit:
    """With the stacks that are wanted: their files are copied, and nothing changes on the host."""
    args = context.args
    wanted = []
    for stack in unit.stacks:
        question = f"Copy the files of {stack.name} from {unit.name} into the repository?"
        if not stack.refusal and (args.yes or output.confirmed(question)):
            wanted.append(stack)
    return unit.model_copy(update={"stacks": tuple(wanted)})


def _next(folder: Path) -> None:
    here = "" if folder == current_folder() else f"cd {shlex.quote(str(folder))} && "
    output.note("next:")
    if not (folder / ".git").exists():
        output.note(f"  {here}git init && git add hosts && git commit -m 'The fleet as it runs'")
    output.note(f"  {here}clavel-tui doctor   # what each unit lacks")
    output.note(f"  {here}clavel-tui          # the console")
