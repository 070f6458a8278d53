"""Reads the fleet's files. All that is wrong is said at once, each with file, key, value and what would be right."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from clavel_tui.domain.errors import InventoryError, Problem
from clavel_tui.domain.source import Trigger
from clavel_tui.domain.unit import BROUGHT, ITSELF, Elevate, Fleet, Stack, Unit
from clavel_tui.domain.waves import RolloutSettings
from clavel_tui.inventory.flakes import sources
from clavel_tui.inventory.schema import (
    AgentFile,
    CheckTable,
    ClaveldTable,
    FleetFile,
    RolloutTable,
    SourceTable,
    StackTable,
    SystemTable,
    UnitFile,
)

M = TypeVar("M", bound=BaseModel)
COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")


def load_fleet(root: Path) -> Fleet:
    """Reads and checks everything below ``root``, the folder of fleet.toml, without touching a unit.

    Raises:
        InventoryError: with every problem of every file.
    """
    problems: list[Problem] = []
    fleet = _read(root / "fleet.toml", FleetFile, {}, problems)
    defaults = dict(fleet.defaults) if fleet else {}
    units: dict[Path, Unit] = {}
    for file in _unit_files(root, problems):
        if unit := _read(file, UnitFile, defaults, problems):
            units[file] = _unit(unit, file, fleet.stack_root if fleet else "/srv", problems)
    problems.extend(_twice(units))
    for name, table in (fleet.sources if fleet else {}).items():
        if table.on == Trigger.SCHEDULE and not table.every_minutes:
            right = "is missing: a schedule wants to know how often, such as every_minutes = 60"
            problems.append(Problem(str(root / "fleet.toml"), f"sources.{name}.every_minutes", None, right))
        if table.on == Trigger.REQUEST and table.every_minutes:
            right = 'is on no schedule: say on = "schedule", or leave it out'
            problems.append(Problem(str(root / "fleet.toml"), f"sources.{name}.every_minutes", table.every_minutes, right))
    if problems or fleet is None:
        raise InventoryError(problems)
    return Fleet(
        name=fleet.name,
        units=tuple(units.values()),
        root=str(root),
        sources=sources(root, fleet.sources),
        substituters=tuple(fleet.substituters),
        substituters_public_keys=tuple(fleet.substituters_public_keys),
        rollout=RolloutSettings(**fleet.rollout.model_dump()),
    )


def load_agent(file: Path, root: Path = Path("/")) -> tuple[Unit, ClaveldTable]:
    """The unit that an agent runs on, and where its claveld is. Its stacks come with what runs there. ``root``: the machine's.

    Raises:
        InventoryError: with every problem of the file.
    """
    problems: list[Problem] = []
    said = _read(file, AgentFile, {}, problems)
    if said:
        problems += [Problem(str(file), f"claveld.{key}", value, right) for key, value, right in _ways(said.claveld)]
    if said is None or problems:
        raise InventoryError(problems)
    fields = said.model_dump(exclude={"stacks", "checks", "claveld"})
    unit = Unit(**fields, checks=tuple(check.check() for check in said.checks))
    brought = unit.running_below(root) / BROUGHT
    stacks = tuple(_placed(name, table, brought / name, "/srv") for name, table in sorted(said.stacks.items()))
    return unit.model_copy(update={"stacks": stacks}), said.claveld


def _ways(claveld: ClaveldTable) -> Iterator[tuple[str, str | None, str]]:
    """What is wrong with how claveld is to be reached."""
    if claveld.url.startswith("http:") and not _is_near(claveld):
        yield "url", claveld.url, "would send the token in the clear: say https, or plain_http = true inside a VPN"
    if not claveld.url and not claveld.nats:
        yield "url", None, "is missing: say where claveld is, such as https://ops.example.org:8420"
    if claveld.url and claveld.nats:
        yield "nats", None, "stands beside url: claveld is reached in one way; take one of them out"
    if claveld.nats and claveld.nats.in_the_clear:
        yield "nats.url", claveld.nats.url, "would send the token in the clear: say tls://, or plain = true inside a VPN"


def _is_near(claveld: ClaveldTable) -> bool:
    return claveld.plain_http or urlsplit(claveld.url).hostname in {"127.0.0.1", "localhost", "::1"}


def _unit_files(root: Path, problems: list[Problem]) -> Iterator[Path]:
    """Also those that cannot be read: a unit is never left out in silence."""
    for folder in sorted(root.glob("*/")):
        try:
            names = {entry.name for entry in folder.iterdir()}
        except OSError as error:
            problems.append(Problem(str(folder), "", None, f"cannot be read: {error.strerror}"))
            continue
        if "unit.toml" in names:
            yield folder / "unit.toml"
        elif "compose" in names:
            right = "has a compose folder and no unit.toml: write one, or move it away"
            problems.append(Problem(str(folder), "", None, right))


def _read(file: Path, model: type[M], defaults: Mapping[str, Any], problems: list[Problem]) -> M | None:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        problems.append(Problem(str(file), "", None, f"is not TOML: {error}"))
    except UnicodeDecodeError:
        problems.append(Problem(str(file), "", None, "is not UTF-8 text"))
    except OSError as error:
        problems.append(Problem(str(file), "", None, f"cannot be read: {error.strerror}"))
    else:
        try:
            return model.model_validate({**defaults, **content})
        except ValidationError as error:
            # A default is wrong in one place, however many units take it.
            said = {str(p) for p in problems}
            problems.extend(p for p in _explain(file, model, error, {*defaults} - {*content}) if str(p) not in said)
    return None


def _explain(unit_file: Path, model: type[BaseModel], error: ValidationError, inherited: Collection[str]) -> Iterator[Problem]:
    for one in error.errors(include_url=False):
        key = ".".join(str(part) for part in one["loc"] if part != "[key]")
        file, value = unit_file, one.get("input")
        if one["loc"][:1] and one["loc"][0] in inherited:
            file, key = unit_file.parent.parent / "fleet.toml", f"defaults.{key}"
        match one["type"]:
            case "extra_forbidden":
                yield Problem(str(file), key, None, f"no such key; {_nearest(_table(model, one['loc']), str(one['loc'][-1]))}")
            case "missing":
                yield Problem(str(file), key, None, "is missing, and must be said")
            case "string_pattern_mismatch":
                yield Problem(str(file), key, value, f"must match {one['ctx']['pattern']}")
            case _:
                yield Problem(str(file), key, value, one["msg"].removeprefix("Value error, "))


def _nearest(model: type[BaseModel], key: str) -> str:
    known = sorted(field.alias or name for name, field in model.model_fields.items())
    import difflib  # only where something is wrong: an agent never needs it

    near = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known keys are {', '.join(known)}"


def _table(model: type[BaseModel], loc: tuple[int | str, ...]) -> type[BaseModel]:
    """The table in which that key stands."""
    tables: dict[str, type[BaseModel]] = {"stacks": StackTable, "checks": CheckTable, "sources": SourceTable}
    tables |= {"system": SystemTable, "rollout": RolloutTable}
    return tables.get(str(loc[0]), model) if len(loc) > 1 else model


def _unit(said: UnitFile, file: Path, stack_root: str, problems: list[Problem]) -> Unit:
    folder = file.parent
    if folder.name != said.name:
        problems.append(Problem(str(file), "name", said.name, f"must be the name of its folder, {folder.name!r}"))
    tables = dict(said.stacks)
    for name in _stack_folders(folder / "compose", problems):
        tables.setdefault(name, StackTable())
    found = (_stack(name, table, folder, stack_root, problems) for name, table in sorted(tables.items()))
    stacks = [stack for stack in found if stack]
    for n, check in enumerate(said.checks):
        if check.kinds != 1:
            problems.append(Problem(str(file), f"checks.{n}", None, "must say just one of systemd, command, tcp and http"))
    if said.elevate is Elevate.HELPER:
        problems.extend(_beyond_the_helper(said, file, stacks))
    return Unit(
        **said.model_dump(exclude={"stacks", "checks"}),
        stacks=tuple(stacks),
        checks=tuple(c.check() for c in said.checks),
    )


def _stack_folders(folder: Path, problems: list[Problem]) -> list[str]:
    """Their names; what cannot be read is never left out in silence."""
    try:
        return sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        problems.append(Problem(str(folder), "", None, f"cannot be read: {error.strerror}"))
        return []


def _beyond_the_helper(said: UnitFile, file: Path, stacks: Sequence[Stack]) -> Iterator[Problem]:
    """What would need root's rights, and so cannot be had where the login has not got them."""
    if stacks:
        yield Problem(
            str(file), "elevate", "helper", "cannot be with stacks: a compose file can mount all of the machine; say sudo"
        )
    for n, check in enumerate(said.checks):
        if check.command:
            right = "is run by root, and the helper runs nobody's commands; say systemd, tcp or http"
            yield Problem(str(file), f"checks.{n}.command", check.command, right)
    if said.type in ITSELF:
        right = f"activates systems of nixos and darwin only, and this is a {said.type.value} unit; say sudo"
        yield Problem(str(file), "elevate", "helper", right)
    if said.system.delivery == "substitute":
        right = "is root's to ask for, and the helper has no verb for it; say copy, and sign it"
        yield Problem(str(file), "system.delivery", "substitute", right)
    if said.address == "local":
        yield Problem(str(file), "elevate", "helper", "is for units that are reached by ssh")


def _placed(name: str, table: StackTable, source: Path, stack_root: str) -> Stack:
    return Stack(
        name=name, source=str(source), **{**table.model_dump(), "path": table.path or f"{stack_root.rstrip('/')}/{name}"}
    )


def _stack(name: str, table: StackTable, folder: Path, stack_root: str, problems: list[Problem]) -> Stack | None:
    source = folder / "compose" / name
    try:
        if not source.is_dir():
            right = f"has no folder {source}: make it, with a compose.yaml"
            problems.append(Problem(str(folder / "unit.toml"), f"stacks.{name}", None, right))
        elif not any((source / file).is_file() for file in COMPOSE_FILES):
            problems.append(Problem(str(source), "", None, f"holds none of {', '.join(COMPOSE_FILES)}"))
    except OSError as error:
        problems.append(Problem(str(source), "", None, f"cannot be read: {error.strerror}"))
    try:
        return _placed(name, table, source, stack_root)
    except ValidationError:
        right = "a stack's name is lower-case letters, digits, - and _, at most 63 of them"
        problems.append(Problem(str(source), "", name, right))
        return None


def _twice(units: Mapping[Path, Unit]) -> Iterator[Problem]:
    seen: dict[str, Path] = {}
    for file, unit in units.items():
        first = seen.setdefault(unit.name, file)
        if first != file:
            yield Problem(str(file), "name", unit.name, f"the unit of {first} has this name already")
        paths: dict[str, str] = {}
        for stack in unit.stacks:
            if stack.path in paths:
                right = f"the stack {paths[stack.path]} stands in that folder already"
                yield Problem(str(file), f"stacks.{stack.name}.path", stack.path, right)
            paths[stack.path] = stack.name
