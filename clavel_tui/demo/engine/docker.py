"""The docker commands that act on images and single containers."""

from __future__ import annotations

import sys
import time

from . import containers, registry
from .store import EngineError, Store, load_json, to_json
from .template import render

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Json = dict[str, Any]
    Args = list[str]


def say(text: str) -> None:
    """A line of the answer."""
    sys.stdout.write(f"{text}\n")


def options(args: Sequence[str], flags: str, valued: str) -> tuple[dict[str, list[str]], list[str]]:
    """Options and the rest. ``flags`` and ``valued``: blank-parted names; what is in neither is refused, as docker does."""
    said: dict[str, list[str]] = {}
    rest: list[str] = []
    left = list(args)
    while left:
        word = left.pop(0)
        name, equals, value = word.partition("=")
        if not word.startswith("-"):
            rest.append(word)
        elif name in valued.split():
            said.setdefault(name, []).append(value if equals else left.pop(0))
        elif set(flat := [word] if word.startswith("--") else [f"-{c}" for c in word[1:]]) <= set(flags.split()):
            for one in flat:
                said.setdefault(one, []).append("")
        else:
            raise EngineError(f"unknown flag: {word}", 125)
    return said, rest


def version(store: Store, args: Args) -> None:
    """``docker version --format``."""
    said, _ = options(args, "", "--format -f")
    of = store.state["version"]
    known = {"Client": {"Version": of}, "Server": {"Version": of}}
    say(render(said.get("--format", ["{{.Client.Version}} {{.Server.Version}}"])[0], known))


def info(store: Store, args: Args) -> None:
    """``docker info --format``."""
    said, _ = options(args, "", "--format -f")
    known = {"DockerRootDir": store.folder, "ServerVersion": store.state["version"], "Driver": "overlay2"}
    say(render(said.get("--format", ["{{.ServerVersion}}"])[0], known))


def ps(store: Store, args: Args) -> None:
    """``docker ps``, newest first."""
    said, _ = options(args, "-a -q --all --quiet --no-trunc", "--filter -f --format")
    now = time.time()
    for ident, container in reversed(store.containers.items()):
        if not all(_has(container, wanted) for wanted in said.get("--filter", [])):
            continue
        state, health, _ = containers.status(container, store.images[container["image"]], now)
        if "-a" in said or "--all" in said or state == "running":
            row = {"ID": ident, "State": state, "Status": f"Up 3 minutes{f' ({health})' if health else ''}"}
            say(render(said["--format"][0], row) if "--format" in said else ident if "--no-trunc" in said else ident[:12])


def _has(container: Json, wanted: str) -> bool:
    kind, _, label = wanted.partition("=")
    if kind != "label":
        raise EngineError(f"invalid filter '{kind}'")
    key, equals, value = label.partition("=")
    return key in container["labels"] and (not equals or container["labels"][key] == value)


def inspect(store: Store, args: Args) -> None:
    """``docker inspect --type container``."""
    said, names = options(args, "", "--type --format -f")
    now = time.time()
    found = []
    for name in names:
        if ident := store.container_id(name):
            container = store.containers[ident]
            found.append(containers.inspected(ident, container, store.images[container["image"]], now))
    _show(found, said)
    missing = [name for name in names if not store.container_id(name)]
    if missing:
        raise EngineError("\n".join(f"Error: No such container: {name}" for name in missing))


def _show(found: list[Json], said: dict[str, list[str]]) -> None:
    template = (said.get("--format") or said.get("-f") or [""])[0]
    if not template:
        say(to_json(found))
    for one in found if template else []:
        say(render(template, one))


def image(store: Store, args: Args) -> None:
    """``docker image inspect`` and ``docker image ls``."""
    verb, *rest = args
    match verb:
        case "ls":
            said, _ = options(rest, "-a -q --all --quiet --no-trunc", "--filter --format")
            listed = [*store.tags.values(), *[i for i in store.images if i not in store.tags.values()]]
            for ident in listed:
                say(ident if "--no-trunc" in said else ident.removeprefix("sha256:")[:12])
        case "inspect":
            said, names = options(rest, "", "--format -f")
            ids = {name: store.image_id(name) for name in names}
            _show([_inspected(store, ident) for ident in ids.values() if ident], said)
            if missing := [name for name, ident in ids.items() if not ident]:
                raise EngineError("\n".join(f"Error response from daemon: No such image: {name}" for name in missing))
        case _:
            raise EngineError(f"docker: 'image {verb}' is not part of the demo's docker")


def _inspected(store: Store, ident: str) -> Json:
    one = store.images[ident]
    tags = [tag for tag, of in store.tags.items() if of == ident]
    known = {"ID": ident, "Id": ident, "Os": "linux", "Architecture": one["arch"]}
    return {**known, "RepoTags": tags, "RepoDigests": one["digests"]}


def must_have(store: Store, ref: str) -> str:
    """The id of an image that is here."""
    ident = store.image_id(ref)
    if not ident:
        raise EngineError(f"Error response from daemon: No such image: {ref}")
    return ident


def tag(store: Store, args: Args) -> None:
    """``docker tag``."""
    with store:
        store.tags[args[1]] = must_have(store, args[0])


def create(store: Store, args: Args) -> None:
    """``docker create``: a container that was not started."""
    said, rest = options(args, "", "--name --network --label -l")
    with store:
        name = said.get("--name", [""])[0]
        if other := store.container_id(name):
            text = f'Conflict. The container name "/{name}" is already in use by container "{other}"'
            raise EngineError(f"Error response from daemon: {text}")
        labels = dict(text.partition("=")[::2] for text in said.get("--label", []))
        ident, container = containers.new("", name=name, ref=rest[0], image=must_have(store, rest[0]), labels=labels)
        store.containers[ident] = container
    say(ident)


def rm(store: Store, args: Args) -> None:
    """``docker rm``."""
    _, names = options(args, "-v --volumes -f --force", "")
    with store:
        for name in names:
            ident = store.container_id(name)
            if not ident:
                raise EngineError(f"Error response from daemon: No such container: {name}")
            del store.containers[ident]
    say("\n".join(names))


def stop(store: Store, args: Args) -> None:
    """``docker stop``: they stay, and do not run."""
    with store:
        for ident in args:
            store.containers[ident]["ended"] = time.time()
    say("\n".join(args))


def start(store: Store, args: Args) -> None:
    """``docker start``: the same containers."""
    with store:
        for ident in args:
            store.containers[ident].update(started=time.time(), ended=0.0, code=0)
    say("\n".join(args))


def volume(_store: Store, args: Args) -> None:
    """``docker volume ls``: the demo's stacks have none that lie in a folder of theirs."""
    if args[:1] != ["ls"]:
        raise EngineError(f"docker: 'volume {' '.join(args[:1])}' is not part of the demo's docker")


def rmi(store: Store, args: Args) -> None:
    """``docker rmi``: the tag, and the image with its last tag unless a container uses it."""
    _, names = options(args, "-f --force", "")
    with store:
        for name in names:
            ident = must_have(store, name)
            others = [t for t, of in store.tags.items() if of == ident and t != name]
            user = next((c for c, of in store.containers.items() if of["image"] == ident), None)
            if user and not others:
                text = (
                    f"conflict: unable to remove repository reference {name!r} (must force) - container {user[:12]} is using it"
                )
                raise EngineError(f"Error response from daemon: {text}")
            store.tags.pop(name, None)
            say(f"Untagged: {name}")
            if not others:
                del store.images[ident]
                say(f"Deleted: {ident}")


def save(store: Store, args: Args) -> None:
    """``docker save -o FILE REF``."""
    said, names = options(args, "", "-o --output")
    kept = [{"id": must_have(store, name), "tag": name, "image": store.images[must_have(store, name)]} for name in names]
    with open((said.get("-o") or said["--output"])[0], "w", encoding="utf-8") as out:  # noqa: PTH123
        out.write(to_json(kept))


def load(store: Store, args: Args) -> None:
    """``docker load -i FILE``."""
    said, _ = options(args, "", "-i --input")
    with open((said.get("-i") or said["--input"])[0], encoding="utf-8") as file:  # noqa: PTH123
        kept = load_json(file.read())
    with store:
        for one in kept:
            store.images[one["id"]] = one["image"]
            store.tags[one["tag"]] = one["id"]
            say(f"Loaded image: {one['tag']}")


def manifest(store: Store, args: Args) -> None:
    """``docker manifest inspect``: what the registry has."""
    _, names = options(args[1:], "--verbose -v --insecure", "")
    say(registry.manifest(names[0], store.state["arch"], registry.look_up(store.root, names[0])))


VERBS: dict[str, Callable[[Store, Args], None]] = {
    "version": version,
    "info": info,
    "ps": ps,
    "inspect": inspect,
    "image": image,
    "tag": tag,
    "create": create,
    "rm": rm,
    "rmi": rmi,
    "start": start,
    "stop": stop,
    "volume": volume,
    "save": save,
    "load": load,
    "manifest": manifest,
}
