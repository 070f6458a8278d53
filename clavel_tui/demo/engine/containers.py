"""Containers over time. Nothing runs: how a container does follows from its image and from how long ago it was started."""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]

HEALTH_S = 1.6
"""From the start of a container to its first health check."""
ONESHOT_S = 1.0
_LABEL = "com.docker.compose"


def new(ident_of: str, *, name: str, ref: str, image: str, labels: dict[str, str]) -> tuple[str, Json]:
    """A created container that was not started. ``ident_of``: what its id follows from; empty for a random one."""
    if ident_of:
        import hashlib

        ident = hashlib.sha256(ident_of.encode()).hexdigest()
    else:
        ident = os.urandom(32).hex()
    return ident, {
        "name": name,
        "ref": ref,
        "image": image,
        "labels": labels,
        "policy": "no",
        "mounts": [],
        "health": False,
        "started": 0.0,
        "ended": 0.0,
        "code": 0,
    }


def of_service(ident_of: str, project: Any, service: str, image: str) -> tuple[str, Json]:  # noqa: ANN401  a files.Project
    """The container that Compose makes of a service."""
    said = project.services[service]
    labels = {
        f"{_LABEL}.project": project.name,
        f"{_LABEL}.service": service,
        f"{_LABEL}.oneoff": "False",
        f"{_LABEL}.config-hash": config_hash(said),
        f"{_LABEL}.project.working_dir": project.folder,
        f"{_LABEL}.project.config_files": ",".join(project.files),
        f"{_LABEL}.container-number": "1",
    }
    name = said.get("container_name") or f"{project.name}-{service}-1"
    ident, container = new(ident_of, name=name, ref=said["image"], image=image, labels=labels)
    container["policy"] = said.get("restart") or "no"
    container["health"] = bool(said.get("healthcheck"))
    container["mounts"] = [_mount(project, text) for text in said.get("volumes") or []]
    return ident, container


def config_hash(service: Json) -> str:
    """Differs when the service's part of the file does."""
    import hashlib

    from .store import to_json

    return hashlib.sha256(to_json({key: service[key] for key in sorted(service)}).encode()).hexdigest()


def _mount(project: Any, text: str) -> Json:  # noqa: ANN401
    source, target, mode = (*text.split(":"), "", "")[:3]
    common = {"Destination": target, "Mode": mode, "RW": "ro" not in mode.split(",")}
    if source.startswith((".", "/")):
        return {"Type": "bind", "Source": os.path.normpath(os.path.join(project.folder, source)), **common}  # noqa: PTH118
    return {"Type": "volume", "Name": f"{project.name}_{source}", "Source": "", **common}


def status(container: Json, image: Json, now: float) -> tuple[str, str, int]:
    """(state, health or nothing, exit code) at this moment."""
    if not container["started"]:
        return "created", "", 0
    age = now - container["started"]
    if container["ended"]:
        return "exited", "unhealthy" if container["health"] else "", container["code"]
    if image["oneshot"] and age > ONESHOT_S:
        return "exited", "", 0
    if not container["health"]:
        return "running", "", 0
    if age < HEALTH_S:
        return "running", "starting", 0
    return "running", "healthy" if image["health"] == "good" else "unhealthy", 0


def stamp(at: float) -> str:
    """As Docker writes a moment; never was it in the year 1."""
    if not at:
        return "0001-01-01T00:00:00Z"
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(at))}.{int(at % 1 * 1e9):09d}Z"


def inspected(ident: str, container: Json, image: Json, now: float) -> Json:
    """As ``docker inspect`` has it, under the names that its templates use."""
    state, health, code = status(container, image, now)
    return {
        "ID": ident,
        "Id": ident,
        "Name": f"/{container['name']}",
        "Image": container["image"],
        "RestartCount": 0,
        "State": {
            "Status": state,
            "ExitCode": code,
            "Error": "",
            "StartedAt": stamp(container["started"]),
            "FinishedAt": stamp(container["ended"]),
            "Health": {"Status": health} if health else None,
        },
        "HostConfig": {"RestartPolicy": {"Name": container["policy"]}},
        "Config": {"Image": container["ref"], "Labels": container["labels"]},
        "Mounts": container["mounts"],
    }


def log_lines(container: Json, image: Json, now: float) -> list[tuple[float, str]]:
    """What the program in it would have said: a start, and a word each few seconds since."""
    begun = container["started"]
    if not begun:
        return []
    until = container["ended"] or now
    name = image["name"].rpartition("/")[2]
    lines = [(begun, f"{name} {image['version']} is starting"), (begun + 0.4, "configuration read")]
    if image["oneshot"]:
        return [*lines, (begun + 0.9, "done: 1284 rows written")]
    if image["health"] != "good":
        bad = "ERROR the database schema is 7, this version wants 9: cannot serve"
        return [*lines, *[(begun + 0.8 + n, bad) for n in range(min(int(max(until - begun, 0)), 500))]]
    lines.append((begun + 0.9, "ready"))
    count = int((until - begun) / 3)
    return lines + [(begun + 3 * n, _chatter(n)) for n in range(max(1, count - 500), count)]


def _chatter(n: int) -> str:
    path = ("/", "/healthz", "/api/items", "/static/app.css", "/api/items/7")[n * 7 % 5]
    return f"INFO GET {path} 200 {1 + n * 13 % 40} ms"
