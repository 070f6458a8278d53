"""What stacks of the demo ran before: releases as unit/stack_releases.sh records them, with their images, and what runs now."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clavel_tui.demo.engine import containers, registry
from clavel_tui.demo.engine.files import Project
from clavel_tui.demo.engine.store import to_json, write_state
from clavel_tui.demo.engine.template import render
from clavel_tui.demo.fleet import DemoUnit
from clavel_tui.demo.stacks import REGISTRY, DemoStack, Past
from clavel_tui.unit import script

DOCKER, COMPOSE = "28.5.2", "2.40.3"
DAY_S = 86400.0
Json = dict[str, Any]


@dataclass
class Engine:
    """A unit's engine while it is filled."""

    arch: str
    images: Json = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    containers: Json = field(default_factory=dict)

    def pulled(self, ref: str, version: str) -> str:
        """The image of that version is here, and the reference names it."""
        ident, image = registry.image_of(ref, self.arch, {**REGISTRY[ref], "version": version, "health": "good"})
        self.images[ident] = image
        self.tags[ref] = ident
        return ident

    def state(self) -> Json:
        """As the engine keeps it."""
        return {
            "version": DOCKER,
            "compose": COMPOSE,
            "arch": self.arch,
            "images": self.images,
            "tags": self.tags,
            "containers": self.containers,
        }


def write_past(unit: DemoUnit, folder: Path, now: float) -> None:
    """All stacks of a unit with their releases, and its engine."""
    engine = Engine(unit.image_arch)
    state = folder / "var/lib/clavel"
    for stack in unit.stacks:
        _write_stack(engine, stack, folder, state, now)
    if unit.stacks:
        (state / "born").write_text(f"{_hash(f'born {unit.name}')}\n", encoding="utf-8")
    write_state(str(folder / "var/lib/docker/engine.json"), engine.state())


def _write_stack(engine: Engine, stack: DemoStack, folder: Path, state: Path, now: float) -> None:
    path = folder / "srv" / stack.name
    kept = state / "stacks" / stack.name
    (kept / "releases").mkdir(parents=True, mode=0o700)
    for number, past in enumerate(stack.past, 1):
        _write_files(path, {**stack.files, **past.files})
        project = Project(str(path), [], {})
        running = _started(engine, project, past, now - past.days * DAY_S)
        ident = _write_release(engine, stack, kept, project, running, number, past, now)
        _keep_images(engine, stack, ident, running)
    engine.containers.update(running)
    (kept / "managed").write_text(managed(stack), encoding="utf-8")
    _write_files(path, stack.by_hand)
    for container in running.values():
        for mount in container["mounts"]:
            if mount["Type"] == "bind" and not Path(mount["Source"]).exists():
                Path(mount["Source"]).mkdir()


def _write_files(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(exist_ok=True, mode=0o755)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o644)


def _started(engine: Engine, project: Project, past: Past, at: float) -> Json:
    """The containers of a release."""
    found: Json = {}
    for service in sorted(project.services):
        ref = project.services[service]["image"]
        image = engine.pulled(ref, past.versions[ref])
        ident, container = containers.of_service(f"{project.folder} {service} {at}", project, service, image)
        container["started"] = at
        found[ident] = container
    return found


def _write_release(
    engine: Engine, stack: DemoStack, kept: Path, project: Project, running: Json, number: int, past: Past, now: float
) -> str:
    """What `record` of unit/stack.sh writes; a test holds the two against each other."""
    files = {**stack.files, **past.files}
    manifest = _manifest(engine, project, running, files)
    named = ["\t".join(line.split("\t")[:4]) for line in manifest if not line.startswith("tools")]
    ident = _hash("".join(f"{line}\n" for line in named))[:12]
    folder = kept / "releases" / ident
    folder.mkdir(mode=0o700)
    _write_files(folder / "folder", files)
    seen = f"seen\t{number}\t{past.health}\t{now - past.days * DAY_S:.0f}\t{_hash(ident)[:16]}"
    _write_files(
        folder,
        {
            "manifest": "".join(f"{line}\n" for line in manifest),
            "seen": f"{seen}\n",
            "managed": managed(stack),
            "containers": "".join(f"{line}\n" for line in container_lines(engine, running, now)),
        },
    )
    return ident


def _manifest(engine: Engine, project: Project, running: Json, files: dict[str, str]) -> list[str]:
    """``record_lines`` of unit/stack_releases.sh."""
    services = []
    for container in running.values():
        image = engine.images[container["image"]]
        service = container["labels"]["com.docker.compose.service"]
        known = (service, container["image"], to_json(container["ref"]))
        services.append("\t".join(["service", *known, f"linux/{image['arch']}", to_json(image["digests"])]))
    tree = [f"file {_hash(text)} ./{name}" for name, text in sorted(files.items())]
    return [
        f"project\t{project.name}",
        *sorted(services),
        f"files\t{_hash(''.join(f'{line}{chr(10)}' for line in tree))}",
        *(f"file\t{line}" for line in tree),
        f"tools\t{DOCKER}\t{COMPOSE}",
    ]


def managed(stack: DemoStack) -> str:
    """The names that updates put there: all that is not data."""
    return "".join(f"{name}\n" for name in sorted(stack.files))


def container_lines(engine: Engine, running: Json, now: float) -> list[str]:
    """``container_lines`` of unit/stack_lib.sh, in the format that stands there."""
    said = re.search(r"^container_format='([^']*)'", script("stack_lib.sh"), re.MULTILINE)
    if said is None:
        raise LookupError("container_format")
    return [render(said[1], containers.inspected(i, c, engine.images[c["image"]], now)) for i, c in running.items()]


def _keep_images(engine: Engine, stack: DemoStack, release: str, running: Json) -> None:
    """``keep_images`` of unit/stack_releases.sh: a tag of ours, and a container that never starts."""
    for container in running.values():
        service = container["labels"]["com.docker.compose.service"]
        tag = f"clavel-keep/{slug(stack.name)}/{slug(service)}:{release}"
        engine.tags[tag] = container["image"]
        name = f"clavel-keep-{slug(stack.name)}-{slug(service)}-{release}"
        ident, keeper = containers.new(name, name=name, ref=tag, image=container["image"], labels={"clavel.keep": stack.name})
        engine.containers[ident] = keeper


def slug(text: str) -> str:
    """``slug`` of unit/stack_lib.sh."""
    plain = re.sub(r"[^a-z0-9]", "-", text.lower())
    return plain if plain == text else f"s{_hash(text)[:8]}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
