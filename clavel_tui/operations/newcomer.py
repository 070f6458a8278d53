"""Looks at hosts that no fleet knows yet: what they are, and which Compose projects could be taken into the repository."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from pydantic import TypeAdapter, ValidationError

from clavel_tui.compose import ask
from clavel_tui.domain import limits
from clavel_tui.domain.facts import Container, Facts
from clavel_tui.domain.unit import Elevate, Stack, StackName, Unit, UnitType
from clavel_tui.fleet.newcomer import FoundStack, FoundUnit
from clavel_tui.inventory.write import write_fleet, write_stack, write_unit
from clavel_tui.probe import probe
from clavel_tui.remote.effects import Query
from clavel_tui.remote.errors import RemoteError
from clavel_tui.remote.runner import QueryRunner
from clavel_tui.remote.target import Target
from clavel_tui.remote.trust import SshFiles, aliases, append_host_key, first_contact

STACK_ROOT = "/srv"
ADOPTED_BYTES = 8 * 1024 * 1024
"""Of one stack's files: more than this is data that lies beside the compose file, and does not belong into a repository."""
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
        return await first_contact(address, 0, self._files)

    async def trust(self, line: str) -> str:
        """See Newcomer."""
        return await asyncio.to_thread(append_host_key, self._files, line)

    async def look(self, name: str, address: str) -> FoundUnit:
        """See Newcomer."""
        found = FoundUnit(name=name, address=address)
        target = Target(name=name, address=address)
        try:
            await self._runner.forget(target)
            elevate = await self._rights(target)
            target = Target(name=name, address=address, elevate=elevate.value if elevate is Elevate.SUDO else "none")
            facts = await probe(self._runner, _unit(found), target)
            stacks = [await self._stack(target, project) for project in _projects(facts)]
        except RemoteError as error:
            return found.model_copy(update={"kind": error.kind, "trouble": error.text, "hint": error.hint})
        kind = _type(facts)
        arch = {"arm64": "aarch64"}.get(facts.arch, facts.arch) or "x86_64"
        return found.model_copy(
            update={
                "type": kind,
                "arch": f"{arch}-{'darwin' if kind is UnitType.DARWIN else 'linux'}",
                "elevate": elevate,
                "system": facts.os,
                "stacks": tuple(stacks),
            }
        )

    async def _rights(self, target: Target) -> Elevate:
        result = await self._runner.query(target, Query.script("rights", _RIGHTS, timeout=limits.QUERY_S, elevated=False))
        return Elevate(result.out.strip()) if result.out.strip() in set(Elevate) else Elevate.NONE

    async def _stack(self, target: Target, project: list[Container]) -> FoundStack:
        one = project[0]
        services = tuple(sorted({c.service for c in project}))
        found = FoundStack(name=one.project, path=one.working_dir, services=services)
        if wrong := _refusal(one):
            return found.model_copy(update={"refusal": wrong})
        inspection = await ask.inspect(self._runner, target, Stack(name=one.project, path=one.working_dir))
        lines = [line.split(" ", 2) for line in inspection.files]
        wanted = {path.removeprefix("./"): (kind, digest) for kind, digest, path in lines if kind in {"file", "exec"}}
        top = tuple(sorted({name.partition("/")[0] for name in wanted}))
        contents = await ask.read_files(self._runner, target, one.working_dir, top)
        if sum(len(contents.get(name, b"")) for name in wanted) > ADOPTED_BYTES:
            text = (
                f"its folder {one.working_dir} holds more than {ADOPTED_BYTES >> 20} MiB: move data out of it, or into a volume"
            )
            return found.model_copy(update={"refusal": text})
        torn = [name for name, (_, digest) in wanted.items() if hashlib.sha256(contents.get(name, b"")).hexdigest() != digest]
        if torn:
            return found.model_copy(update={"refusal": f"{torn[0]} could not be read whole, or changes while it is read"})
        files = {name: (contents[name], 0o755 if kind == "exec" else 0o644) for name, (kind, _) in wanted.items()}
        return found.model_copy(update={"files": files, "data": inspection.data})

    def write(self, folder: str, name: str, units: Sequence[FoundUnit]) -> Sequence[str]:
        """See Newcomer."""
        hosts = Path(folder) / "hosts"
        said = [write_fleet(hosts, name)]
        for unit in units:
            said.append(write_unit(hosts, _unit_file(unit)))
            said += [write_stack(hosts, unit.name, stack.name, stack.files) for stack in unit.stacks if not stack.refusal]
        return said


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
    if unit.elevate is not Elevate.NONE:
        said["elevate"] = unit.elevate.value
    if unit.type is UnitType.DARWIN:
        said["expected"] = "sometimes"
    tables = {stack.name: _stack_table(stack) for stack in unit.stacks if not stack.refusal}
    return said | ({"stacks": tables} if tables else {})


def _stack_table(stack: FoundStack) -> dict[str, object]:
    said: dict[str, object] = {}
    if stack.path != f"{STACK_ROOT}/{stack.name}":
        said["path"] = stack.path
    if stack.data:
        said["data"] = list(stack.data)
    return said
