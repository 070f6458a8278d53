"""Pure parsers of the lines that unit/stack_lib.sh prints. A line that is not understood is left out, never guessed."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

from clavel_tui.domain.facts import Container, Image, StackState
from clavel_tui.domain.release import Held, Release, ServiceImage
from clavel_tui.domain.text import clean

_CONTAINER_FIELDS = 15


def container(fields: Sequence[str]) -> Container | None:
    """One line of ``container_lines``."""
    if len(fields) < _CONTAINER_FIELDS:
        return None
    return Container(
        project=fields[0],
        service=fields[1],
        id=fields[2],
        image=fields[3],
        state=fields[4],
        health="" if fields[5] == "-" else fields[5],
        exit_code=_int(fields[6]),
        restarts=_int(fields[7]),
        policy=fields[8],
        started=fields[9],
        ref=_text(fields[10]),
        working_dir=_text(fields[11]),
        config_files=_text(fields[12]),
        name=_text(fields[13]).removeprefix("/"),
        error=_text(fields[14]),
    )


def image(fields: Sequence[str]) -> Image | None:
    """One line of ``image_lines``."""
    if len(fields) < 4:  # noqa: PLR2004
        return None
    return Image(id=fields[0], platform=fields[1], tags=_texts(fields[2]), digests=_texts(fields[3]))


def stack_states(lines: Iterable[Sequence[str]]) -> tuple[StackState, ...]:
    """The blocks of the probe's `state` fragment: stack, held, release with its manifest, file."""
    builder = _States()
    for fields in lines:
        builder.line(fields)
    return builder.done()


class _States:
    def __init__(self) -> None:
        self._stacks: dict[str, dict[str, Any]] = {}
        self._files: dict[str, list[str]] = {}
        self._releases: dict[str, list[dict[str, object]]] = {}
        self._now = ""

    def line(self, fields: Sequence[str]) -> None:
        match list(fields):
            case ["stack", name]:
                self._now = name
                self._stacks[name] = {"name": name}
                self._releases[name] = []
            case ["held", release, at, operator, reason] if self._now:
                self._stacks[self._now]["held"] = Held(release=release, at=at, operator=clean(operator), reason=clean(reason))
            case ["release", ident] if self._now:
                self._releases[self._now].append({"id": ident, "services": [], "files": [], "archived": []})
            case ["file", stack, line]:
                self._files.setdefault(stack, []).append(line)
            case [kind, *rest] if self._now and self._releases[self._now]:
                _manifest_line(self._releases[self._now][-1], kind, rest)

    def done(self) -> tuple[StackState, ...]:
        names = {**self._stacks, **{name: {"name": name} for name in self._files if name not in self._stacks}}
        return tuple(
            StackState.model_validate(
                {
                    **said,
                    "files": tuple(self._files.get(name, ())),
                    "releases": tuple(Release.model_validate(r) for r in self._releases.get(name, ())),
                }
            )
            for name, said in sorted(names.items())
        )


def _manifest_line(release: dict[str, object], kind: str, rest: list[str]) -> None:
    services, files, archived = release["services"], release["files"], release["archived"]
    if not (isinstance(services, list) and isinstance(files, list) and isinstance(archived, list)):
        raise TypeError(release)
    match kind, rest:
        case "project", [project]:
            release["project"] = project
        case "service", [service, image_id, ref, *more]:
            platform, digests = (more[0], _texts(more[1])) if len(more) > 1 else ("", ())
            services.append(ServiceImage(service=service, image=image_id, ref=_text(ref), platform=platform, digests=digests))
        case "file", [line]:
            files.append(line)
        case "archived", [service]:
            archived.append(service)
        case "tools", [docker, compose, *_]:
            release["docker"], release["compose"] = docker, compose
        case "seen", [seq, health, at, job, *_]:
            release["seq"], release["health"], release["seen_at"], release["job"] = _int(seq), health, at, job


def _int(text: str) -> int:
    with contextlib.suppress(ValueError):
        return int(text)
    return 0


def _text(text: str) -> str:
    with contextlib.suppress(ValueError, RecursionError):
        value = json.loads(text)
        return clean(value) if isinstance(value, str) else ""
    return ""


def _texts(text: str) -> tuple[str, ...]:
    with contextlib.suppress(ValueError, RecursionError):
        value = json.loads(text)
        return tuple(clean(str(v)) for v in value) if isinstance(value, list) else ()
    return ()
