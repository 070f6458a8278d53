"""Closures compared: which packages one has that the other has not, by version and size. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from clavel_tui.domain.model import Model

STORE: Final = "/nix/store/"
PATH: Final = re.compile(r"/nix/store/[0-9abcdfghijklmnpqrsvwxyz]{32}-[0-9A-Za-z+._?=-]{1,211}")
"""A store path, and nothing below it: Nix's own alphabet and bounds."""
SIZE_LEAST: Final = 8 * 1024
"""The same versions with a size that differs by less are not told: rebuilt with other paths inside, and nothing else."""
_HASH = 33
_OUTPUT = re.compile(r"(.*)-([a-z]+|lib32|lib64)")

Closure = Mapping[str, int]
"""Store path → bytes of its archive. Everything that a system needs, itself included."""


class PackageChange(Model):
    """One package whose versions or size differ. ``""`` among the versions: it has none in its name."""

    name: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    size: int = 0
    """Bytes that it grows by; negative where it shrinks."""

    @property
    def versions(self) -> str:
        """As `nix store diff-closures` writes them; empty where they are the same."""
        before, after = (", ".join(version or "ε" for version in side) or "∅" for side in (self.before, self.after))
        return f"{before} → {after}" if self.before or self.after else ""

    @property
    def kind(self) -> str:
        """added, removed, changed, or resized."""
        if self.before and self.after:
            return "changed"
        return {(False, True): "added", (True, False): "removed"}.get((bool(self.before), bool(self.after)), "resized")


class ClosureDiff(Model):
    """What a system would gain and lose. ``same``: not one path differs."""

    changes: tuple[PackageChange, ...] = ()
    size_before: int = 0
    size_after: int = 0
    same: bool = False

    @property
    def counts(self) -> dict[str, int]:
        """How many packages of each kind of change."""
        kinds = [change.kind for change in self.changes]
        return {kind: kinds.count(kind) for kind in ("added", "removed", "changed", "resized") if kind in kinds}


def compare(old: Closure, new: Closure) -> ClosureDiff:
    """Packages are told apart and grouped as ``nix store diff-closures`` does, so that both say the same."""
    before, after = _packages(old), _packages(new)
    changes = (_change(name, before.get(name, {}), after.get(name, {})) for name in sorted({*before, *after}))
    return ClosureDiff(
        changes=tuple(change for change in changes if change),
        size_before=sum(old.values()),
        size_after=sum(new.values()),
        same=old.keys() == new.keys(),
    )


def package(path: str) -> tuple[str, str]:
    """(name, version) of a store path: the version begins behind the first dash that no letter follows.

    An output such as ``-man`` or ``-lib32`` counts to its package.
    """
    name = path.removeprefix(STORE)[_HASH:]
    if output := _OUTPUT.fullmatch(name):
        name = output[1]
    for at, char in enumerate(name[:-1]):
        if char == "-" and not (name[at + 1].isascii() and name[at + 1].isalpha()):
            return name[:at], name[at + 1 :]
    return name, ""


def _packages(closure: Closure) -> dict[str, dict[str, int]]:
    """Name → version → bytes."""
    found: dict[str, dict[str, int]] = {}
    for path, size in closure.items():
        name, version = package(path)
        versions = found.setdefault(name, {})
        versions[version] = versions.get(version, 0) + size
    return found


def _change(name: str, old: Mapping[str, int], new: Mapping[str, int]) -> PackageChange | None:
    gone, come = _without(old, new), _without(new, old)
    size = sum(new.values()) - sum(old.values())
    if not gone and not come and abs(size) < SIZE_LEAST:
        return None
    return PackageChange(name=name, before=gone, after=come, size=size)


def _without(these: Iterable[str], those: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(sorted(version for version in these if version not in those))
