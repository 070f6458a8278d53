"""Keys typed into the real console in a real terminal, against real hosts; every proof is read on the host itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .console import Console
from .host import Host
from .lab import Lab
from .shell import wait_for
from .terminal import Terminal

pytestmark = pytest.mark.lab

COMPOSE = """\
services:
  app:
    image: {registry}/keys:latest
  side:
    image: {registry}/keyside:1
"""
LOOK = '{{index .Config.Labels "com.docker.compose.service"}} {{.Id}} {{.Image}}'


def runs(host: Host) -> dict[str, tuple[str, str]]:
    """Container and image ID of each service, by docker inspect on the host."""
    ids = host.exec("docker ps -q --no-trunc --filter label=com.docker.compose.project=keys").stdout.split()
    lines = host.exec(["docker", "inspect", "--format", LOOK, *ids]).stdout.splitlines() if ids else []
    return {service: (container, image) for service, container, image in (line.split() for line in lines)}


@pytest.fixture
def console(lab: Lab, tmp_path: Path) -> Iterator[Console]:
    """One host with one stack, at its first version; no container of it goes on behind the test."""
    host = lab.host("h3")
    host.wipe_docker()
    host.exec("rm -rf /srv/keys /var/lib/clavel")
    lab.image("keys", "v1", also=["latest"])
    lab.image("keyside", "1", health="none")
    console = Console(lab, tmp_path)
    console.unit("h3", {"keys": {}})
    console.stack("h3", "keys", {"compose.yaml": COMPOSE.format(registry=lab.registry.address)})
    yield console
    host.wipe_docker()


def terminal(console: Console, width: int = 120, height: int = 35) -> Terminal:
    return Terminal(console._argv(), width=width, height=height, env={"HOME": str(console.folder)})


def test_update_then_r_enter_y_brings_back_exactly_what_ran(lab: Lab, console: Console) -> None:
    """v1, v2 under the same tag, back with three keys; v3 that goes bad returns by itself; all by keys."""
    host = lab.host("h3")
    with terminal(console) as keys:
        keys.until("keys is declared and does not run")
        keys.press("u")
        keys.until("y  do it now")
        keys.press("y")
        keys.until("keys on h3: succeeded")
        keys.until_gone("▸ update keys on h3")
        before = runs(host)

        lab.image("keys", "v2", also=["latest"])
        keys.press("u")
        keys.until("its registry has a newer image", "y  do it now")
        keys.press("y")
        # What the first update said is still on the screen: this one's own line comes and goes.
        keys.until("▸ update keys on h3")
        keys.until_gone("▸ update keys on h3")
        keys.until("keys on h3: succeeded")
        after = runs(host)
        assert after["app"][1] != before["app"][1]
        assert after["side"] == before["side"]

        keys.press("r")
        keys.until("last known good", "enter  choose")
        keys.press("Enter")
        keys.until("to release", "y  do it now")
        keys.press("y")
        keys.until("runs again", "■ HELD")
        back = runs(host)
        assert back["app"][1] == before["app"][1]
        assert back["side"] == before["side"]
        host.exec("cd /srv/keys && docker compose up -d")
        assert runs(host) == back

        lab.image("keys", "v3", health="bad", also=["latest"])
        keys.press("H")
        keys.until("y  do it now")
        keys.press("y")
        keys.until("not held any more")
        keys.press("u")
        keys.until("y  do it now")
        keys.press("y")
        keys.until("keys on h3: returned by itself")
        assert runs(host)["app"][1] == before["app"][1]
        keys.press("5")
        keys.until("History", "returned by itself")
        keys.press("q")
        keys.until("ended with 0")


def test_the_console_in_a_small_terminal_of_a_c_locale(lab: Lab, console: Console) -> None:
    """40x10, LC_ALL=C: the units are seen, and no traceback."""
    argv = console._argv()
    with Terminal(argv, width=40, height=10, env={"HOME": str(console.folder), "LC_ALL": "C"}) as keys:
        screen = keys.until("h3", "UNIT")
        assert "Traceback" not in screen
        keys.press("q")
        keys.until("ended with 0")


def test_killed_and_opened_again_the_operation_is_told(lab: Lab, console: Console) -> None:
    """The terminal is closed in mid-update; the job goes on, and the next console settles and tells it."""
    host = lab.host("h3")
    with terminal(console) as keys:
        keys.until("does not run")
        keys.press("u")
        keys.until("y  do it now")
        keys.press("y")
        keys.until("▸ update keys on h3")
        wait_for("its job runs", lambda: host.exec("cat /var/lib/clavel/lock.owner", check=False).stdout, timeout=30)
    with terminal(console) as keys:
        keys.until("Details", "h3")
        keys.press("5")
        keys.until("succeeded", "update", timeout=40)
    assert set(runs(host)) == {"app", "side"}
