"""Stacks on the lab's hosts: what a person types at the console, and what is then found on the host itself."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .console import Answer, Console
from .host import Host
from .images import Health
from .lab import Lab

REGISTRY = "-p tcp --dport 5000"
SUCCEEDED, FAILED, REFUSED, RETURNED = 0, 1, 3, 5
LOOK = (
    '{"service": {{json (index .Config.Labels "com.docker.compose.service")}}, "id": {{json .Id}}, "image": {{json .Image}},'
    ' "state": {{json .State.Status}}, "started": {{json .State.StartedAt}}}'
)


@dataclass(frozen=True)
class Place:
    """One stack on one host, looked at past sshd and past our own code."""

    console: Console
    host: Host
    name: str
    project: str

    @property
    def path(self) -> str:
        return f"/srv/{self.name}"

    # ---- what a person types

    def change(self, verb: str, *words: str) -> Answer:
        return self.console.change(verb, self.host.name, self.name, *words)

    def update(self, *words: str) -> Answer:
        return self.change("update", *words)

    def rollback(self, *words: str) -> Answer:
        return self.change("rollback", *words)

    def files(self, files: dict[str, str]) -> None:
        self.console.stack(self.host.name, self.name, files)

    def seen(self) -> dict[str, Any]:
        return self.console.seen(self.host.name, self.name)

    def release(self, ident: str) -> dict[str, Any]:
        (found,) = [release for release in self.seen()["releases"] if release["id"] == ident]
        return dict(found)

    def by_hand(self, command: str) -> str:
        """Type something on the host, in the stack's folder."""
        return self.host.exec(f"cd {shlex.quote(self.path)} || exit; {command}").stdout

    def without_registry(self) -> None:
        """Every connection from this host to the registry is refused, until the host is emptied."""
        self.host.exec(f"iptables -I OUTPUT {REGISTRY} -j REJECT --reject-with tcp-reset")

    # ---- what is there

    def runs(self) -> dict[str, dict[str, str]]:
        """Every container of the project by its service."""
        label = f"label=com.docker.compose.project={self.project}"
        for _ in range(5):
            ids = self.host.exec(["docker", "ps", "-aq", "--no-trunc", "--filter", label]).stdout.split()
            done = self.host.exec(["docker", "inspect", "--format", LOOK, *ids], check=False) if ids else None
            if done is None or done.returncode == 0:
                return {found["service"]: found for found in map(json.loads, done.stdout.splitlines() if done else [])}
        raise AssertionError(f"its containers come and go: {done.stderr}")  # one of them went between the two questions

    def images(self) -> dict[str, str]:
        """The image ID that each service runs."""
        return {service: found["image"] for service, found in self.runs().items()}

    def ids(self) -> dict[str, str]:
        """The container ID of each service."""
        return {service: found["id"] for service, found in self.runs().items()}

    def environment(self, service: str) -> list[str]:
        found = self.host.exec(["docker", "inspect", "--format", "{{json .Config.Env}}", self.ids()[service]])
        return list(json.loads(found.stdout))

    def page(self, service: str, page: str = "index.html") -> str:
        """What a service says to whom asks it."""
        url = f"http://127.0.0.1:8080/{page}"
        return self.host.exec(["docker", "exec", self.runs()[service]["id"], "wget", "-qO-", url]).stdout.strip()

    def inode(self, file: str) -> str:
        return self.host.exec(["stat", "-c", "%i", f"{self.path}/{file}"]).stdout

    def read(self, file: str) -> str:
        return self.host.exec(["cat", f"{self.path}/{file}"]).stdout

    def tree(self) -> list[str]:
        """Every file of the stack's folder with its mode, owner and hash."""
        text = "find . -exec stat -c '%A %u %g %n' {} + | sort; find . -type f -exec sha256sum {} + | sort"
        return self.by_hand(text).splitlines()

    def all(self) -> tuple[Any, ...]:
        """All that must be alike when nothing was changed: containers, files, and what each name of an image means."""
        tags = "docker image ls --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}' | grep -ve ^clavel-keep -e '<none>' | sort"
        return self.runs(), self.tree(), self.by_hand(tags)

    def image_named(self, reference: str) -> str:
        return self.host.exec(["docker", "image", "inspect", "--format", "{{.Id}}", reference]).stdout.strip()


@dataclass(frozen=True)
class Shelf:
    """A part of the lab's registry that no other test pushes to."""

    lab: Lab
    name: str

    @property
    def address(self) -> str:
        return f"{self.lab.registry.address}/{self.name}"

    def image(
        self, name: str, tag: str, *, text: str = "", health: Health = "ok", also: Sequence[str] = (),
        oneshot: bool = False, filler_mib: int = 0, seed: int = 0,
    ) -> str:  # fmt: skip
        """As Lab.image."""
        filler = {"filler_mib": filler_mib, "seed": seed}
        return self.lab.image(f"{self.name}/{name}", tag, text=text, health=health, also=also, oneshot=oneshot, **filler)


class Places:
    """Makes stacks: each host that is asked for is emptied first."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stacks: dict[str, dict[str, dict[str, Any]]] = {}

    def __call__(self, host: str, name: str, *, project: str = "", **table: object) -> Place:
        if host not in self._stacks:
            empty(self._console.lab.host(host))
        stacks = self._stacks.setdefault(host, {})
        stacks[name] = table
        self._console.unit(host, stacks)
        return Place(self._console, self._console.lab.host(host), name, project or name)

    def settings(self, place: Place, **table: object) -> None:
        """Say other settings for a stack in unit.toml."""
        self._stacks[place.host.name][place.name] = table
        self._console.unit(place.host.name, self._stacks[place.host.name])


def empty(host: Host) -> None:
    """Nothing of an earlier test is left on the host."""
    host.exec(f"while iptables -D OUTPUT {REGISTRY} -j REJECT --reject-with tcp-reset 2>/dev/null; do :; done")
    host.wipe_docker()
    host.exec("rm -rf /var/lib/clavel /srv/* /srv/.[!.]*")


def service(image: str, **more: object) -> dict[str, object]:
    """A service that is started again when it ends."""
    return {"image": image, "restart": "unless-stopped", **more}


def stack(services: Mapping[str, object], **top: object) -> dict[str, str]:
    """A stack's compose file; JSON is YAML as well."""
    return {"compose.yaml": json.dumps({**top, "services": services}, indent=1)}


def compose(**services: str) -> dict[str, str]:
    """A stack's files: services that each run one image."""
    return stack({name: service(image) for name, image in services.items()})


def tagged(lab: Lab | Shelf, name: str, tag: str = "latest") -> str:
    address = lab.address if isinstance(lab, Shelf) else lab.registry.address
    return f"{address}/{name}:{tag}"


def push(lab: Lab | Shelf, name: str, version: str, *, also: str = "latest", health: Health = "ok") -> str:
    """A new version of an image, under a tag that moves; returns that tag's reference."""
    lab.image(name, version, text=f"{name} {version}", also=[also], health=health)
    return tagged(lab, name, also)
