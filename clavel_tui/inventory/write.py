"""Writes a fleet's first files. Nothing that is there is written over: a file is made, or kept as it is."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from clavel_tui.domain.errors import RefusedError

Files = Mapping[str, tuple[bytes, int]]


def write_fleet(hosts: Path, name: str) -> str:
    """fleet.toml."""
    return _make(hosts / "fleet.toml", tomli_w.dumps({"name": name}).encode())


def write_unit(hosts: Path, said: Mapping[str, Any]) -> str:
    """unit.toml of the unit of that name."""
    return _make(hosts / str(said["name"]) / "unit.toml", tomli_w.dumps(said).encode())


def declared_stacks(hosts: Path, unit: str) -> set[str] | None:
    """What the unit.toml that is there says; None where there is none."""
    try:
        said = tomllib.loads((hosts / unit / "unit.toml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return set()
    return set(said.get("stacks", {}))


def write_stack(hosts: Path, unit: str, stack: str, files: Files) -> str:
    """A stack's whole folder; one that is there is kept, since half of one and half of another would be neither."""
    folder = hosts / unit / "compose" / stack
    if folder.exists():
        return f"kept     {folder}"
    for name in files:
        if not (folder / name).resolve().is_relative_to(folder.resolve()):
            raise RefusedError(f"{name!a} is no place below {folder}: nothing of {stack} was written")
    for name, (content, mode) in files.items():
        _make(folder / name, content, mode)
    return f"wrote    {folder} ({len(files)} files)"


def _make(file: Path, content: bytes, mode: int = 0o644) -> str:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("xb") as out:
            out.write(content)
        file.chmod(mode)
    except FileExistsError:
        return f"kept     {file}"
    except OSError as error:
        raise RefusedError(f"{file} cannot be written: {error.strerror}", "name another folder, or make room there") from error
    return f"wrote    {file}"
