"""The demo's ``nix-env``: a profile is a link to the newest of its numbered links."""

from __future__ import annotations

import sys
from pathlib import Path

from .nix_store import store


def main(args: list[str]) -> int:
    """One command on the profile that ``--profile`` names."""
    profile = Path(args[args.index("--profile") + 1])
    if "--set" in args:
        _set(profile, args[-1])
    elif "--delete-generations" in args:
        _delete(profile, int(args[-1].lstrip("+")))
    else:
        sys.stderr.write(f"error: the demo's nix-env has no answer to: {' '.join(args)}\n")
        sys.stderr.flush()
        return 1
    return 0


def _numbers(profile: Path) -> list[int]:
    return sorted(int(link.name.split("-")[-2]) for link in profile.parent.glob(f"{profile.name}-*-link"))


def _link(profile: Path, number: int) -> Path:
    return profile.with_name(f"{profile.name}-{number}-link")


def _set(profile: Path, path: str) -> None:
    """A path that has a generation gets that one again, as with real Nix where it is the newest."""
    target = str(store().root / path[1:])
    numbers = _numbers(profile)
    number = numbers[-1] if numbers and str(_link(profile, numbers[-1]).readlink()) == target else (numbers or [0])[-1] + 1
    if not _link(profile, number).is_symlink():
        _link(profile, number).symlink_to(target)
    new = profile.with_name(f"{profile.name}.new")
    new.symlink_to(_link(profile, number).name)
    new.rename(profile)


def _delete(profile: Path, keep: int) -> None:
    used = str(profile.readlink())
    for number in _numbers(profile)[:-keep]:
        if _link(profile, number).name != used:
            _link(profile, number).unlink()
