"""Stacks that come with a unit's system: its agent puts them, returns bad ones, and goes back to the very images; read on the host."""

import json
from collections.abc import Iterator

import pytest

from .console import Console
from .host import Host
from .places import Place, Shelf, compose, empty, push, tagged
from .shell import wait_for
from .systems import Fleet, made, runs
from .test_claveld import Pull, pull

__all__ = ["pull"]
pytestmark = [pytest.mark.lab, pytest.mark.waits]
TABLE = "[stacks.web]\nhealth_seconds = 60\ngrace_seconds = 1\n[stacks.blog]\n"


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def workshop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Of our own flake only: it takes the files of stacks."""
    request.param = (request.param, "own")
    yield from made(request, tmp_path_factory.mktemp("pull") / "ws")


@pytest.fixture
def web(pull: Pull) -> Iterator[Place]:
    """A stack of h1 that no file of a console names."""
    host: Host = pull.fleet.lab.host("h1")
    empty(host)
    yield Place(Console(pull.fleet.lab, pull.fleet.folder), host, "web", "web")
    empty(host)


def said(pull: Pull, phase: str, words: str = "") -> None:
    def holds() -> bool:
        report = pull.claveld.report("h1")
        return report.get("phase") == phase and words in report["text"]

    try:
        wait_for(f"h1 says {phase} {words}", holds, timeout=120)
    except Exception as error:
        raise AssertionError(f"{error}\n{pull.claveld.report('h1')}\n{pull.trouble()}") from error


def held(web: Place) -> str:
    return web.host.exec("cat /var/lib/clavel/stacks/web/held 2>/dev/null || :").stdout


def test_stacks_come_with_the_system_and_go_back_with_it(pull: Pull, web: Place) -> None:
    shelf, agent = Shelf(pull.fleet.lab, "pulled"), pull.agents["h1"]
    first = compose(app=push(shelf, "app", "v1"), side=push(shelf, "side", "v1")) | {"conf/greeting": "hello"}
    one = pull.publish(h1={"version": "24.11.2", "stacks": {"web": first}})
    said(pull, "failed", "agent.toml does not name it: say [stacks.web] there")
    assert not web.runs()
    assert runs(web.host) == one["h1"]  # the system that brings it runs

    web.host.exec(f"printf %s {json.dumps(TABLE)} >>/etc/clavel-agent/agent.toml")
    agent.kill()
    said(pull, "idle")
    before = web.runs()
    assert (web.page("app"), web.read("conf/greeting")) == ("app v1", "hello\n")

    push(shelf, "app", "v2")
    second = compose(app=tagged(shelf, "app"), side=tagged(shelf, "side")) | {"conf/greeting": "good day"}
    two = pull.publish(h1={"stacks": {"web": second}})
    pull.until_all_run(two)
    wait_for("v2 answers", lambda: web.runs()["app"]["state"] == "running" and web.page("app") == "app v2", timeout=60)
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
    assert (web.page("app"), web.read("conf/greeting")) == ("app v1", "hello\n")
    assert "claveld at https://" in held(web)

    pull.console().run("agent", "unpin", "h1").ends(0)  # forward again, to what it had
    wait_for("v2 is back", lambda: web.images().get("app") != before["app"]["image"], timeout=60)
    said(pull, "idle")
    assert web.page("app") == "app v2"

    good = web.runs()
    bad = compose(app=tagged(shelf, "app", "v3"), side=tagged(shelf, "side")) | {"conf/greeting": "good evening"}
    three = pull.publish(h1={"stacks": {"web": bad}})
    said(pull, "quarantined", "web: ")
    assert runs(web.host) == three["h1"]
    assert web.images() == {name: found["image"] for name, found in good.items()}
    assert web.read("conf/greeting") == "good day\n"
