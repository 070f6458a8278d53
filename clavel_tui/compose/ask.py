"""Questions about one stack of one unit: what a preview needs, newer images, files, logs. All are queries."""

from __future__ import annotations

import io
from dataclasses import dataclass

from clavel_tui.domain import limits
from clavel_tui.domain.unit import Stack
from clavel_tui.remote.effects import OnLine, Query
from clavel_tui.remote.runner import QueryRunner
from clavel_tui.remote.target import Target
from clavel_tui.unit import script

_BASE = ("lib.sh", "stack_lib.sh")


def _text(name: str) -> str:
    return "\n".join(script(part) for part in (*_BASE, name))


@dataclass(frozen=True)
class Inspection:
    """What stands there now. ``files``: lines "kind hash path"; ``data``: top-level folders that are left alone."""

    project: str = ""
    fingerprint: str = ""
    files: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    managed: tuple[str, ...] = ()
    held: str = ""


async def inspect(runner: QueryRunner, target: Target, stack: Stack) -> Inspection:
    """Looks at one stack.

    Raises:
        RemoteError: the unit could not be asked.
    """
    query = Query.script("inspect", _text("inspect.sh"), stack.name, stack.path, "|".join(stack.data), timeout=limits.QUERY_S)
    result = await runner.query(target, query)
    found: dict[str, list[str]] = {}
    for line in result.out.splitlines():
        key, _, value = line.partition("\t")
        found.setdefault(key, []).append(value)
    return Inspection(
        project="".join(found.get("project", ())[:1]),
        fingerprint="".join(found.get("fingerprint", ())[:1]),
        files=tuple(found.get("file", ())),
        data=tuple(found.get("data", ())),
        managed=tuple(found.get("managed", ())),
        held="".join(found.get("held", ())[:1]),
    )


async def newer(runner: QueryRunner, target: Target, project: str) -> dict[str, tuple[str, str]]:
    """For each image reference that runs: (same | newer | pinned | unknown, why). The unit asks its registries."""
    result = await runner.query(target, Query.script("newer", _text("newer.sh"), project, timeout=60.0))
    lines = [line.split("\t") for line in result.out.splitlines() if line.startswith("newer\t")]
    return {f[1]: (f[2], f[3] if len(f) > 3 else "") for f in lines if len(f) > 2}  # noqa: PLR2004


async def sizes(runner: QueryRunner, target: Target, path: str, names: tuple[str, ...]) -> int:
    """Bytes of these top-level entries together, as `du` counts them."""
    query = Query.script("sizes", 'cd "$1" && shift && du -sk -- "$@"', path, *names, timeout=limits.QUERY_S)
    result = await runner.query(target, query)
    return 1024 * sum(int(word) for line in result.out.splitlines() if (word := line.split("\t")[0]).isdigit())


async def read_tree(runner: QueryRunner, target: Target, path: str, names: tuple[str, ...]) -> dict[str, tuple[bytes, int]]:
    """As read_files, with each file's mode."""
    import tarfile  # late: an agent that applies nothing never needs it

    if not names:
        return {}
    lines: list[str] = []
    query = Query.script("files", script("files.sh"), path, *names, timeout=limits.QUERY_S)
    await runner.query(target, query, lines.append)
    raw = "\n".join(lines).encode(errors="surrogateescape")
    found: dict[str, tuple[bytes, int]] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(raw + b"\0" * 1024)) as tar:
            for member in tar:
                stream = tar.extractfile(member) if member.isfile() else None
                if stream:
                    found[member.name.removeprefix("./")] = (stream.read(), member.mode)
    except tarfile.TarError:
        return found
    return found


async def read_files(runner: QueryRunner, target: Target, path: str, names: tuple[str, ...]) -> dict[str, bytes]:
    """The content of these top-level entries of a stack's folder."""
    return {name: content for name, (content, _) in (await read_tree(runner, target, path, names)).items()}


async def logs(runner: QueryRunner, target: Target, path: str, service: str, *, tail: int, follow: bool, on_line: OnLine) -> str:
    """A stack's logs; with ``follow`` until cancelled. Returns what the command said on stderr."""
    args = (path, str(tail), "1" if follow else "0", *([service] if service else []))
    limit = 24 * 3600.0 if follow else limits.QUERY_S
    result = await runner.query(target, Query.script("logs", script("logs.sh"), *args, timeout=limit, hold_stdin=follow), on_line)
    return result.err
