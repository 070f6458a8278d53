"""A stack's folder in the repository: its content for an update, and its lines for a comparison with a unit's."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from clavel_tui.domain import limits
from clavel_tui.domain.errors import RefusedError


def stack_files(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Relative path → (content, mode), links followed, in order. Modes are 0644 or 0755, or 0600 and 0700 for secrets.

    Raises:
        RefusedError: too large, an odd name, or a link out of the folder.
    """
    found: dict[str, tuple[bytes, int]] = {}
    total = 0
    for file in _walk(folder):
        name = str(file.relative_to(folder))
        if "\n" in name or "\\" in name:
            raise RefusedError(f"{file}: a name with a line break or a backslash cannot be put on a unit: rename it")
        content = file.read_bytes()
        total += len(content)
        if total > limits.STACK_BYTES:
            raise RefusedError(f"{folder} holds more than {limits.STACK_BYTES >> 20} MiB: put data into a volume")
        found[name] = (content, _mode(file))
    return found


def _walk(folder: Path) -> Iterator[Path]:
    for file in sorted(folder.rglob("*")):
        if file.is_symlink() and folder.resolve() not in file.resolve().parents:
            raise RefusedError(f"{file} is a link out of the stack's folder: put the file itself there")
        if file.is_file():
            yield file


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
