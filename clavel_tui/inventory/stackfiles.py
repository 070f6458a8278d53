"""A stack's folder in the repository: its content for an update, and its lines for a comparison with a unit's."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from clavel_tui.domain import limits
from clavel_tui.domain.errors import RefusedError


def stack_files(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Relative path → (content, mode), links followed, in order. Modes are 0644 or 0755, or 0600 and 0700 for secrets.

    Raises:
        RefusedError: too large, an odd name, not readable, or a link out of the folder, to a folder or to nothing.
    """
    try:
        return _stack_files(folder)
    except (OSError, RuntimeError) as error:  # a link to itself is a RuntimeError to Path.resolve
        why = error.strerror if isinstance(error, OSError) else "a link in it leads to itself"
        raise RefusedError(f"{folder} cannot be read: {why}") from error


def _stack_files(folder: Path) -> dict[str, tuple[bytes, int]]:
    found: dict[str, tuple[bytes, int]] = {}
    total = 0
    for file in _walk(folder):
        name = str(file.relative_to(folder))
        if not name.isprintable() or "\\" in name:
            odd = "a name with a line break, a backslash or an unprintable character cannot be put on a unit: rename it"
            raise RefusedError(f"{ascii(str(file))[1:-1]}: {odd}")
        total += file.stat().st_size
        if total > limits.STACK_BYTES:
            raise RefusedError(f"{folder} holds more than {limits.STACK_BYTES >> 20} MiB: put data into a volume")
        try:
            found[name] = (file.read_bytes(), _mode(file))
        except OSError as error:
            raise RefusedError(f"{file} cannot be read: {error.strerror}") from error
    return found


def files_sum(files: Mapping[str, tuple[bytes, int]]) -> str:
    """Tells whether two times the same would be put on a unit."""
    lines = (f"{name} {mode:o} {hashlib.sha256(content).hexdigest()}\n" for name, (content, mode) in files.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _walk(folder: Path) -> Iterator[Path]:
    tree = os.walk(folder, onerror=_unreadable)
    for file in sorted(Path(parent, name) for parent, folders, files in tree for name in (*folders, *files)):
        if file.is_symlink() and folder.resolve() not in file.resolve().parents:
            raise RefusedError(f"{file} is a link out of the stack's folder: put the file itself there")
        if file.is_symlink() and not file.is_file():
            raise RefusedError(f"{file} is a link to a folder, or to nothing: put the files themselves there")
        if file.is_file():
            yield file


def _unreadable(error: OSError) -> None:
    raise RefusedError(f"{error.filename} cannot be read: {error.strerror}") from error


def _mode(file: Path) -> int:
    bits = file.stat().st_mode
    mode = 0o755 if bits & 0o100 else 0o644
    return mode if bits & 0o004 else mode & 0o700


def tree_lines(folder: Path) -> tuple[str, ...]:
    """Lines "kind hash path", as ``tree_lines`` of unit/lib.sh prints them for the same files."""
    lines: list[str] = []
    folders: set[str] = set()
    for name, (content, mode) in stack_files(folder).items():
        kind = "exec" if mode & 0o100 else "file"
        lines.append(f"{kind} {hashlib.sha256(content).hexdigest()} ./{name}")
        parts = name.split("/")
        folders.update("/".join(parts[:n]) for n in range(1, len(parts)))
    return tuple(sorted(lines + [f"dir - ./{name}" for name in folders]))
