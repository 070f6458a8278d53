"""Comparing two closures as a preview does, asking the store and all, against `nix store diff-closures` of the same two."""

import asyncio
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from clavel_tui.domain.closure import compare
from clavel_tui.nix.closures import closures
from clavel_tui.nix.here import workstation
from clavel_tui.remote.local import LocalRunner
from clavel_tui.remote.secrets import Secrets

from .measure import Aim, Row, Sample, Verdict, interleaved, row, taken, verdicts

OURS, PEER = "clavel-tui, both closures", "nix store diff-closures"
AIMS = (Aim("cpu", PEER, None),)
NIX = ("nix", "--extra-experimental-features", "nix-command")
TEXTS = """version: others: let
  one = n: builtins.toFile "package${toString n}-1.${toString (if n - n / 10 * 10 == 0 then version else 0)}" "text ${toString n}";
  names = builtins.genList one (others - 1);
in builtins.toFile "nixos-system-bench-${toString version}" (builtins.concatStringsSep "\\n" names)
"""
"""A system that names so many others; a tenth of them have another version in the next one."""


def closure(count: int, runs: int) -> tuple[list[Row], list[Verdict]]:
    """Two systems of ``count`` paths each, in a store of their own, asked in turn."""
    if shutil.which("nix-store") is None:
        return [Row("closure", OURS, count, missing="there is no nix here")], []
    with tempfile.TemporaryDirectory(prefix="clavel-bench-") as name, asyncio.Runner() as loop:
        store = {"NIX_REMOTE": f"local?root={name}"}
        paths = [_made(Path(name), version, count) for version in (1, 2)]

        def ours() -> Sample:
            return taken(lambda: loop.run(_compared(store, paths)))

        def peer() -> Sample:
            words = [*NIX, "store", "diff-closures", *paths]
            return taken(lambda: subprocess.run(words, env={**os.environ, **store}, stdout=subprocess.DEVNULL, check=True))

        samples = interleaved({OURS: ours, PEER: peer}, 1 + runs)
        subprocess.run(["chmod", "-R", "u+w", name], check=False)
    rows = [row("closure", what, count, found[1:]) for what, found in samples.items()]
    return rows, verdicts(rows, OURS, AIMS)


def _made(folder: Path, version: int, count: int) -> str:
    expression = f"({TEXTS}) {version} {count}"
    words = [*NIX, "--store", f"local?root={folder}", "eval", "--raw", "--expr", expression]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


async def _compared(store: dict[str, str], paths: list[str]) -> None:
    found = await closures(LocalRunner(Secrets()), workstation(**store), paths)
    changes = compare(*(found[path] for path in paths)).changes
    if not changes:
        raise RuntimeError("two systems of different versions do not differ")
