"""``docker compose``: pull, up, restart, stop, down, config and logs of a project, with Compose's own rules."""

from __future__ import annotations

import os
import sys
import time

from . import containers, registry
from .docker import options, say
from .files import Project
from .store import EngineError, Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    Json = dict[str, Any]
    Args = list[str]

PACE_S = 0.12
"""Between two words of progress: quick, and still to be seen."""


def main(store: Store, args: Args) -> None:
    """``docker compose [-f FILE…] [-p PROJECT] VERB …``."""
    files: list[str] = []
    name = ""
    while args and args[0] in {"-f", "-p"}:
        if args[0] == "-f":
            files.append(args[1])
        else:
            name = args[1]
        args = args[2:]
    verb, *rest = args or ["help"]
    if verb == "version":
        short = "--short" in rest
        say(store.state["compose"] if short else f"Docker Compose version v{store.state['compose']}")
        return
    if verb not in VERBS:
        raise EngineError(f"unknown docker command: 'compose {verb}'")
    VERBS[verb](store, Project(os.getcwd(), files, dict(os.environ), name), rest)  # noqa: PTH109


def told(kind: str, name: str, word: str, pace: float = PACE_S) -> None:
    """A line of progress, as Compose writes it where there is no terminal."""
    sys.stderr.write(f" {kind}{name}  {word}\n")
    sys.stderr.flush()
    time.sleep(pace)


def config(_store: Store, project: Project, args: Args) -> None:
    """The files as Compose understands them; with --quiet only their errors, with --services the names alone."""
    said, _ = options(args, "--quiet -q --services", "")
    if "--services" in said:
        say("\n".join(project.services))
    elif not said:
        sys.stdout.write(project.config())


def pull(store: Store, project: Project, args: Args) -> None:
    """Moves each reference to what the registry has under it now."""
    _, names = options(args, "--ignore-buildable --quiet -q", "")
    for ref in dict.fromkeys(project.services[name]["image"] for name in _chosen(project, names)):
        if "@sha256:" in ref and store.image_id(ref):
            continue
        told("", ref, "Pulling", 0.0)
        try:
            said = registry.look_up(store.root, ref)
        except EngineError as error:
            raise EngineError(f"Error response from daemon: {error}") from error
        ident, image = registry.image_of(ref, store.state["arch"], said)
        for layer in range(0 if ident in store.images else 4):
            told("", ident[7 + 12 * layer : 19 + 12 * layer], "Pull complete")
        with store:
            store.images.setdefault(ident, image)
            store.tags[ref] = ident
        told("", ref, "Pulled", 0.0)


def build(_store: Store, _project: Project, _args: Args) -> None:
    """Nothing in the demo is built."""


def up(store: Store, project: Project, args: Args) -> None:
    """Makes what runs agree with the files; a service whose part and image are the same keeps its container."""
    flags = "-d --detach --no-build --remove-orphans --no-deps --force-recreate --wait"
    said, names = options(args, flags, "--pull --timeout -t")
    for name in _chosen(project, names):
        _up_service(store, project, name, force="--force-recreate" in said)
    if "--remove-orphans" in said:
        for ident, container in store.of_project(project.name):
            if container["labels"]["com.docker.compose.service"] not in project.services:
                _remove(store, ident, container)


def _chosen(project: Project, names: list[str]) -> list[str]:
    for name in names:
        if name not in project.services:
            raise EngineError(f"no such service: {name}")
    return names or list(_in_order(project))


def _in_order(project: Project) -> Iterator[str]:
    """What others depend on comes first."""
    left = dict(project.services)
    while left:
        ready = [n for n, s in left.items() if not any(d in left for d in s.get("depends_on") or [])]
        if not ready:
            raise EngineError(f"dependency cycle detected: {' -> '.join(left)}")
        for name in ready:
            del left[name]
            yield name


def _up_service(store: Store, project: Project, service: str, *, force: bool) -> None:
    ref = project.services[service]["image"]
    image = store.image_id(ref)
    if not image:
        raise EngineError(f"Error response from daemon: No such image: {ref}")
    ident, made = containers.of_service("", project, service, image)
    _make_folders(made)
    old = next(((i, c) for i, c in store.of_project(project.name) if c["labels"]["com.docker.compose.service"] == service), None)
    if old and not force and _same(old[1], made):
        _start(store, *old)
        return
    if old:
        told("Container ", made["name"], "Recreate", 0.0)
        _remove(store, *old, quiet=True)
    else:
        told("Container ", made["name"], "Creating", 0.0)
    with store:
        store.containers[ident] = made
    told("Container ", made["name"], "Recreated" if old else "Created")
    _start(store, ident, made)


def _same(old: Json, made: Json) -> bool:
    key = "com.docker.compose.config-hash"
    return bool(old["image"] == made["image"] and old["labels"][key] == made["labels"][key])


def _make_folders(made: Json) -> None:
    """Docker makes what is mounted and not there."""
    for mount in made["mounts"]:
        if mount["Type"] == "bind" and not os.path.exists(mount["Source"]):  # noqa: PTH110  pathlib costs 8 ms a call
            os.makedirs(mount["Source"], exist_ok=True)  # noqa: PTH103


def _start(store: Store, ident: str, container: Json) -> None:
    state = containers.status(container, store.images[container["image"]], time.time())[0]
    if state == "running":
        told("Container ", container["name"], "Running", 0.0)
        return
    told("Container ", container["name"], "Starting", 0.0)
    with store:
        store.containers[ident].update(started=time.time(), ended=0.0, code=0)
    told("Container ", container["name"], "Started")


def _remove(store: Store, ident: str, container: Json, *, quiet: bool = False) -> None:
    if not quiet:
        told("Container ", container["name"], "Stopping")
    with store:
        store.containers.pop(ident, None)
    if not quiet:
        told("Container ", container["name"], "Removed", 0.0)


def _each(store: Store, project: Project, args: Args) -> Iterator[tuple[str, Json]]:
    _, names = options(args, "--remove-orphans -v --volumes --no-deps", "--timeout -t")
    wanted = names or None
    for name in names:
        _chosen(project, [name])
    for ident, container in store.of_project(project.name):
        if wanted is None or container["labels"]["com.docker.compose.service"] in wanted:
            yield ident, container


def restart(store: Store, project: Project, args: Args) -> None:
    """The same containers, started anew."""
    for ident, container in _each(store, project, args):
        told("Container ", container["name"], "Restarting")
        with store:
            store.containers[ident].update(started=time.time(), ended=0.0, code=0)
        told("Container ", container["name"], "Started", 0.0)


def start(store: Store, project: Project, args: Args) -> None:
    """What was stopped runs again, as it was."""
    for ident, container in _each(store, project, args):
        _start(store, ident, container)


def stop(store: Store, project: Project, args: Args) -> None:
    """They stay, and do not run."""
    for ident, container in _each(store, project, args):
        told("Container ", container["name"], "Stopping")
        with store:
            store.containers[ident]["ended"] = time.time()
        told("Container ", container["name"], "Stopped", 0.0)


def down(store: Store, project: Project, args: Args) -> None:
    """Removes the project's containers."""
    for ident, container in _each(store, project, args):
        _remove(store, ident, container)
    told("Network ", f"{project.name}_default", "Removed", 0.0)


def logs(store: Store, project: Project, args: Args) -> None:
    """What the containers say; with --follow for as long as anybody reads it."""
    said, names = options(args, "--no-color --timestamps -t --follow -f", "--tail -n")
    until = 0.0
    tail = said.get("--tail", ["all"])[0]
    stamps = "--timestamps" in said or "-t" in said
    while True:
        lines = sorted(_lines(store, project, _chosen(project, names), until))
        until = time.time()
        for at, service, text in lines if tail == "all" else lines[max(0, len(lines) - int(tail)) :]:
            say(f"{service}-1  | {containers.stamp(at) + ' ' if stamps else ''}{text}")
        sys.stdout.flush()
        if "--follow" not in said and "-f" not in said:
            return
        tail = "all"
        time.sleep(0.5)
        store.read()


def _lines(store: Store, project: Project, services: list[str], after: float) -> Iterator[tuple[float, str, str]]:
    now = time.time()
    for _, container in store.of_project(project.name):
        service = container["labels"]["com.docker.compose.service"]
        if service in services:
            for at, text in containers.log_lines(container, store.images[container["image"]], now):
                if after < at <= now:
                    yield at, service, text


VERBS: dict[str, Callable[[Store, Project, Args], None]] = {
    "config": config,
    "pull": pull,
    "build": build,
    "up": up,
    "restart": restart,
    "start": start,
    "stop": stop,
    "down": down,
    "logs": logs,
}
