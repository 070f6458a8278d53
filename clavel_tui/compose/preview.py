"""What would change: files against files, images against images. Pure; values of env files never leave masked."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping

from clavel_tui.domain import limits
from clavel_tui.domain.operation import FileChange, ImageChange
from clavel_tui.domain.release import Release
from clavel_tui.domain.stackview import StackView
from clavel_tui.domain.text import clean, short_id

Files = Mapping[str, bytes]
_SECRET_WORDS = ("secret", "password", "passwd", "credential", "token")
_VARIABLE = re.compile(r"\s*#?\s*(export\s+)?[A-Za-z_][A-Za-z0-9_.]*\s*")


def file_changes(old: Files, new: Files, removed: frozenset[str] = frozenset()) -> tuple[FileChange, ...]:
    """How the folder would change. ``removed``: names that would go; other names that only ``old`` has stay."""
    return tuple(_changes(old, new, removed))


def _changes(old: Files, new: Files, removed: frozenset[str]) -> Iterator[FileChange]:
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if before == after or (after is None and name not in removed):
            continue
        kind = "new" if before is None else "removed" if after is None else "changed"
        yield FileChange(path=clean(name, 200), kind=kind, diff=_diff(name, before or b"", after or b""))


def _diff(name: str, before: bytes, after: bytes) -> tuple[str, ...]:
    import difflib

    try:
        old, new = before.decode().splitlines(), after.decode().splitlines()
    except UnicodeDecodeError:
        return ("(not text)",)
    if is_secret(name):
        old, new = [masked(name, line) for line in old], [masked(name, line) for line in new]
    lines = [clean(line, 200) for line in difflib.unified_diff(old, new, lineterm="", n=2)][2:]
    return tuple(lines[: limits.DIFF_LINES])


def is_secret(name: str) -> bool:
    """Env files hold passwords as a rule."""
    base = name.rpartition("/")[2]
    return _is_env(base) or base.endswith((".key", ".pem")) or any(word in name.lower() for word in _SECRET_WORDS)


def _is_env(base: str) -> bool:
    return base.startswith(".env") or base.endswith(".env")


def masked(name: str, line: str) -> str:
    """Of an env file the names of its variables and its remarks, of all else nothing; and a mark that differs when it does.

    A line of base64 ends in what looks like a variable without a value: it is none.
    """
    key, equals, value = line.partition("=")
    if not line.strip():
        return line
    if _is_env(name.rpartition("/")[2]):
        if _VARIABLE.fullmatch(key) and equals and (value.strip("=") or (key.isupper() and not value)):
            return f"{key}={_mark(value)}"
        if line.startswith("#") and not equals:
            return line
    return _mark(line)


def _mark(text: str) -> str:
    return f"••••{hashlib.sha256(text.encode()).hexdigest()[:4]}" if text else ""


def update_images(view: StackView, newer: Mapping[str, tuple[str, str]], service: str) -> tuple[ImageChange, ...]:
    """What is known before the pull: for each service, whether its registry has another image."""
    words = {
        "same": "its registry has the same image",
        "newer": "its registry has a newer image",
        "pinned": "pinned by digest",
        "unknown": "its registry could not be asked",
    }
    found: dict[str, ImageChange] = {}
    for container in view.containers:
        if service and container.service != service:
            continue
        word, why = newer.get(container.ref, ("unknown", ""))
        note = words.get(word, word) + (f": {clean(why, 120)}" if why else "")
        found[container.service] = ImageChange(
            service=container.service,
            before=short_id(container.image),
            after="new" if word == "newer" else "",
            note=f"{container.ref}: {note}",
        )
    return tuple(found[name] for name in sorted(found))


def rollback_images(view: StackView, release: Release) -> tuple[ImageChange, ...]:
    """Each service from what it runs to what was recorded."""
    now = {c.service: c for c in view.containers}
    changes = [
        ImageChange(
            service=s.service,
            before=short_id(now[s.service].image) if s.service in now else "",
            after=short_id(s.image),
            note="stays" if s.service in now and now[s.service].image == s.image else s.ref,
        )
        for s in release.services
    ]
    gone = sorted(set(now) - {s.service for s in release.services})
    changes.extend(
        ImageChange(service=name, before=short_id(now[name].image), note="removed: the release had no such service")
        for name in gone
    )
    return tuple(changes)
