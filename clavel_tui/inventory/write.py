"""Writes a fleet's first files. Nothing that is there is written over: a file is made, or kept as it is."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tomli_w

from clavel_tui.domain.errors import RefusedError

Files = Mapping[str, tuple[bytes, int]]


def write_fleet(hosts: Path, name: str) -> str:
    """fleet.toml."""
    return _make(hosts / "fleet.toml", tomli_w.dumps({"name": name}).encode())


def write_ignored(folder: Path, secrets: Sequence[str]) -> list[str]:
    """.gitignore, which keeps them out of Git; one that is there is a person's, and what it lacks is said."""
    if not secrets:
        return []
    file = folder / ".gitignore"
    try:
        known = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        head = "# Secrets that were copied from the machines: they stay in this folder, and out of Git."
        return [_make(file, "\n".join([head, *(f"/{name}" for name in secrets), ""]).encode())]
    except OSError as error:
        raise _unwritten(file, error) from error
    return [f"secret   {name}: see that .gitignore covers it" for name in secrets if f"/{name}" not in known]


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
    stacks = said.get("stacks", {})
    return set(stacks) if isinstance(stacks, dict) else set()


def write_stack(hosts: Path, unit: str, stack: str, files: Files) -> str:
    """A stack's whole folder; one that is there is kept, since half of one and half of another would be neither."""
    folder = hosts / unit / "compose" / stack
    if folder.exists():
        return f"kept     {folder}"
    for name in files:
        if not (folder / name).resolve().is_relative_to(folder.resolve()):
            raise RefusedError(f"{name!a} is no place below {folder}: nothing of {stack} was written")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Beside the folder of all stacks, whose folders are stacks; and renamed when it is whole.
        with TemporaryDirectory(prefix=".init-", dir=hosts / unit) as new:
            whole = Path(new, stack)
            whole.mkdir()
            for name, (content, mode) in files.items():
                (whole / name).parent.mkdir(parents=True, exist_ok=True)
                _write(whole / name, content, mode)
            whole.rename(folder)
    except OSError as error:
        raise _unwritten(folder, error) from error
    return f"wrote    {folder} ({len(files)} files)"


def _make(file: Path, content: bytes, mode: int = 0o644) -> str:
    """Whole or not at all, and never over what is there."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".init-", dir=file.parent) as new:
            _write(Path(new, file.name), content, mode)
            try:
                file.hardlink_to(Path(new, file.name))
            except FileExistsError:
                return f"kept     {file}"
            except OSError:  # a file system without hard links
                if file.exists():
                    return f"kept     {file}"
                Path(new, file.name).rename(file)
    except OSError as error:
        raise _unwritten(file, error) from error
    return f"wrote    {file}"


def _write(file: Path, content: bytes, mode: int) -> None:
    """A secret is nobody else's from its first byte on."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode & 0o700), "wb") as out:
        out.write(content)
    file.chmod(mode)


def _unwritten(what: Path, error: OSError) -> RefusedError:
    return RefusedError(f"{what} cannot be written: {error.strerror}", "name another folder, or make room there")
