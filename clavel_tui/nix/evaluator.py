"""Asks the workstation's Nix: what a reference means now, and what it says of many units in as few processes as can be."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from clavel_tui.domain import limits
from clavel_tui.domain.source import Attribute, Fault, Listing, Lock
from clavel_tui.domain.unit import Unit, UnitType
from clavel_tui.nix import here, messages
from clavel_tui.nix.schema import attribute
from clavel_tui.remote.effects import Query
from clavel_tui.remote.errors import RemoteError
from clavel_tui.remote.runner import QueryRunner

EXTRACTOR = "1"
"""Of extract.nix: a memo of another one is not used."""
Pair = tuple[str, str]
"""(unit, set): an attribute that is asked for."""
_SETS = ("nixosConfigurations", "darwinConfigurations", "clavelUnits")
_OF_THE_PROCESS = {Fault.MEMORY, Fault.TIME, Fault.CRASH}
"""What those before it in the same process may have had their part in."""
_NO_SUCH_PROGRAM = 127
_LOCAL = re.compile(r"^(?:path:|git\+file:)?[/.]")
_TOLD = "trace: clavel-tui "
Progress = Callable[[str, str], None]
"""Called with an attribute and `begins` or `found`."""


class NixError(Exception):
    """The whole source cannot be evaluated: ``str()`` is a sentence, ``hint`` what to do, ``fault`` which kind it is."""

    def __init__(self, text: str, hint: str = "", fault: Fault = Fault.EVALUATION) -> None:
        super().__init__(text)
        self.text = text
        self.hint = hint
        self.fault = fault


@dataclass
class Extracted:
    """What one or more evaluators told."""

    listing: Listing | None = None
    attributes: dict[str, Attribute] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    processes: int = 0


class Evaluator:
    """``memory_mib``: what one evaluator may have, 0 for no bound; where the system bounds no process (darwin) there is none."""

    def __init__(self, runner: QueryRunner, program: str = "nix", memory_mib: int = limits.EVALUATOR_MIB) -> None:
        self._runner = runner
        self._program = program
        self._memory_mib = memory_mib
        self._here = here.workstation()

    async def lock(self, url: str) -> Lock:
        """What the reference means now; no evaluator is started, and its lock file is not touched.

        Raises:
            NixError: no Nix here, no such flake, a lock file that is not complete, or no network.
        """
        lines: list[str] = []
        # What a name elsewhere means now, and not what it meant within the last hour.
        words = (self._program, url, *([] if _LOCAL.match(url) else ["--refresh"]))
        query = Query.script("nix flake metadata", here.text("lock.sh"), *words, timeout=limits.LOCK_S, elevated=False)
        try:
            result = await self._runner.query(self._here, query, lines.append)
        except RemoteError as error:
            raise NixError(error.text, "look at the source with `nix flake metadata`", Fault.TIME) from error
        if result.code == _NO_SUCH_PROGRAM:
            hint = 'install Nix (https://nixos.org/download), or say where it is: nix = "..." in config.toml'
            raise NixError(f"there is no {self._program} on this workstation", hint, Fault.CRASH)
        if result.code:
            raise _of_source(url, *messages.failure(result.code, lines))
        version, *rest = result.err.splitlines() or [""]
        try:
            return _lock(json.loads("\n".join(rest)), version)
        except (ValueError, KeyError) as error:
            raise NixError(f"{url}: `nix flake metadata` of Nix {version} answers what is not understood: {error!r}") from error

    async def extract(self, lock: Lock, units: Sequence[Unit], progress: Progress = lambda _name, _what: None) -> Extracted:
        """The attributes of these units. One that breaks ends its process, and the next one goes on behind it.

        Raises:
            NixError: the flake itself cannot be evaluated, or it changed meanwhile.
        """
        found = Extracted()
        types = {unit.name: unit.type for unit in units}
        pending = [(name, set_) for set_ in _SETS for name, type_ in types.items() if set_ in sets_of(type_)]
        alone = False
        while pending or found.listing is None:
            batch = pending[: 1 if alone else limits.EVALUATOR_BATCH]
            died = await self._process(lock, batch, types, found, progress)
            again = died if died and died.fault in _OF_THE_PROCESS and not died.first else None
            if died and not again:
                found.attributes[died.name] = Attribute(name=died.name, unit=died.unit, fault=died.fault, text=died.text)
            pending = _left(pending, batch if died is None else (), found)
            if again:  # it may have broken under what those before it had taken
                pending.sort(key=lambda pair: f"{pair[1]}.{pair[0]}" != again.name)
            alone = again is not None
        return found

    async def _process(
        self, lock: Lock, batch: Sequence[Pair], types: Mapping[str, UnitType], found: Extracted, progress: Progress
    ) -> Died | None:
        """One evaluator; where it died, or None if it said all that it was asked for."""
        found.processes += 1
        told = _Told({f"{set_}.{name}": types[name] for name, set_ in batch}, found, progress)
        try:
            result = await self._runner.query(self._here, self._evaluation(lock, batch), told.line)
            code, why = result.code, None
        except RemoteError as error:
            if error.kind != "timeout":
                raise
            code, why = 1, (Fault.TIME, f"took longer than {limits.EVALUATOR_S:.0f} s")
        found.warnings = tuple(dict.fromkeys([*found.warnings, *messages.warnings(tuple(told.rest))]))
        if told.nar_hash and told.nar_hash != lock.nar_hash:
            raise NixError("the source changed while it was evaluated", "evaluate it again")
        if code == 0 and found.listing is None:
            raise NixError(f"{lock.url}: the evaluator ended well and said nothing", fault=Fault.CRASH)
        if code == 0:
            return None
        fault, text = why or messages.failure(code, tuple(told.rest))
        if fault is Fault.MEMORY:
            text = f"needed more than {f'{self._memory_mib} MiB of memory' if self._memory_mib else 'the memory that there is'}"
        if told.begun is None:
            raise _of_source(lock.url, fault, text)
        name, unit = told.begun
        return Died(name, unit, fault, text, first=told.count == 1)

    def _evaluation(self, lock: Lock, batch: Sequence[Pair]) -> Query:
        sets: dict[str, list[str]] = {}
        for name, set_ in batch:
            sets.setdefault(set_, []).append(name)
        request = json.dumps({"url": lock.url, "dir": lock.dir, "sets": sets})
        expression = f"({here.text('extract.nix')}) {_nix_string(request)}"
        # A dirty tree has no reference that names its content, so Nix takes it only where it may be impure.
        purity = ["--impure"] if not lock.pinned else []
        words = (self._program, str(self._memory_mib * 1024), "eval", "--json", *purity, "--expr", expression)
        text = here.text("evaluate.sh")
        return Query.script("nix eval", text, *words, timeout=limits.EVALUATOR_S, elevated=False, hold_stdin=True)


@dataclass(frozen=True)
class Died:
    """The attribute at which an evaluator died; ``first``: nothing else was evaluated in that process."""

    name: str
    unit: str
    fault: Fault
    text: str
    first: bool


class _Told:
    """Reads an evaluator's lines. Only what was asked for and has begun is believed: the flake's code can write lines too."""

    def __init__(self, asked: Mapping[str, UnitType], found: Extracted, progress: Progress) -> None:
        self._asked = asked
        self.nar_hash = ""
        self._found = found
        self._progress = progress
        self.rest: deque[str] = deque(maxlen=400)
        self.begun: tuple[str, str] | None = None
        self.count = 0

    def line(self, text: str) -> None:
        """The next one."""
        kind, _, said = text.removeprefix(_TOLD).partition(" ") if text.startswith(_TOLD) else ("", "", "")
        try:
            known = self._told(kind, said)
        except (ValueError, KeyError, TypeError):
            known = False  # none of ours
        if not known:
            self.rest.append(text)

    def _told(self, kind: str, said: str) -> bool:
        if kind == "lists" and not self.nar_hash:
            self._lists(json.loads(said))
        elif kind == "begins" and said in self._asked:
            self.begun = (said, said.partition(".")[2])
            self.count += 1
            self._progress(said, "begins")
        elif kind == "found" and self.begun:
            one = attribute(json.loads(said), self._asked[self.begun[0]])
            if one.name == self.begun[0]:
                self._found.attributes[one.name] = one
                self._progress(one.name, "found")
        else:
            return False
        return True

    def _lists(self, said: Mapping[str, Any]) -> None:
        self.nar_hash = said["narHash"]
        self._found.listing = Listing(
            attributes=tuple(said["attributes"]), substituters=tuple(said["substituters"]), keys=tuple(said["keys"])
        )


def _left(pending: Sequence[Pair], done: Sequence[Pair], found: Extracted) -> list[Pair]:
    """Those that the flake has and nobody has answered for."""
    there = set(found.listing.attributes) if found.listing else set()
    names = {pair: f"{pair[1]}.{pair[0]}" for pair in pending}
    return [pair for pair in pending if names[pair] in there and names[pair] not in found.attributes and pair not in done]


def sets_of(type_: UnitType) -> tuple[str, ...]:
    """Where a flake may say what a unit of that type runs."""
    system = {UnitType.NIXOS: ("nixosConfigurations",), UnitType.DARWIN: ("darwinConfigurations",)}.get(type_, ())
    return (*system, "clavelUnits")


def _lock(said: Mapping[str, Any], version: str) -> Lock:
    locked = said["locked"]
    return Lock(
        url=said["url"],
        nar_hash=locked["narHash"],
        revision=locked.get("rev", "") or said.get("dirtyRevision", ""),
        dirty=locked["type"] in {"git", "hg"} and "rev" not in locked,
        dir=locked.get("dir", ""),
        nix=version,
    )


def _of_source(url: str, fault: Fault, text: str) -> NixError:
    hint = {
        Fault.FETCH: "look at the network, or evaluate when it is back",
        Fault.MEMORY: "raise evaluator_mib in the config file",
    }.get(fault, "mend the flake: `nix flake metadata` says the same")
    if "lock file" in text:
        hint = "its lock file is not complete: run `nix flake lock` there, and commit flake.lock"
    return NixError(f"{url}: {text}", hint, fault)


def _nix_string(text: str) -> str:
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("${", "\\${")):
        text = text.replace(plain, escaped)
    return f'"{text}"'
