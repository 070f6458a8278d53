"""Evaluating a fleet's flake: against one `nix eval --apply` for all hosts, a process a host, and `nix flake metadata` where all is known."""

import asyncio
import itertools
import json
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from clavel_tui.domain.source import Source
from clavel_tui.domain.unit import Fleet, Unit, UnitType
from clavel_tui.history import MIGRATIONS
from clavel_tui.history.deployments import Deployments
from clavel_tui.nix import Evaluator
from clavel_tui.operations.evaluate import Evaluating
from clavel_tui.remote.local import LocalRunner
from clavel_tui.remote.secrets import Secrets
from clavel_tui.store import Database

from .measure import Aim, Row, Sample, Verdict, interleaved, row, taken, verdicts

MISS, HIT = "clavel-tui, nothing known", "clavel-tui, all known"
ALL, METADATA = "nix eval --apply, all hosts at once", "nix flake metadata"
EACH, TWO = "nix eval, a process a host", "nix eval, a process a host, two at a time"
AIMS = {MISS: (Aim("wall", ALL, 1.15), Aim("wall", EACH, 0.1), Aim("wall", TWO, None)), HIT: (Aim("wall", METADATA, 2.5),)}
NIX = ("nix", "--extra-experimental-features", "nix-command", "--extra-experimental-features", "flakes")
APPLY = "builtins.mapAttrs (_: c: let t = c.config.system.build.toplevel; in { inherit (t) drvPath outPath system; })"
WORK = 2000
"""Attributes that each host merges with those that all share: some milliseconds of an evaluator, as a small host costs."""

FLAKE = """{
  outputs = { self }: let
    base = builtins.listToAttrs (builtins.genList (n: { name = "option${toString n}"; value = n; }) %(work)d);
    system = name: let own = builtins.mapAttrs (key: n: "${name}-${key}-${toString n}") base; in {
      config.system.build.toplevel = derivation {
        name = "nixos-system-${name}"; system = "x86_64-linux"; builder = "/bin/sh";
        args = [ "-c" (builtins.hashString "sha256" (builtins.toJSON own)) ];
      };
    };
  in { nixosConfigurations = builtins.listToAttrs (map (name: { inherit name; value = system name; }) [ %(names)s ]); };
}
"""


def evaluate(count: int, runs: int) -> tuple[list[Row], list[Verdict]]:
    """All in one run, interleaved; each miss has a journal of its own that knows nothing."""
    if shutil.which("nix") is None:
        return [Row("evaluate", MISS, count, missing="there is no nix here")], []
    with tempfile.TemporaryDirectory(prefix="clavel-bench-") as name, asyncio.Runner() as loop:
        bench = _Bench(Path(name), count, loop)
        contestants = {
            MISS: bench.miss,
            ALL: bench.all_at_once,
            EACH: lambda: bench.each(1),
            TWO: lambda: bench.each(2),
            HIT: bench.hit,
            METADATA: bench.metadata,
        }
        samples = interleaved(contestants, 1 + runs)
        bench.end()
    rows = [row("evaluate", name, count, found[1:]) for name, found in samples.items()]
    return rows, [verdict for name, aims in AIMS.items() for verdict in verdicts(rows, name, aims)]


class _Bench:
    def __init__(self, folder: Path, count: int, loop: asyncio.Runner) -> None:
        self._folder = folder
        self._loop = loop
        self._names = [f"b{n:03}" for n in range(count)]
        self._flake = folder / "flake"
        self._flake.mkdir()
        text = FLAKE % {"work": WORK, "names": " ".join(f'"{name}"' for name in self._names)}
        (self._flake / "flake.nix").write_text(text, encoding="utf-8")
        git = ("git", "-C", str(self._flake), "-c", "user.name=bench", "-c", "user.email=bench@example.org")
        for words in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "bench")):
            subprocess.run([*git, *words], check=True)
        units = tuple(Unit(name=name, type=UnitType.NIXOS, arch="x86_64-linux", address="x") for name in self._names)
        self._fleet = Fleet(name="bench", units=units, sources=(Source(name="bench", url=str(self._flake)),))
        self._numbers = itertools.count()
        self._known = self._evaluating()
        self._evaluated(self._known)

    def _evaluating(self) -> Evaluating:
        database = self._loop.run(Database.open(self._folder / f"{next(self._numbers)}.db", MIGRATIONS))
        self._databases = [*getattr(self, "_databases", []), database]
        return Evaluating(self._fleet, Evaluator(LocalRunner(Secrets()), "nix", 0), Deployments(database))

    def _evaluated(self, evaluating: Evaluating) -> int:
        found = self._loop.run(evaluating.evaluate(self._fleet.sources[0], lambda _name, _what: None))
        if len([one for one in found.attributes if one.nar_id]) != len(self._names):
            raise SystemExit("clavel-tui did not evaluate all of them")
        return found.processes

    def end(self) -> None:
        for database in self._databases:
            self._loop.run(database.close())

    def miss(self) -> Sample:
        evaluating = self._evaluating()
        return taken(lambda: self._evaluated(evaluating))

    def hit(self) -> Sample:
        def run() -> None:
            if self._evaluated(self._known):
                raise SystemExit("an evaluator was started though all was known")

        return taken(run)

    def all_at_once(self) -> Sample:
        def run() -> None:
            found = json.loads(self._nix("eval", "--json", f"{self._flake}#nixosConfigurations", "--apply", APPLY))
            if len(found) != len(self._names):
                raise SystemExit("nix did not evaluate all of them")

        return taken(run)

    def each(self, together: int) -> Sample:
        def one(name: str) -> str:
            return self._nix("eval", "--json", f"{self._flake}#nixosConfigurations.{name}.config.system.build.toplevel.outPath")

        def run() -> None:
            with ThreadPoolExecutor(together) as pool:
                list(pool.map(one, self._names))

        return taken(run)

    def metadata(self) -> Sample:
        return taken(lambda: self._nix("flake", "metadata", "--json", str(self._flake)))

    def _nix(self, *words: str) -> str:
        return subprocess.run([*NIX, *words], check=True, capture_output=True, text=True).stdout
