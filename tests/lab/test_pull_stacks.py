"""Docker by way of an agent: stacks that come with a unit's system, and a container that is a unit; read on the host itself."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from .console import Console
from .host import Host
from .places import Place, Shelf, compose, push, tagged
from .shell import LabError, wait_for
from .systems import Fleet, made, runs
from .test_claveld import Pull, pull

__all__ = ["pull"]
pytestmark = [pytest.mark.lab, pytest.mark.waits]
TABLE = "[stacks.web]\nhealth_seconds = 60\ngrace_seconds = 1\n[stacks.blog]\n"


# What is the agent's in this is the same everywhere, and the jobs are tested on both stacks: one each is enough.
on_bookworm = pytest.mark.parametrize("workshop", ["bookworm"], indirect=True)
on_trixie = pytest.mark.parametrize("workshop", ["trixie"], indirect=True)


@pytest.fixture(scope="module")
def workshop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Of our own flake only: it takes the files of stacks."""
    request.param = (request.param, "own")
    yield from made(request, tmp_path_factory.mktemp("pull") / "ws")


@pytest.fixture
def web(pull: Pull) -> Iterator[Place]:
    """A stack of h1 that no file of a console names."""
    host: Host = pull.fleet.lab.host("h1")
    clean(host)
    yield Place(Console(pull.fleet.lab, pull.fleet.folder), host, "web", "web")
    clean(host)


def said(pull: Pull, phase: str, words: str = "", name: str = "h1") -> None:
    def holds() -> bool:
        report = pull.claveld.report(name)
        return report.get("phase") == phase and words in report["text"]

    try:
        wait_for(f"{name} says {phase} {words}", holds, timeout=120)
    except Exception as error:
        raise AssertionError(f"{error}\n{pull.claveld.report(name)}\n{pull.trouble()}") from error


def clean(host: Host) -> None:
    """But for the agent's own packages, which lie in /srv as well."""
    host.wipe_docker()
    host.exec("rm -rf /var/lib/clavel/stacks /var/lib/clavel/system /srv/web /srv/blog")


def page(web: Place) -> str:
    """What its app says; empty while it is made anew."""
    with contextlib.suppress(LabError, KeyError):
        return web.page("app")
    return ""


def held(web: Place) -> str:
    return web.host.exec("cat /var/lib/clavel/stacks/web/held 2>/dev/null || :").stdout


@on_bookworm
def test_stacks_come_with_the_system_and_go_back_with_it(pull: Pull, web: Place) -> None:
    shelf, agent = Shelf(pull.fleet.lab, "pulled"), pull.agents["h1"]
    first = compose(app=push(shelf, "app", "v1"), side=push(shelf, "side", "v1")) | {"conf/greeting": "hello"}
    one = pull.publish(h1={"version": "24.11.2", "stacks": {"web": first}})
    said(pull, "failed", "agent.toml does not name it: say [stacks.web] there")
    assert not web.runs()
    assert runs(web.host) == one["h1"]  # the system that brings it runs

    file = "/etc/clavel-agent/agent.toml"
    web.host.put(file, web.host.exec(["cat", file]).stdout + TABLE)
    agent.kill()
    said(pull, "idle")
    before = web.runs()
    assert (page(web), web.read("conf/greeting")) == ("app v1", "hello\n")

    push(shelf, "app", "v2")
    second = compose(app=tagged(shelf, "app"), side=tagged(shelf, "side")) | {"conf/greeting": "good day"}
    two = pull.publish(h1={"stacks": {"web": second}})
    pull.until_all_run(two)
    wait_for("v2 answers", lambda: page(web) == "app v2", timeout=60)
    said(pull, "idle")
    assert web.read("conf/greeting") == "good day\n"
    assert not held(web)

    web.by_hand("docker compose stop side")  # what a person does stays until the next files
    pull.publish(h1={"motd": "new"})
    wait_for("the new system runs", lambda: runs(web.host) != two["h1"], timeout=60)
    said(pull, "idle")
    assert web.runs()["side"]["state"] == "exited"
    web.by_hand("docker compose start side")

    # The tag has moved on: going back by the tag would be another image than what ran.
    push(shelf, "app", "v3", health="bad")
    known = (found["deployment"] for found in pull.claveld.get("/v1/deployments?name=h1"))
    (ident,) = [found["id"] for found in known if one["h1"] in json.dumps(found)]
    pull.console().run("rollback", "--unit", "h1", "--to", ident[:12], "--yes").ends(0)
    wait_for("v1 is back", lambda: web.images() == {name: found["image"] for name, found in before.items()}, timeout=60)
    said(pull, "idle")
    assert (page(web), web.read("conf/greeting")) == ("app v1", "hello\n")
    assert "claveld at https://" in held(web)

    pull.console().run("agent", "unpin", "h1").ends(0)  # forward again, to what it had
    wait_for("v2 is back", lambda: web.images().get("app") != before["app"]["image"], timeout=60)
    said(pull, "idle")
    assert page(web) == "app v2"

    good = web.runs()
    bad = compose(app=tagged(shelf, "app", "v3"), side=tagged(shelf, "side")) | {"conf/greeting": "good evening"}
    three = pull.publish(h1={"stacks": {"web": bad}})
    said(pull, "quarantined", "web: ")
    assert runs(web.host) == three["h1"]
    assert web.images() == {name: found["image"] for name, found in good.items()}
    assert web.read("conf/greeting") == "good day\n"


@dataclass
class Box:
    """h3 as a unit of type container, from nix/closures/oci."""

    pull: Pull
    host: Host

    def publish(self, image: str) -> str:
        return self.pull.publish(h3={"image": image, "options": ["--env", "WHO=box", "--publish", "8099:8080"]})["h3"]

    def runs(self) -> tuple[str, str]:
        """The closure that its container is of, and what its image says."""
        label = '{{index .Config.Labels "clavel.closure"}}'
        closure = self.host.exec(["docker", "inspect", "--format", label, "h3"], check=False).stdout.strip()
        return closure, self.host.exec(
            ["docker", "exec", "h3", "wget", "-qO-", "http://127.0.0.1:8080/"], check=False
        ).stdout.strip()

    def links(self) -> set[str]:
        """What the unit itself says that runs, and what it comes up with."""
        links = ("/var/lib/clavel/system/running", "/nix/var/nix/profiles/unit-clavel")
        return {self.host.exec(f"readlink -f {link}", check=False).stdout.strip() for link in links}


@pytest.fixture
def box(pull: Pull) -> Iterator[Box]:
    """Its agent and claveld know it as a container; it runs nothing yet."""
    agent, fleet, host = pull.agents["h3"], pull.fleet, pull.fleet.lab.host("h3")
    before = fleet.settings["h3"]
    clean(host)
    agent.stop()
    try:
        fleet.unit("h3", type="container")
        pull.claveld.stop()
        pull.claveld.start()
        agent.install(pull.claveld, host.exec("cat /etc/clavel-agent/token").stdout, type="container")
        fleet.settings["h3"] = {}
        agent.start()
        yield Box(pull, host)
    finally:
        fleet.settings["h3"] = before
        fleet.unit("h3")
        fleet.commit()
        host.exec("docker rm -f h3; rm -f /nix/var/nix/profiles/unit-clavel*", check=False)


@on_trixie
def test_a_container_runs_what_its_closure_activates(box: Box) -> None:
    pull, shelf = box.pull, Shelf(box.pull.fleet.lab, "boxed")
    for version, health in (("v1", "ok"), ("v2", "bad"), ("v3", "ok")):
        push(shelf, "box", version, health=health)
    first = box.publish(tagged(shelf, "box", "v1"))
    wait_for("v1 answers", lambda: box.runs() == (first, "box v1"), timeout=90)
    said(pull, "idle", name="h3")
    assert box.links() == {first}
    assert "WHO=box" in box.host.exec("docker inspect h3").stdout

    box.publish(tagged(shelf, "box", "v2"))
    said(pull, "quarantined", "bin/check of /nix/store/", name="h3")
    assert box.runs() == (first, "box v1")
    assert box.links() == {first}

    third = box.publish(tagged(shelf, "box", "v3"))
    wait_for("v3 answers", lambda: box.runs() == (third, "box v3"), timeout=90)
    said(pull, "idle", name="h3")
    console = pull.console()
    preview = console.run("deploy", "h3", "--to", first, "--dry-run").ends(0)
    assert f"{first}/bin/activate" in preview.err
    console.run("rollback", "--unit", "h3", "--yes").ends(0)
    assert box.runs() == (first, "box v1")
    assert box.links() == {first}
