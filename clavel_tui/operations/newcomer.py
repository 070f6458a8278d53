"""Looks at hosts that no fleet knows yet: what they are, and which Compose projects could be taken into the repository."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from pydantic import TypeAdapter, ValidationError

from clavel_tui.compose import ask
from clavel_tui.compose.preview import is_secret
from clavel_tui.domain import limits
from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.facts import Container, Facts
from clavel_tui.domain.unit import Elevate, Stack, StackName, Unit, UnitType
from clavel_tui.fleet.newcomer import FoundStack, FoundUnit
from clavel_tui.inventory.load import COMPOSE_FILES
from clavel_tui.inventory.schema import ARCHES
from clavel_tui.inventory.write import declared_stacks, write_fleet, write_ignored, write_stack, write_unit
from clavel_tui.operations.parts import unit_error
from clavel_tui.probe import probe
from clavel_tui.remote.effects import Query
from clavel_tui.remote.errors import RemoteError
from clavel_tui.remote.runner import QueryRunner
from clavel_tui.remote.target import Target
from clavel_tui.remote.trust import SshFiles, aliases, append_host_key, first_contact

ADOPTED_BYTES = 8 * 1024 * 1024
"""Of one stack's files: more than this is data that lies beside the compose file, and does not belong into a repository."""
_ARCHES = {"arm64": "aarch64", "armv7": "armv7l"}
_RIGHTS = """\
if [ "$(id -u)" = 0 ]; then echo none
elif sudo -n true 2>/dev/null; then echo sudo
elif command -v sudo >/dev/null; then echo sudo-password
fi
"""


class InProcessNewcomer:
    """See Newcomer."""

    def __init__(self, runner: QueryRunner, files: SshFiles) -> None:
        self._runner = runner
        self._files = files

    def aliases(self) -> Sequence[str]:
        """See Newcomer."""
        return aliases(self._files)

    async def fingerprint(self, address: str) -> tuple[str, str]:
        """See Newcomer."""
        try:
            return await first_contact(address.rpartition("@")[2], 0, self._files)
        except RemoteError as error:
            raise unit_error(error) from error

    async def trust(self, line: str) -> str:
        """See Newcomer."""
        try:
            return await asyncio.to_thread(append_host_key, self._files, line)
        except OSError as error:
            text = f"{self._files.hosts_file} cannot be written: {error.strerror}"
            raise RefusedError(text, "name another file with --known-hosts") from error

    async def look(self, name: str, address: str, *, adopt: bool) -> FoundUnit:
        """See Newcomer."""
        user, _, host = address.rpartition("@")
        found = FoundUnit(name=name, address=host, user=user)
        target = Target(name=name, address=host, user=user)
        try:
            await self._runner.forget(target)
            elevate = await self._rights(target)
            target = replace(target, elevate=elevate.value if elevate is Elevate.SUDO else "none")
            facts = await probe(self._runner, _unit(found), target)
        except RemoteError as error:
            return found.model_copy(update={"kind": error.kind, "trouble": error.text, "hint": error.hint})
        kind = _type(facts)
        arch = f"{_ARCHES.get(facts.arch, facts.arch) or 'x86_64'}-{'darwin' if kind is UnitType.DARWIN else 'linux'}"
        if arch not in ARCHES:
            return found.model_copy(update={"kind": "arch", "trouble": f"it is {arch}: known are {', '.join(ARCHES)}"})
        stacks = [await self._stack(target, project) for project in _projects(facts)] if adopt else []
        said = {"type": kind, "arch": arch, "elevate": elevate, "system": facts.os, "stacks": tuple(stacks)}
        return found.model_copy(update=said)

    async def _rights(self, target: Target) -> Elevate:
        result = await self._runner.query(target, Query.script("rights", _RIGHTS, timeout=limits.QUERY_S, elevated=False))
        return Elevate(result.out.strip()) if result.out.strip() in set(Elevate) else Elevate.NONE

    async def _stack(self, target: Target, project: list[Container]) -> FoundStack:
        """With its files, or why it cannot be adopted; one that is too large costs the others nothing."""
        one = project[0]
        found = FoundStack(name=one.project, path=one.working_dir, services=tuple(sorted({c.service for c in project})))
        if wrong := _refusal(one):
            return found.model_copy(update={"refusal": wrong})
        try:
            return await self._with_files(target, found, one)
        except RemoteError as error:
            text = f"its files could not be read ({error.text}): is there data in {found.path}? put it into a volume"
            return found.model_copy(update={"refusal": text})

    async def _with_files(self, target: Target, found: FoundStack, one: Container) -> FoundStack:
        inspection = await ask.inspect(self._runner, target, Stack(name=found.name, path=found.path))
        lines = [parts for line in inspection.files if len(parts := line.split(" ", 2)) == 3]  # noqa: PLR2004  kind hash path
        wanted = {path.removeprefix("./"): digest for kind, digest, path in lines if kind in {"file", "exec"}}
        if odd := [name for name in wanted if not is_plain(name)]:
            return found.model_copy(update={"refusal": f"a file is called {odd[0]!a}, which is no place below its folder"})
        if wrong := _unlike_compose(one, set(wanted)):
            return found.model_copy(update={"refusal": wrong})
        top = tuple(sorted({name.partition("/")[0] for name in wanted}))
        if await ask.sizes(self._runner, target, found.path, top) > ADOPTED_BYTES:
            text = f"its folder {found.path} holds more than {ADOPTED_BYTES >> 20} MiB: move data out of it, or into a volume"
            return found.model_copy(update={"refusal": text})
        contents = await ask.read_tree(self._runner, target, found.path, top)
        torn = [name for name, digest in wanted.items() if hashlib.sha256(contents.get(name, (b"", 0))[0]).hexdigest() != digest]
        if torn:
            return found.model_copy(update={"refusal": f"{torn[0]} could not be read whole, or changes while it is read"})
        files = {name: (contents[name][0], _mode(contents[name][1])) for name in wanted}
        return found.model_copy(update={"files": files, "data": inspection.data})

    def write(self, folder: str, name: str, units: Sequence[FoundUnit]) -> Sequence[str]:
        """See Newcomer."""
        hosts = Path(folder) / "hosts"
        taken = {unit.name: _taken(unit, declared_stacks(hosts, unit.name)) for unit in units}
        secrets = [name for unit, stacks in taken.items() for stack in stacks for name in _secrets(unit, stack)]
        said = [*write_ignored(Path(folder), secrets), write_fleet(hosts, name)]
        for unit in units:
            said.append(write_unit(hosts, _unit_file(unit)))
            for stack in (one for one in unit.stacks if not one.refusal):
                if stack in taken[unit.name]:
                    said.append(write_stack(hosts, unit.name, stack.name, stack.files))
                else:
                    table = f"stacks.{stack.name} = {{ path = {json.dumps(stack.path)}, data = {json.dumps(list(stack.data))} }}"
                    said.append(f"left     {stack.name}: say {table} at the top of unit.toml of {unit.name}, and init again")
        return said


def _taken(unit: FoundUnit, declared: set[str] | None) -> list[FoundStack]:
    """Those that are written: a folder without its table would be deployed to another place than where it runs."""
    return [stack for stack in unit.stacks if not stack.refusal and (declared is None or stack.name in declared)]


def _secrets(unit: str, stack: FoundStack) -> list[str]:
    """Its files that must not come into Git with the rest, from the fleet's folder on."""
    return [f"hosts/{unit}/compose/{stack.name}/{name}" for name in stack.files if is_secret(name)]


def is_plain(name: str) -> bool:
    """A file's name that a host has told: below its folder, and none of Git's own."""
    parts = name.split("/")
    return (
        name.isprintable() and "\\" not in name and not any(part in {"", ".", ".."} or part.lower() == ".git" for part in parts)
    )


def _mode(bits: int) -> int:
    """As a stack's folder in the repository keeps it: what only its owner may read stays so."""
    mode = 0o755 if bits & 0o100 else 0o644
    return mode if bits & 0o004 else mode & 0o700


def _unlike_compose(one: Container, names: set[str]) -> str:
    """Why Compose would not choose by itself, in that folder, the files that this project was made from."""
    used = [PurePosixPath(file).name for file in one.config_files.split(",") if file]
    first = next((name for name in COMPOSE_FILES if name in names), "")
    if not first:
        return f"none of {', '.join(COMPOSE_FILES)} was found in {one.working_dir}"
    override = [name for name in (first.replace(".y", ".override.y"),) if name in names]
    return "" if not used or used == [first, *override] else f"it was started from {', '.join(used)}: rename them to {first}"


def _unit(found: FoundUnit) -> Unit:
    return Unit(name=found.name, type=found.type, arch=found.arch, address=found.address)


def _type(facts: Facts) -> UnitType:
    if facts.kernel.startswith("Darwin"):
        return UnitType.DARWIN
    return UnitType.NIXOS if facts.os_id == "nixos" else UnitType.LINUX


def _projects(facts: Facts) -> list[list[Container]]:
    by_name: dict[str, list[Container]] = {}
    for container in facts.containers:
        by_name.setdefault(container.project, []).append(container)
    return [by_name[name] for name in sorted(by_name)]


def _refusal(one: Container) -> str:
    """Why a project cannot be adopted as it is."""
    try:
        TypeAdapter(StackName).validate_python(one.project)
    except ValidationError:
        return "its name is none that a stack may have"
    if not one.working_dir.startswith("/"):
        return "Compose does not say in which folder it stands"
    outside = [f for f in one.config_files.split(",") if f and PurePosixPath(f).parent != PurePosixPath(one.working_dir)]
    return f"it is made from {outside[0]}, which is not in its folder {one.working_dir}" if outside else ""


def _unit_file(unit: FoundUnit) -> dict[str, object]:
    said: dict[str, object] = {"name": unit.name, "type": unit.type.value, "arch": unit.arch, "address": unit.address}
    if unit.user:
        said["user"] = unit.user
    if unit.elevate is not Elevate.NONE:
        said["elevate"] = unit.elevate.value
    if unit.type is UnitType.DARWIN:
        said["expected"] = "sometimes"
    tables = {stack.name: _stack_table(stack) for stack in unit.stacks if not stack.refusal}
    return said | ({"stacks": tables} if tables else {})


def _stack_table(stack: FoundStack) -> dict[str, object]:
    said: dict[str, object] = {"path": stack.path}
    if stack.data:
        said["data"] = list(stack.data)
    return said
