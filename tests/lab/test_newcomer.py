"""A new user's first five minutes: three hosts that run Compose projects already, and nothing else."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from .console import Console
from .lab import Lab
from .places import empty
from .terminal import Terminal

pytestmark = pytest.mark.lab
HOSTS = {"h1": "/srv/web", "h2": "/opt/apps/blog", "h3": "/home/ops/wiki"}
LOOK = '{{index .Config.Labels "com.docker.compose.service"}} {{.Id}} {{.Image}}'


@pytest.fixture
def newcomer(bookworm: Lab, tmp_path: Path) -> Iterator[Console]:
    """Each host runs a project that somebody has started by hand; h2's writes into a folder of its own."""
    lab = bookworm
    for number, (name, path) in enumerate(HOSTS.items()):
        host = lab.host(name)
        empty(host)
        image = lab.image(f"first{number}", "v1", also=["latest"], health="none")
        assert image
        data = "    volumes: ['./data:/data']\n" if name == "h2" else ""
        text = f"services:\n  app:\n    image: {lab.registry.address}/first{number}:latest\n    env_file: .env\n{data}"
        host.exec(f"mkdir -p {path}/conf {path}/data && echo precious >{path}/data/rows && echo SECRET=1 >{path}/.env")
        host.put(f"{path}/compose.yaml", text)
        host.put(f"{path}/conf/hook.sh", "#!/bin/sh\n", 0o755)
        host.exec(f"cd {path} && docker compose up -d")
    yield Console(lab, tmp_path / "fleet")
    for name, path in HOSTS.items():
        empty(lab.host(name))
        lab.host(name).exec(f"rm -rf {path}")
    lab.reset()


def runs(lab: Lab, host: str) -> list[str]:
    """Services, containers and images, by docker inspect on the host."""
    found = lab.host(host).exec(f"docker ps -q --no-trunc | xargs -r docker inspect --format '{LOOK}'").stdout
    return sorted(found.splitlines())


def init(console: Console, *words: str) -> list[str]:
    """The command line without a fleet."""
    argv = console._argv()
    at = argv.index("--fleet")
    return [*argv[:at], *argv[at + 2 :], "init", str(console.folder), *words]


def test_init_adopts_what_runs_and_the_console_updates_and_rolls_back(newcomer: Console) -> None:
    console, lab = newcomer, newcomer.lab
    before = {
        name: (runs(lab, name), lab.host(name).exec(f"find {path} -type f -exec sha256sum {{}} +").stdout)
        for name, path in HOSTS.items()
    }
    hosts = [word for name in HOSTS for word in ("--host", name)]
    done = console.plain(init(console, *hosts, "--yes")).ends(0)
    assert "next:" in done.err
    for number, (name, path) in enumerate(HOSTS.items()):
        stack = path.rpartition("/")[2]
        files = console.hosts / name / "compose" / stack
        expected = {".env", "compose.yaml", "conf/hook.sh"} | (set() if name == "h2" else {"data/rows"})
        assert {str(f.relative_to(files)) for f in files.rglob("*") if f.is_file()} == expected
        assert f"first{number}:latest" in (files / "compose.yaml").read_text()
        assert (files / "conf/hook.sh").stat().st_mode & 0o100
    for name, path in HOSTS.items():
        assert (runs(lab, name), lab.host(name).exec(f"find {path} -type f -exec sha256sum {{}} +").stdout) == before[name]
        assert "No such file" in lab.host(name).exec("ls /var/lib/clavel", check=False).stderr
    console.run("check").ends(0)
    again = console.plain(init(console, *hosts, "--yes")).ends(0)
    assert all(line.startswith("kept") for line in again.out.splitlines())
    units = console.run("units", "--json").ends(0).json
    assert {unit["name"]: unit["health"] for unit in units} == dict.fromkeys(HOSTS, "ok")

    image = runs(lab, "h2")[0].split()[2]
    argv = console._argv()
    with Terminal(argv, env={"HOME": str(console.folder)}) as keys:
        keys.until("h1", "h2", "h3", "✓")
        keys.press("/")
        keys.until("filter: words")
        for letter in "h2":
            keys.press(letter)
        keys.until("1 of 3")
        keys.press("Enter")
        keys.until("▌h2", "1 of 3")  # the bar is there only while the list has the keys
        keys.press("u")
        keys.until("y  do it now")
        keys.press("y")
        keys.until("blog on h2: no change")  # it was adopted as it runs; now it is compared with the repository
        assert runs(lab, "h2")[0].split()[2] == image
        keys.until("≠ 2 drift")
        lab.image("first1", "v2", also=["latest"], health="none")
        keys.press("u")
        keys.until("newer image", "y  do it now")
        keys.press("y")
        keys.until("blog on h2: succeeded")
        assert runs(lab, "h2")[0].split()[2] != image
        keys.press("r")
        keys.until("last known good")
        keys.press("Enter")
        keys.until("y  do it now")
        keys.press("y")
        keys.until("runs again")
    assert runs(lab, "h2")[0].split()[2] == image
    assert lab.host("h2").exec("cat /opt/apps/blog/data/rows").stdout == "precious\n"
    history = json.loads(console.run("history", "--json").out)
    assert [one["request"]["verb"] for one in history] == ["rollback", "update", "update"]


def test_what_cannot_be_adopted_says_why_and_a_host_that_is_off_is_left_out(newcomer: Console) -> None:
    console, lab = newcomer, newcomer.lab
    host = lab.host("h1")
    host.exec("mkdir -p /srv/odd /etc/odd && cp /srv/web/compose.yaml /etc/odd/compose.yaml && cp /srv/web/.env /etc/odd/.env")
    host.exec("cd /srv/odd && docker compose --project-directory /srv/odd -p odd -f /etc/odd/compose.yaml up -d || true")
    host.exec("head -c 9000000 /dev/urandom >/srv/web/dump.sql")
    lab.host("h3").cut()
    done = console.plain(init(console, "--host", "h1", "--host", "blog=h2", "--host", "h3", "--yes")).ends(1)
    assert "cannot be adopted: its folder /srv/web holds more than 8 MiB" in done.err
    assert "h3: left out" in done.err
    assert not (console.hosts / "h3").exists()
    assert (console.hosts / "blog/compose/blog/compose.yaml").exists()
    assert 'path = "/opt/apps/blog"' in (console.hosts / "blog/unit.toml").read_text()
    assert 'data = [\n    "data",\n]' in (console.hosts / "blog/unit.toml").read_text()
    console.run("check").ends(0)
    host.exec(
        "docker rm -f $(docker ps -aq --filter label=com.docker.compose.project=odd) >/dev/null 2>&1; rm -rf /srv/odd /etc/odd",
        check=False,
    )


def test_an_unknown_host_key_is_asked_about_and_never_accepted_by_itself(newcomer: Console) -> None:
    console = newcomer
    argv = init(console, "--host", "h1", "--yes")
    mine = console.folder / "known_hosts"
    argv[argv.index("--known-hosts") + 1] = str(mine)
    refused = console.plain(argv).ends(1)
    assert "SHA256:" in refused.err
    assert "not confirmed" in refused.err
    assert not mine.exists()
    console.plain([*argv, "--accept-host-keys"]).ends(0)
    assert mine.read_text().count("\n") == 1
    assert (console.hosts / "h1/compose/web/compose.yaml").exists()
