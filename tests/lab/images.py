"""Container images made without an engine and pushed to the registry: same input, same digest."""

import gzip
import hashlib
import http.client
import io
import json
import platform
import random
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Health = Literal["ok", "bad", "none"]

APPLETS = ("sh", "httpd", "wget", "cat", "sleep", "echo", "env", "ls", "test", "id", "kill", "ps", "true", "false")
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
SECOND = 10**9
EPOCH = "1970-01-01T00:00:01Z"
BLOB = "application/octet-stream"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


@dataclass(frozen=True)
class Image:
    """What an image holds: busybox, serving `text` on port 8080, or saying it once and ending.

    `health` is its health check: one that passes, one that fails, or none. `filler_mib` adds a layer
    of random bytes, the same for the same `seed`, that takes its time to pull.
    """

    name: str
    tag: str
    text: str = ""
    health: Health = "ok"
    oneshot: bool = False
    filler_mib: int = 0
    seed: int = 0

    def layers(self) -> list[bytes]:
        """The layers, as tar archives."""
        layers = [_busybox_layer(), self._site_layer()]
        if self.filler_mib:
            filler = random.Random(self.seed).randbytes(self.filler_mib << 20)
            layers.append(_tar({"filler": filler}))
        return layers

    def settings(self) -> dict[str, Any]:
        """The part of the image's configuration that a container starts from."""
        settings: dict[str, Any] = {"Env": ["PATH=/bin"], "Labels": {"org.opencontainers.image.version": self.tag}}
        if self.oneshot:
            return {**settings, "Entrypoint": ["echo", self.text or "done"]}
        settings |= {
            "Entrypoint": ["httpd", "-f", "-p", "8080", "-h", "/www"],
            "ExposedPorts": {"8080/tcp": {}},
            # As pid 1 httpd heeds no SIGTERM, and every stop would take ten seconds.
            "StopSignal": "SIGKILL",
        }
        if self.health != "none":
            settings["Healthcheck"] = {
                "Test": ["CMD", "wget", "-qO-", "http://127.0.0.1:8080/health"],
                "Interval": SECOND, "Timeout": 15 * SECOND, "Retries": 2, "StartPeriod": SECOND,
            }  # fmt: skip
        return settings

    def _site_layer(self) -> bytes:
        files = {"www/index.html": f"{self.text or f'{self.name}:{self.tag}'}\n".encode()}
        if self.health == "ok":
            files["www/health"] = b"ok\n"
        return _tar(files)


def push(image: Image, registry: str, also: Sequence[str] = ()) -> str:
    """Push an image under its tag, and the tags in `also`; its digest reference is returned."""
    client = _Client(registry, image.name)
    layers = image.layers()
    digests = [_digest(layer) for layer in layers]
    config = {
        "architecture": ARCHITECTURES[platform.machine()], "os": "linux", "created": EPOCH,
        "config": image.settings(),
        "rootfs": {"type": "layers", "diff_ids": digests},
        "history": [{"created": EPOCH}] * len(layers),
    }  # fmt: skip
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": client.put_blob(json.dumps(config, sort_keys=True).encode(), CONFIG),
        # Level 0: stored, not compressed, which would take longer than the lab's network.
        "layers": [client.put_blob(gzip.compress(layer, 0, mtime=0), LAYER) for layer in layers],
    }
    body = json.dumps(manifest, sort_keys=True).encode()
    for tag in (image.tag, *also):
        client.call("PUT", f"/v2/{image.name}/manifests/{tag}", body, MANIFEST)
    return f"{registry}/{image.name}@{_digest(body)}"


class _Client:
    """As much of the registry's protocol as a push needs."""

    def __init__(self, registry: str, name: str) -> None:
        self.registry = registry
        self.name = name

    def call(self, method: str, path: str, body: bytes = b"", kind: str = BLOB) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(self.registry, timeout=60)
        connection.request(method, path, body, {"Content-Type": kind})
        response = connection.getresponse()
        text = response.read()
        connection.close()
        if response.status >= 400 and not (method == "HEAD" and response.status == 404):
            raise RuntimeError(f"{method} {path}: {response.status} {text.decode()}")
        return response

    def put_blob(self, data: bytes, kind: str) -> dict[str, str | int]:
        """Upload a blob, unless the registry has it, and describe it as a manifest does."""
        digest = _digest(data)
        if self.call("HEAD", f"/v2/{self.name}/blobs/{digest}").status == 404:
            place = self.call("POST", f"/v2/{self.name}/blobs/uploads/").headers["Location"]
            path = place.removeprefix(f"http://{self.registry}")
            self.call("PUT", f"{path}{'&' if '?' in path else '?'}digest={digest}", data)
        return {"mediaType": kind, "size": len(data), "digest": digest}


def _busybox_layer() -> bytes:
    files = {"bin/busybox": Path("/bin/busybox").read_bytes(), "etc/passwd": b"root:x:0:0::/:/bin/sh\n"}
    return _tar(files, links={f"bin/{name}": "busybox" for name in APPLETS}, folders=("tmp", "data"))


def _tar(files: dict[str, bytes], links: dict[str, str] | None = None, folders: Sequence[str] = ()) -> bytes:
    """A tar archive with neither times nor owners in it, so that it depends on its content alone."""
    out = io.BytesIO()
    above = {name.rpartition("/")[0] for name in files} - {""}
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name in sorted({*above, *folders}):
            archive.addfile(_entry(name, tarfile.DIRTYPE))
        for name, data in files.items():
            archive.addfile(_entry(name, tarfile.REGTYPE, size=len(data)), io.BytesIO(data))
        for name, target in (links or {}).items():
            archive.addfile(_entry(name, tarfile.SYMTYPE, target=target))
    return out.getvalue()


def _entry(name: str, kind: bytes, size: int = 0, target: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.size, entry.linkname, entry.mode = kind, size, target, 0o755
    return entry


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()
