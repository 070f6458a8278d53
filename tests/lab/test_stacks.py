"""Stacks are updated and rolled back on real hosts through the command line; every proof is read on the host itself."""

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .console import Answer, Console
from .host import Host
from .images import Health
from .lab import Lab

pytestmark = pytest.mark.lab

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
        return self.host.exec(f"cd {shlex.quote(self.path)} && {command}").stdout

    # ---- what is there

    def runs(self) -> dict[str, dict[str, str]]:
        """Every container of the project by its service."""
        label = f"label=com.docker.compose.project={self.project}"
        ids = self.host.exec(["docker", "ps", "-aq", "--no-trunc", "--filter", label]).stdout.split()
        lines = self.host.exec(["docker", "inspect", "--format", LOOK, *ids]).stdout.splitlines() if ids else []
        return {found["service"]: found for found in map(json.loads, lines)}

    def images(self) -> dict[str, str]:
        """The image ID that each service runs."""
        return {service: found["image"] for service, found in self.runs().items()}

    def page(self, service: str, page: str = "index.html") -> str:
        """What a service says to whom asks it."""
        url = f"http://127.0.0.1:8080/{page}"
        return self.host.exec(["docker", "exec", self.runs()[service]["id"], "wget", "-qO-", url]).stdout.strip()

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


@pytest.fixture
def console(lab: Lab, tmp_path: Path) -> Console:
    """A workstation that has never seen the lab."""
    return Console(lab, tmp_path)


@pytest.fixture
def places(console: Console) -> Iterator["Places"]:
    """Stacks on hosts that hold nothing yet."""
    return Places(console)


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
    host.wipe_docker()
    host.exec("rm -rf /var/lib/clavel /srv/* /srv/.[!.]*")


def compose(**services: str) -> dict[str, str]:
    """A stack's files: services that each run one image."""
    said = {name: {"image": image, "restart": "unless-stopped"} for name, image in services.items()}
    return {"compose.yaml": json.dumps({"services": said}, indent=1)}


def tagged(lab: Lab, name: str, tag: str = "latest") -> str:
    return f"{lab.registry.address}/{name}:{tag}"


def push(lab: Lab, name: str, version: str, *, also: str = "latest", health: Health = "ok") -> str:
    """A new version of an image, under a tag that moves; returns that tag's reference."""
    lab.image(name, version, text=f"{name} {version}", also=[also], health=health)
    return tagged(lab, name, also)


# ---------------------------------------------------------------- there and back


def test_rollback_runs_the_recorded_image_again(lab: Lab, places: Places) -> None:
    """v1 → v2 under the same tag, back to v1: by image ID, by page, by a hand-typed `up`; then held until released."""
    web = places("h1", "web")
    web.files(compose(app=push(lab, "app", "v1"), side=push(lab, "side", "v1")))
    web.update().ends(SUCCEEDED)
    before = web.runs()
    assert web.page("app") == "app v1"

    push(lab, "app", "v2")
    web.update().ends(SUCCEEDED)
    between = web.runs()
    assert web.page("app") == "app v2"
    assert between["app"]["image"] != before["app"]["image"]
    assert between["side"] == before["side"]

    web.rollback("--reason", "v2 is slow").ends(SUCCEEDED)
    after = web.runs()
    assert web.page("app") == "app v1"
    assert after["app"]["image"] == before["app"]["image"] == web.image_named(tagged(lab, "app"))
    assert after["side"] == before["side"]
    web.by_hand("docker compose up -d")
    assert web.runs() == after

    held = web.seen()["held"]
    assert held["reason"] == "v2 is slow"
    assert web.release(held["release"])["images"] == {name: found["image"] for name, found in before.items()}
    assert "HELD" in web.update().ends(REFUSED).err
    assert web.runs() == after
    web.change("release").ends(SUCCEEDED)
    web.update().ends(SUCCEEDED)
    assert web.images() == {name: found["image"] for name, found in between.items()}


def test_unhealthy_update_returns_by_itself(lab: Lab, places: Places) -> None:
    """v3 never gets healthy: v2's image, files and tags are back exactly, without a person; a hand-typed `up` agrees."""
    web = places("h1", "web")
    web.files(compose(app=push(lab, "app", "v2"), side=push(lab, "side", "v1")) | {"conf/a": "1", "env": "old"})
    web.update().ends(SUCCEEDED)
    before, (runs, *still) = web.runs(), web.all()
    good = web.seen()["running"]

    push(lab, "app", "v3", health="bad")
    web.files(compose(app=tagged(lab, "app"), side=tagged(lab, "side")) | {"conf/a": "2", "conf/b": "", "env": "new"})
    done = web.update().ends(RETURNED)
    assert done.operation["outcome"] == "returned"
    assert "app" in done.text
    assert "health" in done.text
    runs, *now = web.all()
    assert now == still
    assert runs["app"]["image"] == before["app"]["image"]
    assert runs["app"]["state"] == "running"
    assert runs["side"] == before["side"]
    web.by_hand("docker compose up -d")
    assert web.runs() == runs
    assert web.seen()["running"] == good
    assert web.seen()["held"] is None


# ---------------------------------------------------------------- images that are cleaned away


def test_rollback_survives_a_prune_and_a_dead_registry(lab: Lab, places: Places) -> None:
    """`docker image prune -af` leaves the recorded image, and the way back asks no registry for anything."""
    web = places("h2", "web")
    web.files(compose(app=push(lab, "app", "v1")))
    web.update().ends(SUCCEEDED)
    before = web.images()
    push(lab, "app", "v2")
    web.update().ends(SUCCEEDED)

    web.by_hand("docker image prune -af")
    lab.registry.stop()
    web.rollback().ends(SUCCEEDED)
    assert web.images() == before
    assert web.page("app") == "app v1"


def test_release_whose_images_are_gone_is_not_offered(lab: Lab, places: Places) -> None:
    """After `docker system prune -af` a release is shown as not restorable, and a rollback to it changes nothing."""
    web = places("h2", "web")
    web.files(compose(app=push(lab, "app", "v1"), side=push(lab, "side", "v1")))
    web.update().ends(SUCCEEDED)
    old = web.seen()["running"]
    push(lab, "app", "v2")
    web.update().ends(SUCCEEDED)

    web.by_hand("docker system prune -af")
    still = web.all()
    release = web.release(old)
    assert (release["restorable"], release["missing"]) == (False, ["app"])
    assert "not restorable" in web.rollback().ends(REFUSED).err
    assert "not restorable" in web.rollback("--to", old).ends(REFUSED).err
    assert web.all() == still

    web.change("stop").ends(SUCCEEDED)
    web.by_hand("docker system prune -af")
    assert [(r["restorable"], r["missing"]) for r in web.seen()["releases"]] == [(False, ["app", "side"])] * 2
    web.rollback().ends(REFUSED)
    assert web.runs() == {}


def test_archived_release_survives_even_a_system_prune(lab: Lab, places: Places) -> None:
    """With archive = true the same loss is mended from the unit's own disk, with the registry down."""
    web = places("h2", "web", archive=True)
    web.files(compose(app=push(lab, "app", "v1"), side=push(lab, "side", "v1")))
    web.update().ends(SUCCEEDED)
    before = web.images()
    push(lab, "app", "v2")
    web.update().ends(SUCCEEDED)
    side = web.runs()["side"]

    web.by_hand("docker system prune -af")
    assert web.host.exec(["docker", "image", "inspect", before["app"]], check=False).returncode
    lab.registry.stop()
    web.rollback().ends(SUCCEEDED)
    assert web.images() == before
    assert web.runs()["side"] == side
    assert web.page("app") == "app v1"
    assert web.image_named(tagged(lab, "app")) == before["app"]


# ---------------------------------------------------------------- two workstations


def test_second_workstation_sees_the_same_and_rolls_back(lab: Lab, places: Places, console: Console) -> None:
    """A journal that never heard of the unit sees its releases and its hold, is refused by it, and rolls back."""
    web = places("h3", "web")
    web.files(compose(app=push(lab, "app", "v1")))
    web.update().ends(SUCCEEDED)
    before = web.images()
    push(lab, "app", "v2")
    web.update().ends(SUCCEEDED)

    other = Place(console.another("other.db"), web.host, web.name, web.project)
    assert other.seen() == web.seen()
    assert len(other.seen()["releases"]) == 2
    other.rollback().ends(SUCCEEDED)
    assert other.images() == before
    assert web.seen()["held"] == other.seen()["held"] is not None
    web.update().ends(REFUSED)
    assert web.images() == before
