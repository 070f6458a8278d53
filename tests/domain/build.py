"""Small values for tests, well unless said otherwise."""

from clavel_tui.domain.facts import Container, Facts, Image, StackState
from clavel_tui.domain.release import Release, ServiceImage
from clavel_tui.domain.unit import Stack, Unit


def unit(**more: object) -> Unit:
    said = {"name": "pi", "type": "nixos", "arch": "aarch64-linux", "address": "pi.example.net"}
    return Unit.model_validate({**said, **more})


def stack(name: str = "web", **more: object) -> Stack:
    return Stack.model_validate({"name": name, "path": f"/srv/{name}", **more})


def container(service: str = "app", image: str = "sha256:one", **more: object) -> Container:
    said = {"project": "web", "service": service, "id": "c1", "image": image, "state": "running", "policy": "always"}
    return Container.model_validate({**said, "ref": f"{service}:latest", "working_dir": "/srv/web", **more})


def facts(*containers: Container, **more: object) -> Facts:
    said = {"unit": "pi", "at": 1000.0, "docker": "28.0.0", "compose": "2.40.3", "containers": containers}
    said["image_ids"] = tuple(sorted({c.image for c in containers}))
    return Facts.model_validate({**said, **more})


def release(ident: str, seq: int, health: str = "healthy", **images: str) -> Release:
    services = tuple(ServiceImage(service=name, image=image, ref=f"{name}:latest") for name, image in images.items())
    return Release(id=ident, seq=seq, health=health, services=services)


def state(*releases: Release, name: str = "web", **more: object) -> StackState:
    return StackState(name=name, releases=releases, **more)


def image(ident: str, *tags: str) -> Image:
    return Image(id=ident, tags=tags)
