"""The demo's ``nix-store``, of a unit or of the workstation: what is valid, what it needs, and builds that take a moment."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from .systems import Store, closure

BUILD_S = 0.25
"""For each derivation, so that there is something to be seen."""


def store() -> Store:
    """Of the unit that we are on, else of the workstation, whose folder lies beside the tools."""
    root = os.environ.get("CLAVEL_ROOT")
    return Store(Path(root) if root else Path(sys.argv[0]).resolve().parent.parent / "workstation")


def main(args: list[str]) -> int:
    """One command."""
    paths = [word for word in args if word.startswith("/nix/store/")]
    if "--check-validity" in args:
        return _check(paths, told="--print-invalid" in args)
    if "--requisites" in args:
        return _say(dict.fromkeys(need for path in paths for need in closure(path)))
    if "--size" in args:
        return _say(str(closure(path)[path]) for path in paths)
    if "--dry-run" in args:
        sys.stderr.write("these 3 derivations will be built:\n")
        return 0
    if "--realise" in args:
        return _realise(paths[0])
    if "--gc" in args:  # nothing here is ever needed by nobody
        return _say([] if "--print-dead" in args else ["0 store paths deleted, 0.00 MiB freed"])
    sys.stderr.write(f"error: the demo's nix-store has no answer to: {' '.join(args)}\n")
    return 1


def _say(lines: Iterable[str]) -> int:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()
    return 0


def _check(paths: list[str], *, told: bool) -> int:
    """What a derivation is never asked twice: the workstation wrote it when it evaluated."""
    valid = store().valid()
    missing = [path for path in paths if path not in valid and not path.endswith(".drv")]
    if told:
        return _say(missing)
    if missing:
        sys.stderr.write(f"error: path '{missing[0]}' is not valid\n")
        sys.stderr.flush()
    return 1 if missing else 0


def _realise(drv: str) -> int:
    path = drv.removesuffix(".drv")
    here = store()
    valid = here.valid()
    if path not in valid:
        for part in [*sorted(closure(path).keys() - valid - {path})[-2:], path]:
            sys.stderr.write(f"building '{part}.drv'...\n")
            sys.stderr.flush()
            time.sleep(BUILD_S)
        here.add([path])
    return _say([path])
