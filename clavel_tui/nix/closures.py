"""Asks a unit, or this workstation, what store paths are made of, and which of them it lacks. All are queries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from clavel_tui.domain.closure import PATH, Closure
from clavel_tui.domain.text import clean
from clavel_tui.remote.effects import Query
from clavel_tui.remote.errors import RemoteError
from clavel_tui.remote.runner import QueryRunner
from clavel_tui.remote.target import Target
from clavel_tui.unit import script

CLOSURE_S = 120.0
"""A Raspberry Pi's database answers for 2,000 paths in some seconds from its card."""
_ABSENT = 'command -v "$1" >/dev/null || { echo "there is no $1" >&2; exit 1; }; xargs "$1" --check-validity --print-invalid'
"""A daemon that is away is no answer: what it does not call invalid would count as there."""


async def closures(runner: QueryRunner, target: Target, paths: Sequence[str], nix_store: str = "nix-store") -> dict[str, Closure]:
    """What each of the paths needs, with sizes; one that is not valid there is left out.

    Raises:
        RemoteError: it could not be asked, or has no Nix.
    """
    lines: list[str] = []
    query = Query.script("closure", script("lib.sh") + script("closure.sh"), nix_store, *paths, timeout=CLOSURE_S)
    result = await runner.query(target, query, lines.append)
    if result.code:
        why = clean(result.err.strip()) or "nix-store failed"
        raise RemoteError("nix", f"{target.name} cannot tell its closures: {why}", "does its nix-daemon run?")
    return parse_closures(lines)


def parse_closures(lines: Iterable[str]) -> dict[str, Closure]:
    """From the lines of closure.sh. A closure whose sizes and paths are not as many was cut short, and is left out."""
    found: dict[str, tuple[list[int], list[str]]] = {}
    sizes: list[int] = []
    names: list[str] = []
    for line in lines:
        key, _, value = line.partition("\t")
        if key == "closure" and PATH.fullmatch(value):
            sizes, names = found.setdefault(value, ([], []))
        elif key == "size" and value.isdecimal():
            sizes.append(int(value))
        elif key == "path" and PATH.fullmatch(value):
            names.append(value)
    return {
        path: dict(zip(paths, sizes, strict=True))
        for path, (sizes, paths) in found.items()
        if path in paths and len(sizes) == len(paths)
    }


async def absent(runner: QueryRunner, target: Target, paths: Iterable[str], nix_store: str = "nix-store") -> frozenset[str]:
    """Those of the paths that are not valid there.

    Raises:
        RemoteError: it could not be asked, or has no Nix.
    """
    text = "".join(f"{path}\n" for path in paths)
    query = Query.script("absent", _ABSENT, nix_store, stdin=text.encode(), timeout=CLOSURE_S)
    lines: list[str] = []
    result = await runner.query(target, query, lines.append)
    if result.code:
        why = clean((result.err.strip().splitlines() or ["nix-store failed"])[-1])
        raise RemoteError("nix", f"{target.name} cannot tell which store paths it has: {why}", "does its nix-daemon run?")
    return frozenset(line for line in lines if PATH.fullmatch(line))
