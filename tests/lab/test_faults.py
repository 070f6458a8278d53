"""Faults: links cut, consoles killed, engines dead, disks full, power gone. Each ends in what is true on the host.

Every test first measures that its fault is there, and reads what came of it on the host itself.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .beside import CALM, Scene, beside, scenes, set_scene
from .console import Answer, Console
from .host import Host
from .images import Health
from .lab import PATIENT, Lab
from .places import push, tagged
from .shell import PATIENCE, LabError, wait_for
from .stopping import stopping

__all__ = ["scenes"]
pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("scenes")]

SUCCEEDED, FAILED, REFUSED, RETURNED, UNREACHABLE, INTERRUPTED = 0, 1, 3, 5, 6, 8
WAIT = "echo $$ >>/run/hook; until [ -e /run/go ]; do sleep 0.1; done"
"""A pre-update hook: it holds the job under its lock, after what runs was recorded, and counts how often it ran."""


class Case:
    """A stack that runs v1 on one host, and v2 in the registry: what the fault meets."""

    def __init__(self, scene: Scene, **table: object) -> None:
        self.lab, self.shelf, self.console = scene.console.lab, scene.shelf, scene.console
        self.host, self.folder = self.lab.host(scene.host), scene.console.folder
        self.host.exec("pkill -9 -f '[/]var/lib/clavel/jobs/'; rm -f /run/hook /run/go", check=False)  # of a test that failed
        self.places = scene.places
        self.web = scene.place("web", **table)
        push(self.shelf, "app", "v1")
        self.web.files(self.files("old"))
        if "pre_update" in table:
            self.go()
        self.web.update().ends(SUCCEEDED)
        self.web.by_hand("echo precious >data/kept")
        self.host.exec("rm -f /run/hook /run/go")
        self.v1 = self.web.runs()["app"]["image"]
        self.still = self.web.all()

    def files(self, text: str, *more: str) -> dict[str, str]:
        """The stack's folder: `app` writes into `data`, which is in no repository."""
        services: dict[str, Any] = {name: {"image": tagged(self.shelf, name)} for name in ("app", *more)}
        services["app"] |= {"restart": "unless-stopped", "volumes": ["./data:/data"]}
        return {"compose.yaml": json.dumps({"services": services}, indent=1), "note": text}

    def renew(self, health: Health = "ok") -> None:
        """There is a v2, and another file."""
        push(self.shelf, "app", "v2", health=health)
        self.web.files(self.files("new"))

    def settings(self, **table: object) -> None:
        """Say other settings in unit.toml, for what comes now."""
        self.places.settings(self.web, **table)

    # ---- the update under way

    def start(self) -> "subprocess.Popen[str]":
        return self.console.start("update", "web", "--unit", self.host.name, "--yes", "--json")

    def stopping(self, boundary: str, way: str, folder: Path, console: Console | None = None) -> "subprocess.Popen[str]":
        """The same update by a console that stops at a boundary of its journal."""
        return stopping(
            console or self.console, boundary, way, folder, "update", "web", "--unit", self.host.name, "--yes", "--json"
        )

    def go(self) -> None:
        """Let the hook end."""
        self.host.exec("touch /run/go")

    def state(self) -> str:
        """What the job that has not ended has written about itself."""
        return self.host.exec(
            'for j in /var/lib/clavel/jobs/*; do [ -f "$j/result" ] || cat "$j/state"; done', check=False
        ).stdout

    def reaches(self, phase: str, timeout: float = 60) -> None:
        wait_for(f"phase {phase}", lambda: f"phase={phase}\n" in self.state(), timeout)

    def hooks(self) -> int:
        return len(self.host.exec("cat /run/hook", check=False).stdout.splitlines())

    # ---- what is true

    def jobs(self) -> list[str]:
        return self.host.exec("ls /var/lib/clavel/jobs").stdout.split()

    def history(self) -> list[dict[str, Any]]:
        """What another console of this workstation says, after it has settled what was open; the newest first."""
        found: list[dict[str, Any]] = self.console.run("history", "--json").ends(0).json
        return found

    def unchanged(self) -> None:
        """Containers, files and names of images are what they were, and nothing half-written lies about."""
        assert self.host.exec("ls -A /srv").stdout.split() == ["web"]
        assert self.web.all() == self.still
        self.tidy()

    def unchanged_but_recreated(self) -> None:
        """The same, after a way back: the image, its name and every file are the old ones, and `app` runs it."""
        runs, *still = self.web.all()
        assert still == list(self.still[1:])
        assert {name: (found["image"], found["state"]) for name, found in runs.items()} == {"app": (self.v1, "running")}
        self.tidy()

    def changed(self) -> None:
        """v2 runs, with the new files, whole."""
        assert self.web.page("app") == "app v2"
        assert self.web.by_hand("cat note") == "new"
        self.tidy()

    def tidy(self) -> None:
        """No folder of a swap is left, no job runs, nothing waits to be run; what the services wrote is there."""
        assert self.web.by_hand("cat data/kept") == "precious\n"
        assert self.host.exec("ls -A /srv").stdout.split() == ["web"]
        unsettled = "for j in /var/lib/clavel/jobs/*; do [ -f $j/result ] || echo $j; done; ls /var/lib/clavel/lock.owner"
        with contextlib.suppress(LabError):  # a result is there before it is on the disk, and only behind that the lock goes
            wait_for("the job lets go", lambda: self.host.exec(unsettled, check=False).stdout == "")
        assert self.host.exec(unsettled, check=False).stdout == ""
        assert self.web.by_hand("docker compose ps -aq | wc -l").strip() == "1"


def ended(process: "subprocess.Popen[str]", timeout: float = 120) -> Answer:
    """What a command that was started answered."""
    out, err = process.communicate(timeout=timeout * PATIENCE)
    return Answer(("started",), process.returncode, out, err)


def reach(process: "subprocess.Popen[str]", folder: Path) -> None:
    """Wait until a console stands at its boundary."""
    wait_for("the boundary", lambda: (folder / "there").exists() or process.poll() is not None, 40)
    assert (folder / "there").exists(), process.communicate()


# ---------------------------------------------------------------- faults that take a lab of their own
# They stand first, since nothing waits for them while the others run.


def test_engine_s_disk_that_fills_in_mid_pull(tmp_path: Path) -> None:
    """The image does not fit: the pull fails, nothing was changed, and the tag that moved is back."""
    with Lab(hosts=1, docker_disk=48) as lab:
        case = Case(set_scene(lab, "h1", tmp_path, "own"), min_free_mib=1)
        push(case.shelf, "app", "v2")
        case.shelf.image("big", "v1", also=["latest"], filler_mib=64)
        case.web.files(case.files("new", "big"))
        done = case.web.update().ends(FAILED)
        assert "no space left" in done.text
        case.unchanged()


def test_registry_gone_in_mid_pull(tmp_path: Path) -> None:
    """The registry dies while the second image comes: nothing was changed, and the first one's tag is back."""
    with Lab(hosts=1) as lab:
        case = Case(set_scene(lab, "h1", tmp_path, "own"))
        slow_pull(case)
        process = case.start()
        tag_moves(case)
        lab.registry.stop()
        assert "pulled" in ended(process).ends(FAILED).text
        assert not lab.registry.is_up
        case.unchanged()


# ---------------------------------------------------------------- the link


@beside(stacks=CALM)
def test_link_cut_before_the_start_is_sent(scene: Scene) -> None:
    """The connection dies between the bundle and the start: it is made anew, and the job runs, once."""
    case = Case(scene, pre_update=WAIT)
    case.renew()
    process = case.stopping("put", "wait", case.folder / "at")
    reach(process, case.folder / "at")
    case.host.kill_sessions()
    # One that was killed is there until its parent has seen it.
    wait_for("no session is left", lambda: case.host.exec("pgrep -f '^sshd: root'", check=False).stdout == "")
    case.go()
    (case.folder / "at/go").touch()
    ended(process).ends(SUCCEEDED)
    assert case.hooks() == 1
    case.changed()


@contextlib.contextmanager
def held_copies(host: Host) -> Iterator[None]:
    """`cp` waits until the block is left: time to meet a start between its gate and its answer."""
    host.exec("rm -f /run/copy")
    host.put("/usr/local/bin/cp", '#!/bin/sh\nuntil [ -e /run/copy ]; do sleep 0.1; done\nexec /bin/cp "$@"\n', 0o755)
    try:
        yield
    finally:
        host.exec("touch /run/copy; rm /usr/local/bin/cp")


@beside(stacks=CALM)
def test_start_whose_answer_is_lost_is_sent_again_and_runs_once(scene: Scene) -> None:
    """Requests arrive, answers do not: the start is sent twice, the job runs once, and its true outcome is told."""
    case = Case(scene, pre_update=WAIT)
    case.renew()
    silent = "iptables {} OUTPUT -p tcp --sport 22 -j DROP"
    with held_copies(case.host):
        process = case.start()
        wait_for("the start has arrived", lambda: len(case.jobs()) == 2)
        case.host.exec(silent.format("-I"))
    try:
        wait_for("the job runs", lambda: case.hooks() == 1, 30)
        assert "started" not in told(case)
        wait_for("the console has given up this connection", lambda: "asking again" in told(case), 60)
        dropped = case.host.exec("iptables -nvxL OUTPUT").stdout.splitlines()[2].split()[0]
        assert int(dropped) > 0
    finally:
        case.host.exec(silent.format("-D"))
    case.go()
    assert "connection was lost meanwhile" in ended(process).ends(SUCCEEDED).text
    assert case.hooks() == 1
    assert len(case.jobs()) == 2
    case.changed()


def told(case: Case) -> str:
    """All that the journal says of the newest operation, read past our own code."""
    newest = "SELECT id FROM operations ORDER BY started DESC LIMIT 1"
    query = f"SELECT group_concat(text, char(10)) FROM events WHERE operation = ({newest})"
    read = f"import sqlite3,sys; print(sqlite3.connect({str(case.folder / 'journal.db')!r}).execute({query!r}).fetchone()[0])"
    return subprocess.run([sys.executable, "-c", read], capture_output=True, text=True, check=True).stdout


@beside(stacks=CALM)
def test_link_cut_while_the_job_runs(scene: Scene) -> None:
    """The cable is out for longer than any keepalive: the job goes on, and the console finds it again by itself."""
    case = Case(scene)
    case.settings(grace_seconds=4)
    case.renew()
    process = case.start()
    case.reaches("activating")
    case.host.cut()
    assert case.lab.ssh(case.host.name, "true", "-o", "ConnectTimeout=1", check=False).returncode == 255
    wait_for("the job has ended", lambda: not running_jobs(case.host), 60)
    case.changed()
    wait_for("the console has noticed", lambda: "connection lost" in told(case), 40)
    case.host.heal()
    assert "connection was lost meanwhile" in ended(process).ends(SUCCEEDED).text
    case.changed()


def running_jobs(host: Host) -> str:
    return host.exec("for j in /var/lib/clavel/jobs/*; do [ -f $j/result ] || echo $j; done").stdout


@beside(stacks=CALM)
def test_link_cut_while_the_bundle_is_put(scene: Scene) -> None:
    """Half a bundle is on the unit when the cable is pulled: it is never run, and nothing was changed."""
    case = Case(scene)
    case.renew()
    (case.console.source(case.host.name, "web") / "blob").write_bytes(random.Random(1).randbytes(2 << 20))
    case.host.rate(2000)
    process = case.start()
    arrived = "du -sk /tmp/clavel-put.* 2>/dev/null | awk '{ kib += $1 } END { print kib + 0 }'"
    wait_for("a part has arrived", lambda: int(case.host.exec(arrived).stdout or 0) > 200, 60)
    case.host.cut()
    assert int(case.host.exec(arrived).stdout) < 2048
    done = ended(process).ends(UNREACHABLE)
    assert "nothing was changed" in done.text
    assert len(case.jobs()) == 1
    case.unchanged()
    case.host.heal()
    case.host.kill_sessions()  # as sshd does itself when it notices
    wait_for("nothing is left of it", lambda: case.host.exec("ls /tmp | grep clavel-put || true").stdout == "")
    case.web.update().ends(SUCCEEDED)
    case.changed()


@beside(stacks=CALM)
def test_slow_and_lossy_line(scene: Scene) -> None:
    """300 ms each packet and 5 % of them lost: slow, and right, there and back."""
    case = Case(scene)
    case.renew()
    case.host.delay(150, loss=5)
    begun = time.monotonic()
    case.lab.ssh(case.host.name, "true", *PATIENT)
    assert time.monotonic() - begun > 1
    case.web.update().ends(SUCCEEDED)
    case.changed()
    case.web.rollback().ends(SUCCEEDED)
    assert case.web.images() == {"app": case.v1}
    assert case.web.by_hand("cat note") == "old"
    case.tidy()


# ---------------------------------------------------------------- the console


BOUNDARIES = {
    "planned": "",
    "begun": "never-started",
    "put": "never-started",
    "started": "succeeded",
    "followed:ended": "succeeded",
    "ended": "succeeded",
    "settling": "succeeded",
    "settled": "succeeded",
}


@beside(stacks=CALM)
def test_console_killed_at_every_boundary(scene: Scene) -> None:
    """Killed with -9 at each boundary of the journal: the next console tells what became of it, once, and truly."""
    case = Case(scene)
    rows = 1
    for boundary, outcome in BOUNDARIES.items():
        note = case.web.by_hand("cat note")
        case.web.files(case.files(f"after {boundary}"))
        folder = case.folder / f"at-{boundary}"
        process = case.stopping(boundary, "kill", folder)
        process.communicate(timeout=180)
        assert process.returncode == -signal.SIGKILL
        assert (folder / "there").exists()
        history = case.history()
        rows += bool(outcome)
        assert len(history) == rows, boundary
        if outcome:
            assert (history[0]["state"], history[0]["outcome"]) == ("settled", outcome), boundary
        want = f"after {boundary}" if outcome == "succeeded" else note
        assert case.web.by_hand("cat note") == want, boundary
        case.tidy()
    assert case.history() == history


@beside(stacks=CALM)
def test_console_killed_at_any_moment(scene: Scene) -> None:
    """Killed at moments that nobody chose: the journal's last word is what the host shows."""
    seed = int(os.environ.get("FAULT_SEED", time.time_ns() % 100000))
    print(f"FAULT_SEED={seed}")
    moments = random.Random(seed)
    case = Case(scene)
    case.web.files(case.files("to its end"))
    begun = time.monotonic()
    case.web.update().ends(SUCCEEDED)
    lasts = time.monotonic() - begun  # here and now, beside whatever else runs
    for n in range(5):
        note = case.web.by_hand("cat note")
        case.web.files(case.files(f"try {n}"))
        known = len(case.history())
        with case.start() as process:
            time.sleep(moments.uniform(0.3, lasts))
            process.kill()
        history = case.history()
        now = case.web.by_hand("cat note")
        if len(history) == known:
            assert now == note
        else:
            assert history[0]["state"] == "settled"
            expected = {"succeeded": f"try {n}", "never-started": note}
            assert now == expected[history[0]["outcome"]], history[0]
        case.tidy()


@beside(stacks=CALM)
def test_two_operators_at_once(scene: Scene) -> None:
    """Two consoles with the same plan start at the same moment: one updates, the other is refused and told by whom."""
    case = Case(scene, pre_update=WAIT)
    case.renew()
    consoles = (case.console, case.console.another("second.db"))
    folders = [case.folder / f"op{n}" for n in range(2)]
    processes = [case.stopping("put", "wait", f, c) for f, c in zip(folders, consoles, strict=True)]
    for process, folder in zip(processes, folders, strict=True):
        reach(process, folder)
    for folder in folders:
        (folder / "go").touch()
    wait_for("one has ended", lambda: any(p.poll() is not None for p in processes), 40)
    case.go()
    done = sorted((ended(p) for p in processes), key=lambda answer: answer.code)
    assert [answer.code for answer in done] == [SUCCEEDED, REFUSED]
    assert done[1].operation["outcome"] == "refused"
    assert "another job holds" in done[1].text
    assert f"job={done[0].operation['id']}" in done[1].text
    assert case.hooks() == 1
    case.changed()


# ---------------------------------------------------------------- the engine


@beside()
def test_engine_killed_while_an_update_is_judged(scene: Scene) -> None:
    """The engine dies and comes back: whichever way the update ends, that is what runs."""
    case = Case(scene)
    case.settings(grace_seconds=6, health_seconds=120)
    case.renew()
    process = case.start()
    case.reaches("activating")
    pid = case.host.exec("cat /run/docker.pid").stdout
    case.host.service("dockerd", "kill")
    wait_for("another dockerd", lambda: case.host.exec("cat /run/docker.pid", check=False).stdout not in {"", pid}, 30)
    done = ended(process)
    case.host.wait_ready()
    assert done.code in {SUCCEEDED, RETURNED}, done
    if done.code == SUCCEEDED:
        case.changed()
    else:
        case.unchanged_but_recreated()


@beside(stacks=CALM)
def test_engine_killed_in_mid_pull(scene: Scene) -> None:
    """The engine dies under `docker compose pull`: nothing was changed, and the tag that moved is back."""
    case = Case(scene)
    slow_pull(case)
    process = case.start()
    tag_moves(case)
    case.host.service("dockerd", "kill")
    done = ended(process).ends(FAILED)
    assert "pulled" in done.text
    case.host.wait_ready()
    assert case.web.image_named(tagged(case.shelf, "app")) == case.v1
    assert case.web.images() == {"app": case.v1}
    assert case.web.by_hand("cat note") == "old"
    case.tidy()


def slow_pull(case: Case) -> None:
    """A new `app` that comes at once, and a second image that takes its time."""
    push(case.shelf, "app", "v2")
    case.shelf.image("big", "v1", also=["latest"], filler_mib=24, seed=time.time_ns())
    case.web.files(case.files("new", "big"))
    case.host.rate(16_000)


def tag_moves(case: Case) -> None:
    """The pull is under way: the first tag has moved, and the second image is not there."""
    wait_for("the tag has moved", lambda: case.web.image_named(tagged(case.shelf, "app")) != case.v1, 40)
    assert case.host.exec(["docker", "image", "inspect", tagged(case.shelf, "big")], check=False).returncode
    assert running_jobs(case.host)


@beside(timed=True)
def test_engine_that_hangs_costs_its_own_facts_only(scene: Scene) -> None:
    """A stopped dockerd: the unit is told in seconds, with all other facts; a plan is refused; then all is well again."""
    case = Case(scene)
    case.renew()
    case.host.exec("kill -STOP $(cat /run/docker.pid)")
    try:
        assert case.host.exec("timeout 1 docker version", check=False).returncode == 124
        begun = time.monotonic()
        (unit,) = case.console.run("units", "--unit", case.host.name, "--json").ends(0).json
        assert time.monotonic() - begun < 40  # what a look may take in all is more
        assert unit["health"] == "failed"
        assert any("Docker does not answer" in reason["text"] for reason in unit["reasons"])
        assert "Debian" in unit["os"]
        assert unit["seen_at"] > time.time() - 60
        done = case.web.update().ends(REFUSED)
        assert "Docker does not answer" in done.err
    finally:
        case.host.exec("kill -CONT $(cat /run/docker.pid)")
    case.unchanged()


# ---------------------------------------------------------------- the disk


@contextlib.contextmanager
def small_disk(host: Host, folder: str, kib: int) -> Iterator[None]:
    """A disk of its own below a folder, with what the folder held."""
    host.exec(
        f"cp -a {folder} /run/kept && mount -t tmpfs -o size={kib}k,mode=700 small {folder} &&"
        f" cp -a /run/kept/. {folder} && rm -rf /run/kept"
    )
    try:
        yield
    finally:
        host.exec(f"umount -l {folder}")


def fill(host: Host, folder: str) -> None:
    """Not one block is left."""
    left = host.exec(f"dd if=/dev/zero of={folder}/filler bs=4k 2>/dev/null; df -Pk {folder} | tail -n 1").stdout
    assert left.split()[3] == "0"


@beside(stacks=CALM)
def test_full_state_disk_refuses_an_update(scene: Scene) -> None:
    """No room in /var/lib/clavel: refused in seconds, and nothing was changed; with room again it goes."""
    case = Case(scene)
    case.renew()
    with small_disk(case.host, "/var/lib/clavel", 2048):
        fill(case.host, "/var/lib/clavel")
        begun = time.monotonic()
        done = case.web.update().ends(REFUSED)
        assert time.monotonic() - begun < 60  # to wait for an end that does not come takes longer
        assert done.operation["outcome"] == "refused"
        assert case.web.all() == case.still
        case.host.exec("rm /var/lib/clavel/filler")
        assert "MiB free" in case.web.update().ends(REFUSED).text
    case.unchanged()
    case.web.update().ends(SUCCEEDED)
    case.changed()


@beside(stacks=CALM)
def test_disk_of_the_jobs_that_fills_before_the_change_refuses(scene: Scene) -> None:
    """/var/lib/clavel fills while the update runs: nothing was changed, and tags are back."""
    case = Case(scene, pre_update=WAIT, min_free_mib=1)
    case.renew()
    with small_disk(case.host, "/var/lib/clavel", 4096):
        process = case.start()
        case.reaches("recorded")
        fill(case.host, "/var/lib/clavel")
        case.go()
        assert "nothing was changed" in ended(process).ends(REFUSED).text
        case.host.exec("rm /var/lib/clavel/filler")
        case.unchanged()


@beside(stacks=CALM)
def test_stack_s_disk_that_is_full_refuses(scene: Scene) -> None:
    """No room in /srv for the new files: nothing was changed."""
    case = Case(scene)
    case.renew()
    with small_disk(case.host, "/srv", 4096):
        fill(case.host, "/srv")
        assert "nothing was changed" in case.web.update().ends(REFUSED).text
        case.host.exec("rm /srv/filler")
        case.unchanged()


@beside(stacks=CALM)
def test_stack_s_disk_that_fills_meanwhile(scene: Scene) -> None:
    """/srv fills while the update runs: the new files lay there already, so it goes on, and they are whole."""
    case = Case(scene, pre_update=WAIT)
    case.renew()
    with small_disk(case.host, "/srv", 4096):
        process = case.start()
        case.reaches("recorded")
        fill(case.host, "/srv")
        case.go()
        ended(process).ends(SUCCEEDED)
        case.host.exec("rm /srv/filler")
        case.changed()


@beside(stacks=CALM)
def test_disk_that_fills_after_the_change_lets_the_way_back_through(scene: Scene) -> None:
    """Both disks are full when the new version turns out bad: the release that ran before is back, whole."""
    case = Case(scene, min_free_mib=1, health_seconds=30)
    case.renew(health="bad")
    with small_disk(case.host, "/var/lib/clavel", 4096), small_disk(case.host, "/srv", 4096):
        process = case.start()
        case.reaches("activating")
        fill(case.host, "/srv")
        fill(case.host, "/var/lib/clavel")
        ended(process).ends(RETURNED)
        case.host.exec("rm /srv/filler /var/lib/clavel/filler")
        case.unchanged_but_recreated()


# ---------------------------------------------------------------- what else may be gone or in the way


@beside(stacks=CALM)
def test_nixos_switching_refuses_an_update(scene: Scene) -> None:
    """NixOS holds its own lock: refused, and nothing was changed; after the switch it goes."""
    case = Case(scene)
    case.renew()
    lock = "/run/nixos/switch-to-configuration.lock"
    case.host.exec(f"mkdir -p /run/nixos; setsid flock {lock} sleep 600 >/dev/null 2>&1 & echo $! >/run/switching")
    wait_for("NixOS holds it", lambda: case.host.exec(f"flock -n {lock} true", check=False).returncode != 0)
    try:
        assert "NixOS is switching" in case.web.update().ends(REFUSED).text
        case.unchanged()
    finally:
        case.host.exec(f"fuser -k {lock} 2>/dev/null || pkill -f 'sleep 600'", check=False)
    wait_for("it is free", lambda: case.host.exec(f"flock -n {lock} true", check=False).returncode == 0)
    case.web.update().ends(SUCCEEDED)
    case.host.exec("rm -r /run/nixos")
    case.changed()


def reboot(host: Host) -> None:
    host.reboot()


def power_cut(host: Host) -> None:
    host.power_cut()
    assert not host.is_on
    host.start()
    host.wait_ready()


@pytest.mark.parametrize("fault", [reboot, power_cut])
@beside()
def test_unit_goes_down_in_mid_update(scene: Scene, fault: Callable[[Host], None]) -> None:
    """A reboot and a power cut in mid-update: interrupted, with what runs now; then the rollback goes where it should."""
    case = Case(scene)
    case.settings(grace_seconds=60, health_seconds=90)
    case.renew()
    boot = case.host.boot_id()
    process = case.start()
    case.reaches("activating")
    wait_for("v2 runs", lambda: case.web.images().get("app") not in {None, case.v1})
    fault(case.host)
    assert case.host.boot_id() != boot
    done = ended(process).ends(INTERRUPTED)
    assert "the unit was restarted" in done.text or (fault is reboot and "it was killed" in done.text)
    assert "activating" in done.text
    assert "runs now" in done.text
    assert case.web.page("app") == "app v2"
    case.settings()
    case.web.rollback().ends(SUCCEEDED)
    assert case.web.images() == {"app": case.v1}
    assert case.web.by_hand("cat note") == "old"
    case.tidy()
