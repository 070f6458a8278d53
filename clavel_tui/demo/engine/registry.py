"""The registry that all units of the demo pull from: one JSON file. An image's ids follow from its name and version alone."""

from __future__ import annotations

from .store import EngineError, load_json, to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]

FILE = "registry.json"


def _hash(*words: str) -> str:
    import hashlib

    return "sha256:" + hashlib.sha256("\n".join(words).encode()).hexdigest()


def repository(ref: str) -> str:
    """``registry.demo/app`` of ``registry.demo/app:stable`` or ``…@sha256:…``."""
    name = ref.partition("@")[0]
    head, _, last = name.rpartition("/")
    return f"{head}/{last.partition(':')[0]}".removeprefix("/")


def image_of(ref: str, arch: str, said: Json) -> tuple[str, Json]:
    """An image as the engine keeps it, from what the registry says of a reference: version, health, oneshot."""
    name, version = repository(ref), str(said["version"])
    ident = _hash("image", name, version, arch)
    return ident, {
        "name": name,
        "version": version,
        "arch": arch,
        "health": said.get("health", "good"),
        "oneshot": bool(said.get("oneshot")),
        "digests": [f"{name}@{_hash('index', name, version)}"],
    }


def look_up(root: str, ref: str) -> Json:
    """What the registry has under that reference now.

    Raises:
        EngineError: it has nothing of that name.
    """
    with open(f"{root}/../{FILE}", encoding="utf-8") as file:  # noqa: PTH123  pathlib costs 8 ms a call
        known: dict[str, Json] = load_json(file.read())
    if ref not in known:
        raise EngineError(f"manifest for {ref} not found: manifest unknown: manifest unknown")
    return known[ref]


def manifest(ref: str, arch: str, said: Json) -> str:
    """As ``docker manifest inspect --verbose`` tells it, as far as it names the image."""
    ident, image = image_of(ref, arch, said)
    digest = image["digests"][0].partition("@")[2]
    descriptor = {"mediaType": "application/vnd.oci.image.index.v1+json", "digest": digest}
    platform = {"architecture": arch, "os": "linux"}
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": ident}
    return to_json([{"Ref": ref, "Descriptor": {**descriptor, "platform": platform}, "OCIManifest": {"config": config}}])
