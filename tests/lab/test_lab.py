"""The lab keeps its promises: its hosts are real, each fault is there when set, and `down` is complete."""

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from . import cgroup, network
from .files import CLERK_PASSWORD
from .lab import PATIENT, Lab, clear
from .plan import Plan
from .shell import LabError, alive, read_pid, wait_for

pytestmark = pytest.mark.lab

COMPOSE = """\
services:
  app:
    image: {image}
    restart: always
    ports: ["8080:8080"]
"""


def fails(lab: Lab, host: str, *options: str) -> str:
    """What ssh says when it cannot connect."""
    done = lab.ssh(host, "true", *options, check=False)
    assert done.returncode == 255
    return done.stderr


def connect_time(lab: Lab, host: str) -> float:
    """The best of five: one stall of this machine says nothing of the cable."""
    times = []
    for _ in range(5):
        begin = time.monotonic()
        socket.create_connection((lab.host(host).address, 22), 10).close()
        times.append(time.monotonic() - begin)
    return min(times)


def pull_time(lab: Lab, host: str, reference: str) -> float:
    begin = time.monotonic()
    lab.ssh(host, f"docker pull -q {reference}")
    return time.monotonic() - begin


def test_hosts_answer_in_band_and_out_of_band(lab: Lab) -> None:
    for host in lab.hosts:
        assert lab.ssh(host.name, "hostname").stdout == f"{host.name}\n"
        assert host.exec(["hostname"]).stdout == f"{host.name}\n"
    assert lab.ssh("h1", "cat /proc/sys/kernel/random/boot_id").stdout.strip() == lab.host("h1").boot_id()
    lab.host("h1").put("/srv/deep/file", "it's text\n", 0o640)
    assert lab.ssh("h1", "stat -c %a /srv/deep/file; cat /srv/deep/file").stdout == "640\nit's text\n"
    assert lab.ssh("h1", "wget -T 1 -qO- http://1.1.1.1 || ip route", check=False).stdout.count("default") == 0


def test_unknown_host_key_is_refused(lab: Lab) -> None:
    assert "verification failed" in fails(lab, "h1", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=INFO")


def test_users_may_what_they_should(lab: Lab) -> None:
    assert lab.ssh("h1", "docker ps -q", user="deploy").returncode == 0
    assert lab.ssh("h1", "docker ps -q", user="ops", check=False).returncode == 1
    assert lab.ssh("h1", "sudo -n id -u", user="ops").stdout == "0\n"
    for user in ("deploy", "clerk"):
        assert "password is required" in lab.ssh("h1", "sudo -n id", user=user, check=False).stderr
    for password, code in (("wrong", 1), (CLERK_PASSWORD, 0)):
        sudo = lab.ssh("h1", f"echo {password} | sudo -k -S -p '' id -u", user="clerk", check=False)
        assert sudo.returncode == code


def test_compose_runs_an_image_of_the_registry(lab: Lab) -> None:
    one = lab.image("app", "v1", also=["latest"])
    assert one == lab.image("app", "v1")
    assert one != lab.image("app", "v2", text="new")
    host = lab.host("h2")
    host.put("/srv/web/compose.yaml", COMPOSE.format(image=one))
    up = "docker compose --project-directory /srv/web up --quiet-pull --wait --wait-timeout 30"
    lab.ssh("h2", up, user="deploy")
    assert lab.ssh("h1", f"busybox wget -qO- http://{host.address}:8080/").stdout == "app:v1\n"
    bad = lab.image("app", "v3", health="bad")
    host.put("/srv/web/compose.yaml", COMPOSE.format(image=bad))
    assert "unhealthy" in lab.ssh("h2", up, check=False).stderr
    once = lab.image("once", "v1", oneshot=True, text="bye")
    assert lab.ssh("h2", f"docker run --rm {once}").stdout == "bye\n"
    host.wipe_docker()
    assert lab.ssh("h2", "docker ps -aq; docker images -q; docker volume ls -q").stdout == ""


def test_nix_builds_and_keeps_generations(lab: Lab) -> None:
    expression = 'derivation {name="a"; system="x86_64-linux"; builder="/bin/sh"; args=["-c" "echo N > $out"];}'
    profile = "/nix/var/nix/profiles/system"
    for number in "12":
        made = lab.ssh("h3", f"nix-build --no-out-link -E '{expression.replace('N', number)}'").stdout.strip()
        lab.ssh("h3", f"nix-env -p {profile} --set {made}")
    generations = lab.ssh("h3", f"nix-env -p {profile} --list-generations").stdout.splitlines()
    assert [line.split()[0] for line in generations][-2:] == ["1", "2"]
    assert lab.ssh("h3", f"cat {profile}", user="deploy").stdout == "2\n"


def test_small_disk_fills() -> None:
    with Lab(hosts=1, docker_disk=16) as lab:
        lab.ssh("h1", f"docker pull -q {lab.image('app', 'v1')}")
        big = lab.image("big", "v1", filler_mib=32)
        assert "no space left" in lab.ssh("h1", f"docker pull -q {big}", check=False).stderr


def test_registry_goes_down_and_keeps_its_images(lab: Lab) -> None:
    reference = lab.image("keep", "v1")
    lab.registry.stop()
    assert "refused" in lab.ssh("h1", f"docker pull {reference}", check=False).stderr
    lab.registry.start()
    lab.ssh("h1", f"docker pull -q {reference}")


def test_cut_cable_is_silent(lab: Lab) -> None:
    host = lab.host("h1")
    host.cut()
    assert "timed out" in fails(lab, "h1", "-o", "ConnectTimeout=1")
    assert host.exec("hostname").stdout == "h1\n"
    host.heal()
    assert lab.ssh("h1", "hostname").stdout == "h1\n"


def test_cable_delays_and_loses(lab: Lab) -> None:
    host = lab.host("h1")
    assert connect_time(lab, "h1") < 0.05
    host.delay(60, jitter=5)
    connect_time(lab, "h1")  # asks for the hardware address as well
    assert 0.12 <= connect_time(lab, "h1") < 0.5
    host.drop(20)
    assert lab.ssh("h1", "hostname", *PATIENT).stdout == "h1\n"
    host.drop(100)
    assert "timed out" in fails(lab, "h1", "-o", "ConnectTimeout=1")
    host.heal()
    assert connect_time(lab, "h1") < 0.05


def test_slow_cable_makes_a_pull_last(lab: Lab) -> None:
    reference = lab.image("big", "v1", filler_mib=2, seed=1)
    assert reference == lab.image("big", "v1", filler_mib=2, seed=1)
    assert reference != lab.image("big", "v1", filler_mib=2, seed=2)
    host = lab.host("h3")
    host.rate(16000)
    slow = pull_time(lab, "h3", reference)
    assert slow > 1.2
    host.heal()
    assert min(pull_time(lab, "h3", lab.image("big", f"v{n}", filler_mib=2, seed=n)) for n in (3, 4, 5)) < slow


def test_frozen_host_accepts_and_says_nothing(lab: Lab) -> None:
    host = lab.host("h1")
    host.freeze()
    assert connect_time(lab, "h1") < 1
    assert "banner exchange" in fails(lab, "h1", "-o", "ConnectTimeout=1")
    host.thaw()
    assert lab.ssh("h1", "hostname").stdout == "h1\n"


def test_memory_limit_kills(lab: Lab) -> None:
    host = lab.host("h1")
    with pytest.raises(LabError, match="cannot be limited to 1 MiB"):
        host.limit_memory(1)
    host.limit_memory(300)
    hog = lab.ssh("h1", "head -c 800M /dev/zero | tail -c 700M | wc -c", check=False)
    assert hog.stdout != f"{700 << 20}\n"
    host.limit_memory(None)
    assert lab.ssh("h1", "head -c 800M /dev/zero | tail -c 700M | wc -c").stdout == f"{700 << 20}\n"


def test_services_die_and_are_held_down(lab: Lab) -> None:
    host = lab.host("h2")
    host.service("dockerd", "stop")
    wait_for("end of dockerd", lambda: lab.ssh("h2", "docker ps", check=False).returncode == 1)
    host.service("dockerd", "start")
    host.wait_ready()

    def refused() -> bool:
        """It comes back by itself within a second: one that is up again is killed again."""
        host.service("sshd", "kill")
        return "refused" in lab.ssh("h2", "true", check=False).stderr

    wait_for("a killed sshd refuses", refused)
    host.wait_ready()
    assert lab.ssh("h2", "docker ps").returncode == 0


def test_killed_sessions_leave_their_commands_running(lab: Lab) -> None:
    session = ["ssh", "-F", str(lab.ssh_dir / "config"), "h2"]
    waiting = "rm -f /run/go-on; echo in; until [ -e /run/go-on ]; do sleep 0.1; done; touch /run/went-on"
    with subprocess.Popen([*session, waiting], stdout=subprocess.PIPE) as ssh:
        assert ssh.stdout
        assert ssh.stdout.readline() == b"in\n"
        lab.host("h2").kill_sessions()
        assert ssh.wait(60) == 255
    lab.host("h2").exec("touch /run/go-on")
    wait_for("orphan", lambda: lab.ssh("h2", "test -e /run/went-on", check=False).returncode == 0)


def test_reboot_gives_a_new_boot_and_keeps_the_disk(lab: Lab) -> None:
    host = lab.host("h1")
    before = host.boot_id()
    host.put("/root/kept", "yes")
    begun = time.monotonic()
    host.reboot()
    assert host.boot_id() != before
    assert float(lab.ssh("h1", "cat /proc/uptime; cat /root/kept").stdout.split()[0]) <= time.monotonic() - begun + 2
    assert host.exec("cat /root/kept").stdout == "yes"


def test_power_cut_is_silent_until_start(lab: Lab) -> None:
    host = lab.host("h3")
    before = host.boot_id()
    options = ("LogLevel=INFO", "ServerAliveInterval=1", "ServerAliveCountMax=1")
    session = ["ssh", "-F", str(lab.ssh_dir / "config"), *(f"-o{option}" for option in options), "h3"]
    with subprocess.Popen([*session, "echo in; sleep 60"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as ssh:
        assert ssh.stdout
        assert ssh.stdout.readline() == b"in\n"
        host.power_cut()
        assert not host.is_on
        assert b"not responding" in ssh.communicate(timeout=20)[1]
    assert "timed out" in fails(lab, "h3", "-o", "ConnectTimeout=1")
    with pytest.raises(LabError, match="off"):
        host.exec("true")
    host.start()
    host.wait_ready()
    assert host.boot_id() != before


def left_behind(plan: Plan) -> list[str]:
    """What still bears the lab's name."""
    found = network.leftovers(plan)
    found += [line for line in Path("/proc/mounts").read_text().splitlines() if f"{plan.name}-" in line]
    found += [str(path) for path in cgroup.ROOT.glob(f"*/{plan.name}")]
    found += [str(plan.folder)] * plan.folder.exists()
    links = json.loads(subprocess.run(["ip", "-json", "link"], capture_output=True, check=True).stdout)
    return found + [link["ifname"] for link in links if link["ifname"].startswith(plan.name)]


@pytest.mark.parametrize("stack", ["bookworm", "trixie"])
def test_down_leaves_nothing_behind(stack: str) -> None:
    with Lab("trixie" if stack == "trixie" else "bookworm", 2) as lab:
        lab.host("h1").exec(f"docker run -d --name busy {lab.image('app', 'v1')}")
        lab.host("h1").exec("docker pause busy")
        lab.host("h1").freeze()
        lab.host("h2").delay(5)
        keeper = read_pid(lab.plan.home("h2") / "keeper.pid")
        assert keeper
        os.kill(keeper, signal.SIGKILL)
        pids = cgroup.processes(lab.plan.name)
        assert len(pids) > 10
    assert left_behind(lab.plan) == []
    assert not [pid for pid in pids if alive(pid)]


def test_failed_test_takes_its_lab_down() -> None:
    lab = Lab(hosts=1)
    with pytest.raises(ZeroDivisionError), lab:
        _ = 1 / 0
    assert left_behind(lab.plan) == []


def test_killed_run_is_cleared_and_its_slot_is_taken_again() -> None:
    lab = Lab(hosts=1)
    lab.up()
    lab.release()  # as when the process is killed: hosts run, nobody holds the slot
    with Lab(hosts=1, slot=lab.plan.slot) as again:
        assert again.ssh("h1", "hostname").stdout == "h1\n"
        with pytest.raises(LabError, match="in use"):
            Lab(slot=again.plan.slot)
    clear(lab.plan)
    assert left_behind(lab.plan) == []
