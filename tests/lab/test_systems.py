"""Whole systems on real hosts: evaluated, built, copied, activated, proved, and brought back."""

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .cache import Cache
from .host import Host
from .shell import wait_for
from .stopping import stopping
from .systems import JUDGE, Fleet, boots, made, profile, runs
from .terminal import Terminal

pytestmark = [pytest.mark.lab, pytest.mark.waits]
NOWHERE = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-nowhere"
SUCCEEDED, FAILED, REFUSED, UNITS_FAILED, RETURNED, NEEDS_REBOOT = 0, 1, 3, 4, 5, 10
KINDS = [("bookworm", "own"), ("trixie", "judge" if JUDGE.exists() else "own")]


@pytest.fixture(scope="module", params=KINDS, ids=["-".join(kind) for kind in KINDS])
def workshop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One workstation a stack of hosts: its store is filled once."""
    yield from made(request, tmp_path_factory.mktemp("systems") / "ws")


@pytest.fixture
def fleet(workshop: Fleet) -> Iterator[Fleet]:
    """Every host runs its first system, and nobody remembers anything."""
    for name in ("journal.db", "journal.db-wal", "journal.db-shm"):
        (workshop.folder / name).unlink(missing_ok=True)
    shutil.rmtree(workshop.folder / "roots", ignore_errors=True)
    for host in workshop.lab.hosts:
        workshop.unit(host.name)
        workshop.settings[host.name] = {"version": "24.11.1", "motd": host.name}
    workshop.commit()
    workshop.begin()
    yield workshop
    workshop.lab.reset()


def test_three_hosts_are_deployed_proved_and_brought_back(fleet: Fleet) -> None:
    hosts = fleet.lab.hosts
    firsts = {host.name: runs(host) for host in hosts}
    fleet.commit(**{host.name: {"version": "24.11.2", "motd": "new"} for host in hosts})
    evaluated = fleet.console.run("eval", "--json").ends(SUCCEEDED).json
    wanted = {one["unit"]: one["nar_id"] for one in evaluated["units"]}
    fleet.change("deploy", *wanted).ends(SUCCEEDED)
    assert not any(Path(path).exists() for path in wanted.values())  # the workstation's store is not this machine's own
    assert {host.name: (runs(host), profile(host), boots(host)) for host in hosts} == {
        name: (path, path, path) for name, path in wanted.items()
    }
    fleet.change("rollback", *(word for name in wanted for word in ("--unit", name))).ends(SUCCEEDED)
    assert {host.name: (runs(host), profile(host), boots(host)) for host in hosts} == {
        name: (path, path, path) for name, path in firsts.items()
    }


def test_keys_evaluate_deploy_and_bring_back(fleet: Fleet) -> None:
    """The same in the real console: e, d p y, then r enter y."""
    h1 = fleet.lab.hosts[0]
    first = runs(h1)
    fleet.commit(h1={"version": "24.11.2", "motd": "new"})
    with Terminal(fleet.console._argv(), width=130, height=40, env=fleet.home) as keys:
        keys.until("3 units")
        keys.press("e")
        keys.until("evaluate systems: succeeded", "should run h1@")
        keys.press("d")
        keys.until("not built yet", "p  prepare")
        keys.press("p")
        keys.until("24.11.1 → 24.11.2", "y  do it now")
        keys.until_gone("p  prepare")
        keys.press("y")
        keys.until("deploy h1: succeeded")
        second = runs(h1)
        assert (second, profile(h1), boots(h1)) == (second, second, second)
        assert second != first
        keys.until_gone("▸ deploy h1")
        keys.press("r")
        keys.until("last known good", "enter  choose")
        keys.press("Enter")
        keys.until("24.11.2 → 24.11.1", "y  do it now")
        keys.press("y")
        keys.until("rollback h1")
        keys.until("succeeded")
        wait_for("h1 is back", lambda: (runs(h1), profile(h1), boots(h1)) == (first, first, first), timeout=60)


def test_packages_are_told_as_nix_itself_does(fleet: Fleet) -> None:
    first = runs(fleet.lab.hosts[0])
    second = fleet.new("h1", "24.11.2", kernel="6.9.9", payloadMiB=3)
    fleet.console.run("prepare", "h1").ends(SUCCEEDED)
    ours = fleet.console.run("diff", "h1").ends(1).out.splitlines()
    theirs = re.sub(r"\x1b\[[0-9;]*m", "", fleet.nix("store", "diff-closures", first, second).stdout).splitlines()
    assert {told(line) for line in theirs} <= {told(line) for line in ours}
    assert any("→" in line for line in theirs)


def told(line: str) -> str:
    """A package with its versions; of one that only grew or shrank the name, since Nix says all sizes in KiB."""
    return line.split(",", maxsplit=1)[0] if "→" in line else line.split(":", maxsplit=1)[0]


def test_a_deployment_that_cuts_its_own_network_comes_back_also_when_the_console_was_closed(fleet: Fleet) -> None:
    """h1's console stays and says so; h2's is killed while it waits, and the next one finds out."""
    h1, h2, _ = fleet.lab.hosts
    before = {host.name: runs(host) for host in (h1, h2)}
    for host in (h1, h2):
        fleet.unit(host.name, system={"confirm_seconds": 6})
    fleet.commit(h1={"version": "24.11.2", "cutNetwork": True}, h2={"version": "24.11.2", "cutNetwork": True})
    fleet.console.run("eval").ends(SUCCEEDED)
    fleet.console.run("prepare", "h1", "h2").ends(SUCCEEDED)
    killed = fleet.console.start("deploy", "h2", "--yes")
    wait_for("h2 lost its link", lambda: "DOWN" in link(h2), timeout=60)
    killed.kill()
    killed.communicate()
    answer = fleet.change("deploy", "h1").ends(RETURNED)
    assert "nobody reached this unit over a new connection within 6 s" in answer.text
    (settled,) = [one for one in fleet.console.run("history", "--json").json if one["request"]["unit"] == "h2"][:1]
    assert settled["outcome"] == "returned", settled
    for host in (h1, h2):
        assert (runs(host), profile(host)) == (before[host.name], before[host.name])
        assert "UP" in link(host)


@contextmanager
def listener(host: Host, port: int) -> Iterator[None]:
    """Something on the host accepts connections to the port, as long as the block lasts."""
    host.exec(f"nohup /usr/sbin/sshd -D -p {port} -o PidFile=none >/dev/null 2>&1 & echo $! >/tmp/listener")
    wait_for("it accepts", lambda: accepts(host, port))
    try:
        yield
    finally:
        host.exec("kill $(cat /tmp/listener)", check=False)


def accepts(host: Host, port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex((host.address, port)) == 0


def link(host: Host) -> str:
    """The state of the host's cable, seen from inside; Docker has bridges of its own."""
    return host.exec("ip -o link show eth0").stdout


def test_what_goes_wrong_returns_and_names_what_failed(fleet: Fleet) -> None:
    """One host's activation fails, another's leaves failed units, and a third is told to keep them."""
    h1, h2, h3 = fleet.lab.hosts
    before = {host.name: runs(host) for host in fleet.lab.hosts}
    fleet.unit("h3", system={"on_failure": "leave"})
    broken = {"version": "24.11.2", "failUnits": ["mail.service", "web.service"]}
    fleet.commit(h1={"version": "24.11.2", "failActivation": True}, h2=broken, h3=broken)
    wanted = {one["unit"]: one["nar_id"] for one in fleet.console.run("eval", "--json").ends(SUCCEEDED).json["units"]}
    answer = fleet.change("deploy", "h1", "h2", "h3").ends(UNITS_FAILED)
    said = {one["request"]["unit"]: (one["outcome"], one["text"]) for one in answer.json["operations"]}
    assert said["h1"][0] == "returned"
    assert "exit code 2" in said["h1"][1]
    assert said["h2"][0] == "returned"
    assert said["h3"][0] == "units-failed"
    assert all("mail.service, web.service" in said[name][1] for name in ("h2", "h3"))
    assert {host.name: runs(host) for host in fleet.lab.hosts} == before | {"h3": wanted["h3"]}
    assert (profile(h1), profile(h2), profile(h3)) == (before["h1"], before["h2"], wanted["h3"])


def test_a_reboot_while_it_waits_lands_on_the_old_system(fleet: Fleet) -> None:
    h1 = fleet.lab.hosts[0]
    before = runs(h1)
    fleet.unit(
        "h1", system={"confirm_seconds": 60, "grace_seconds": 10, "check_seconds": 30}, checks=[{"tcp": 9}]
    )  # it ends after the activation: no word is given
    wanted = fleet.new("h1", "24.11.2")
    fleet.console.run("prepare", "h1").ends(SUCCEEDED)
    with listener(h1, 9):
        deploying = fleet.console.start("deploy", "h1", "--yes", "--json")
        wait_for("h1 runs the new one", lambda: runs(h1) == wanted, timeout=60)
    h1.reboot()
    out, _ = deploying.communicate(timeout=400)
    (operation,) = json.loads(out)["operations"]
    assert operation["outcome"] == "interrupted", operation
    # Looked at while the unit goes down, it is a job that was killed there.
    assert any(why in operation["text"] for why in ("the unit was restarted", "it was killed"))
    assert (runs(h1), profile(h1)) == (before, before)


def test_modes_inhibitors_and_the_reboot_that_is_due(fleet: Fleet) -> None:
    h1, h2, h3 = fleet.lab.hosts
    before = {host.name: runs(host) for host in fleet.lab.hosts}
    new = {"version": "24.11.2", "kernel": "6.9.9"}
    fleet.commit(h1=new, h2=new, h3={**new, "inhibitors": ["dbus: implementation changed"]})
    wanted = {one["unit"]: one["nar_id"] for one in fleet.console.run("eval", "--json").ends(SUCCEEDED).json["units"]}
    fleet.change("deploy", "h1", "--mode", "test").ends(SUCCEEDED)
    assert (runs(h1), profile(h1), boots(h1)) == (wanted["h1"], before["h1"], before["h1"])
    fleet.change("deploy", "h2", "--mode", "boot").ends(SUCCEEDED)
    assert (runs(h2), profile(h2), boots(h2)) == (before["h2"], wanted["h2"], wanted["h2"])
    preview = fleet.console.run("deploy", "h3", "--dry-run").ends(SUCCEEDED)
    assert "not built yet" in preview.err
    answer = fleet.change("deploy", "h3").ends(NEEDS_REBOOT)
    assert "comes up at the next boot" in answer.text
    assert (runs(h3), profile(h3)) == (before["h3"], wanted["h3"])
    assert "reboot" in fleet.console.run("deploy", "h3", "--dry-run").err
    h3.reboot()
    assert runs(h3) == wanted["h3"]


def test_garbage_is_collected_and_the_third_last_comes_back(fleet: Fleet) -> None:
    """Our roots keep what was deployed, also from `nix-collect-garbage -d`; what is gone all the same is copied again."""
    h1 = fleet.lab.hosts[0]
    first = runs(h1)
    paths = [fleet.new("h1", "24.11.2"), fleet.new("h1", "24.11.3")]
    for path in paths:
        fleet.change("deploy", "h1", "--to", path).ends(SUCCEEDED)
    assert runs(h1) == paths[-1]
    h1.exec("nix-collect-garbage -d")
    fleet.change("rollback", "--unit", "h1", "--to", first).ends(SUCCEEDED)
    assert (runs(h1), profile(h1)) == (first, first)
    h1.exec(f"rm -f /nix/var/nix/gcroots/clavel/* && nix-collect-garbage -d && ! test -e {paths[0]}")
    fleet.change("rollback", "--unit", "h1", "--to", paths[0]).ends(SUCCEEDED)  # the workstation still has it
    assert runs(h1) == paths[0]
    gone = fleet.console.run("rollback", "--unit", "h3", "--to", f"/nix/store/{'0' * 32}-nixos-system-h3-1", "--yes")
    gone.ends(REFUSED)
    assert "neither on h3 nor on this workstation" in gone.err


def test_bad_input_is_refused_in_a_sentence(fleet: Fleet) -> None:
    """Nothing is built, copied or touched for any of these."""
    fleet.new("h1", "24.11.2")
    h1 = fleet.lab.hosts[0]
    before = runs(h1)
    (amber,) = [one["short"] for one in fleet.console.run("deployments", "h2", "--json").json][:1]
    for words, sentence in {
        ("deploy", "h9"): "there is no unit h9",
        ("deploy",): "no unit is meant",
        ("deploy", "h1", "--to", amber): f"{amber} is a Deployment for h2",
        ("deploy", "h1", "--to", "7"): "has no generation 7",
        ("deploy", "h1", "--to", "/etc/passwd"): "is not a store path",
        ("deploy", "h1", "--to", "h1@ffff"): "no Deployment, generation or store path",
        ("rollback", "--unit", "h1"): "no other system that was recorded as good",
    }.items():
        answer = fleet.console.run(*words, "--yes")
        assert answer.code == REFUSED, answer
        assert sentence in answer.err, answer
    tool = fleet.nix(
        "eval", "--raw", f"git+file://{fleet.repository}#nixosConfigurations.h1.config.system.build.toplevel.etc"
    ).stdout
    fleet.built("h1")
    answer = fleet.console.run("deploy", "h1", "--to", tool, "--yes", "--json").ends(REFUSED)
    assert "is no nixos system" in answer.text
    fleet.commit(h1={"version": "24.11.9", "system": "aarch64-linux"})
    assert "aarch64-linux" in fleet.console.run("eval").err + fleet.console.run("eval").out
    assert runs(h1) == before


def test_a_user_who_may_become_root_deploys_and_one_whom_nobody_trusts_is_told_why_not(fleet: Fleet) -> None:
    h1, h2, _ = fleet.lab.hosts
    before = runs(h2)
    fleet.unit("h1", user="ops", elevate="sudo")
    fleet.unit("h2", user="deploy")
    fleet.commit(h1={"version": "24.11.2"}, h2={"version": "24.11.2"})
    wanted = {one["unit"]: one["nar_id"] for one in fleet.console.run("eval", "--json").ends(SUCCEEDED).json["units"]}
    fleet.change("deploy", "h1").ends(SUCCEEDED)
    assert (runs(h1), profile(h1)) == (wanted["h1"], wanted["h1"])
    answer = fleet.console.run("prepare", "h2", "--json").ends(FAILED)
    assert "h2 takes no unsigned paths from deploy" in answer.text
    assert "signing_key" in answer.text
    assert runs(h2) == before


def test_a_deployment_waits_for_a_unit_that_is_away(fleet: Fleet) -> None:
    """Asked for by the command line, and carried by the console that is opened later."""
    h1, h2, _ = fleet.lab.hosts
    fleet.commit(h1={"version": "24.11.2"}, h2={"version": "24.11.2"})
    wanted = {one["unit"]: one["nar_id"] for one in fleet.console.run("eval", "--json").ends(SUCCEEDED).json["units"]}
    fleet.console.run("units").ends(SUCCEEDED)  # what it runs is compared at its return: one that was never seen cannot wait
    h1.cut()
    said = fleet.console.run("deploy", "h1", "h2", "--when-back", "--yes", "--json").ends(UNITS_FAILED).json["operations"]
    assert {one["request"]["unit"]: (one["state"], one["outcome"]) for one in said} == {
        "h1": ("planned", None), "h2": ("settled", "succeeded"),
    }  # fmt: skip
    assert runs(h2) == wanted["h2"]
    fleet.commit(h1={"version": "24.11.3"})  # what was meant stays meant
    fleet.console.run("eval").ends(SUCCEEDED)
    with Terminal(fleet.console._argv(), width=130, height=40, env=fleet.home) as keys:
        keys.until("waits until h1 is back")
        h1.heal()
        keys.press("R")
        keys.until("deploy h1 to h1@", "succeeded", timeout=90)
    assert (runs(h1), profile(h1), boots(h1)) == (wanted["h1"],) * 3


def test_a_read_only_console_looks_at_systems_and_changes_none(fleet: Fleet) -> None:
    """Also its previews: the closure's own dry activation is left out, since it runs code of the closure."""
    h1 = fleet.lab.hosts[0]
    fleet.new("h1", "24.11.2")
    fleet.console.run("prepare", "h1").ends(SUCCEEDED)
    seen = "find /nix/var /var/lib/clavel /run/nixos /etc | grep -v 'temproots\\|userpool\\|gc.lock\\|db.sqlite' | sort"
    before = h1.exec(seen).stdout
    for words in (("deploy", "h1", "--yes"), ("prepare", "h1"), ("rollback", "--unit", "h1", "--yes")):
        assert "read-only: --read-only says so" in fleet.console.run("--read-only", *words).ends(REFUSED).err
    fleet.console.run("--read-only", "deploy", "h1", "--dry-run").ends(SUCCEEDED)
    assert "24.11.1 → 24.11.2" in fleet.console.run("--read-only", "diff", "h1").ends(1).out
    fleet.console.run("--read-only", "generations", "h1").ends(SUCCEEDED)
    assert h1.exec(seen).stdout == before


def test_a_second_operator_is_locked_out_by_name(fleet: Fleet) -> None:
    fleet.commit(h1={"version": "24.11.2", "slow": 40})
    fleet.console.run("eval").ends(SUCCEEDED)
    fleet.console.run("prepare", "h1").ends(SUCCEEDED)
    first = fleet.console.start("deploy", "h1", "--yes", "--reason", "the first")
    wait_for(
        "the first holds the lock",
        lambda: "deploy" in fleet.lab.hosts[0].exec("cat /var/lib/clavel/lock.owner", check=False).stdout,
        timeout=60,
    )
    second = fleet.console.another("second.db").run("deploy", "h1", "--to", runs(fleet.lab.hosts[0]), "--yes").ends(REFUSED)
    assert "operator=root@" in second.err
    assert "reason=the first" in second.err
    first.communicate(timeout=360)
    assert first.returncode == SUCCEEDED


BUILDING = ("planned", "begun", "built", "copied")
"""Boundaries of the journal that are passed while nothing is on the unit yet: its end is told of `prepare`."""
RUNNING = {"put": "never-started"} | dict.fromkeys(("started", "followed:ended", "ended", "settling", "settled"), "succeeded")
"""Those of the deployment itself, with what the next console finds."""


def test_a_console_killed_at_every_boundary_leaves_no_unit_between_two_states(fleet: Fleet, tmp_path: Path) -> None:
    h1 = fleet.lab.hosts[0]
    for number, boundary in enumerate((*BUILDING, *RUNNING)):
        before = runs(h1)
        wanted = fleet.new("h1", f"24.12.{number}")
        if boundary in RUNNING:
            fleet.console.run("prepare", "h1").ends(SUCCEEDED)
        folder = tmp_path / boundary
        killed = stopping(fleet.console, boundary, "kill", folder, "deploy", "h1", "--yes")
        killed.communicate(timeout=300)
        assert (killed.returncode, (folder / "there").exists()) == (-signal.SIGKILL, True), boundary
        newest = fleet.console.run("history", "--json").ends(SUCCEEDED).json[0]
        verb, outcome = ("deploy", RUNNING[boundary]) if boundary in RUNNING else ("prepare", "interrupted")
        if boundary != "planned":  # before the journal's first row
            assert (newest["request"]["verb"], newest["state"], newest["outcome"]) == (verb, "settled", outcome), boundary
        want = wanted if outcome == "succeeded" else before
        assert (runs(h1), profile(h1), boots(h1)) == (want, want, want), boundary


def test_a_console_killed_at_any_moment_leaves_a_true_outcome(fleet: Fleet) -> None:
    """The journal's last word is what the host shows."""
    seed = int(os.environ.get("FAULT_SEED", time.time_ns() % 100000))
    print(f"FAULT_SEED={seed}")
    moments = random.Random(seed)
    h1 = fleet.lab.hosts[0]
    for number in range(4):
        before = runs(h1)
        wanted = fleet.new("h1", f"24.13.{number}")
        with fleet.console.start("deploy", "h1", "--yes") as process:
            time.sleep(moments.uniform(0.5, 10))
            process.kill()
        newest = fleet.console.run("history", "--json").ends(SUCCEEDED).json[0]
        assert newest["state"] == "settled", newest
        done = (newest["request"]["verb"], newest["outcome"]) == ("deploy", "succeeded")
        want = wanted if done else before
        assert (runs(h1), profile(h1), boots(h1)) == (want, want, want), newest


def test_a_key_that_the_unit_does_not_trust_is_refused_and_one_that_it_does_is_taken(fleet: Fleet) -> None:
    """Two keys of the workstation, of which h2 trusts one; its login is nobody that Nix trusts."""
    h2 = fleet.lab.host("h2")
    before = runs(h2)
    fleet.unit("h2", user="deploy")
    fleet.new("h2", "24.11.77")  # of which h2 has nothing yet
    wrong, right = key_pair(fleet, "wrong-1"), key_pair(fleet, "right-1")
    with trusting(h2, right[1]):
        with signing(fleet, wrong[0]):
            answer = fleet.console.run("prepare", "h2", "--json").ends(FAILED)
        assert "h2 does not trust the key that signed it" in answer.text
        with signing(fleet, right[0]):
            fleet.console.run("prepare", "h2", "--json").ends(SUCCEEDED)
        assert runs(h2) == before


def test_a_login_with_the_helper_deploys_what_is_signed_and_nothing_else(fleet: Fleet) -> None:
    h2 = fleet.lab.host("h2")
    first = runs(h2)
    secret, public = key_pair(fleet, "right-1")
    try:
        with trusting(h2, public), signing(fleet, secret):
            said = fleet.console.run("install-helper", "h2", "--login", "deploy", "--yes").ends(SUCCEEDED)
            assert "/etc/sudoers.d/clavel-unit-1501 lets deploy run it as root" in said.out
            fleet.unit("h2", user="deploy", elevate="helper")
            (seen,) = fleet.console.run("units", "--unit", "h2", "--json").ends(SUCCEEDED).json
            assert (seen["name"], seen["health"]) == ("h2", "ok"), seen
            second = fleet.new("h2", "24.11.78", payloadMiB=1)
            fleet.change("deploy", "h2").ends(SUCCEEDED)
            assert (runs(h2), profile(h2), boots(h2)) == (second, second, second)
            fleet.change("rollback", "--unit", "h2").ends(SUCCEEDED)  # what has run there needs no signature
            assert (runs(h2), profile(h2), boots(h2)) == (first, first, first)
            fleet.console.run("gc", "h2", "--yes").ends(SUCCEEDED)
        fleet.new("h2", "24.11.79")
        with trusting(h2, public):
            answer = fleet.console.run("prepare", "h2", "--json").ends(FAILED)
            assert "h2 takes no unsigned paths from deploy" in answer.text
            fleet.unit("h2")
            fleet.console.run("prepare", "h2").ends(SUCCEEDED)  # root may bring it, and the login may not run it
            fleet.unit("h2", user="deploy", elevate="helper")
            answer = fleet.console.run("deploy", "h2", "--yes", "--json").ends(REFUSED)
            assert "is not signed by the key that was named for this unit" in answer.err
            # Content that names itself counts as signed with Nix, and anybody may put some into the store.
            make = (
                "mkdir -p x/bin && printf '#!/bin/sh\\ntouch /root/owned\\n' >x/bin/switch-to-configuration && chmod 755 x/bin/*"
            )
            own = fleet.lab.ssh("h2", f"{make} && echo 1 >x/nixos-version && nix-store --add x", user="deploy").stdout.strip()
            answer = fleet.console.run("deploy", "h2", "--to", own, "--yes", "--json").ends(REFUSED)
            assert "is not signed by the key that was named for this unit" in answer.err
            assert h2.exec("ls /root/owned", check=False).returncode != 0
        assert runs(h2) == first
        for words in ("id", "sh -c id", "/opt/clavel-unit/../../bin/sh", "cat /etc/shadow"):
            assert fleet.lab.ssh("h2", f"sudo -n {words}", user="deploy", check=False).returncode == 1, words
        assert fleet.lab.ssh("h2", "sudo -n /opt/clavel-unit/clavel-unit sh x", user="deploy", check=False).returncode == 77
    finally:
        h2.exec("rm -rf /opt/clavel-unit /etc/sudoers.d/clavel-unit-1501")


@contextmanager
def trusting(host: Host, public: str) -> Iterator[None]:
    """A unit whose Nix trusts that key, and no other."""
    host.exec(f"cp /etc/nix/nix.conf /tmp/nix.conf && echo 'trusted-public-keys = {public}' >>/etc/nix/nix.conf")
    restart_nix(host)
    try:
        yield
    finally:
        host.exec("cp /tmp/nix.conf /etc/nix/nix.conf")
        restart_nix(host)


@contextmanager
def signing(fleet: Fleet, secret: Path) -> Iterator[None]:
    """A workstation that signs with that key."""
    config = fleet.folder / "config/clavel-tui/config.toml"
    said = config.read_text()
    config.write_text(f'{said}signing_key = "{secret}"\n')
    try:
        yield
    finally:
        config.write_text(said)


def key_pair(fleet: Fleet, name: str) -> tuple[Path, str]:
    """A signing key of Nix: the file of its secret half, and its public one."""
    file = fleet.folder / f"{name}.secret"
    file.write_text(fleet.nix("key", "generate-secret", "--key-name", name).stdout)
    public = subprocess.run(
        [fleet.folder / "bin/nix", "--extra-experimental-features", "nix-command", "key", "convert-secret-to-public"],
        input=file.read_text(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return file, public.stdout.strip()


def restart_nix(host: Host) -> None:
    """Its daemon reads nix.conf when it starts."""
    host.service("nix-daemon", "kill")
    wait_for(
        "the Nix daemon answers",
        lambda: host.exec(f"NIX_REMOTE=daemon nix-store --check-validity --print-invalid {NOWHERE}", check=False).returncode == 0,
    )


def test_a_disk_that_fills_while_it_is_copied_changes_nothing(fleet: Fleet) -> None:
    """The unit's store is nearly full, and the copy does not fit; what runs stays, and with room it works."""
    h1 = fleet.lab.hosts[0]
    before = runs(h1)
    wanted = fleet.new("h1", "24.11.2", payloadMiB=64)
    h1.exec("mkdir -p /tmp/full && mount -t tmpfs -o size=$(($(du -sm /nix | cut -f 1) + 40))m store /tmp/full")
    h1.exec("cp -a /nix/. /tmp/full/ && mount --bind /tmp/full /nix")
    restart_nix(h1)
    try:
        answer = fleet.console.run("prepare", "h1", "--json").ends(FAILED)
        assert "the disk of h1 is full" in answer.text
        assert (runs(h1), profile(h1)) == (before, before)
        h1.exec(f"nix-store --check-validity {before} && ! nix-store --check-validity {wanted}")
    finally:
        h1.exec("umount -l /nix; umount -l /tmp/full", check=False)
        restart_nix(h1)
    fleet.change("deploy", "h1").ends(SUCCEEDED)
    assert runs(h1) == wanted


def test_machines_are_restarted_and_what_came_up_is_looked_at(fleet: Fleet) -> None:
    """h1 comes up as it was; of h2 a check holds no more, since what it looked at was not to last."""
    h1, h2, _ = fleet.lab.hosts
    before = {host.name: (host.boot_id(), runs(host)) for host in (h1, h2)}
    fleet.unit("h1", system={"check_seconds": 90})  # its engine comes up behind its sshd
    fleet.unit("h2", checks=[{"command": "test -e /run/flag"}], system={"check_seconds": 5})
    h2.exec("touch /run/flag")
    preview = fleet.console.run("reboot", "h1", "--dry-run").ends(SUCCEEDED)
    assert "nixos-system-h1-24.11.1 comes up" in preview.err
    answer = fleet.change("reboot", "h1", "h2").ends(UNITS_FAILED)
    said = {one["request"]["unit"]: one for one in answer.json["operations"]}
    assert (said["h1"]["outcome"], said["h2"]["outcome"]) == ("succeeded", "units-failed")
    assert "it was restarted; nixos-system-h1-24.11.1 runs" in said["h1"]["text"]
    assert "the check `command test -e /run/flag` does not hold" in said["h2"]["text"]
    for host in (h1, h2):
        boot, system = before[host.name]
        assert host.boot_id() != boot
        assert runs(host) == system


def test_garbage_is_told_and_collected_and_what_was_deployed_last_is_kept(fleet: Fleet) -> None:
    h1 = fleet.lab.hosts[0]
    first = runs(h1)
    second = fleet.new("h1", "24.11.2")
    fleet.change("deploy", "h1").ends(SUCCEEDED)
    rubbish = h1.exec("head -c 3000000 /dev/zero >/tmp/rubbish && nix-store --add /tmp/rubbish").stdout.strip()
    preview = fleet.console.run("gc", "h1", "--keep-generations", "1", "--dry-run").ends(SUCCEEDED)
    assert "MiB, are needed by nobody" in preview.err
    assert "generations 1 go" in preview.err
    h1.exec(f"test -e {rubbish}")
    answer = fleet.change("gc", "h1", "--keep-generations", "1").ends(SUCCEEDED)
    assert "store paths deleted" in answer.text
    h1.exec(f"! test -e {rubbish} && test -e {first} && test -e {second}")
    assert h1.exec("ls /nix/var/nix/profiles").stdout.split().count("system-2-link") == 1
    assert "system-1-link" not in h1.exec("ls /nix/var/nix/profiles").stdout
    fleet.change("rollback", "--unit", "h1", "--to", first).ends(SUCCEEDED)
    assert runs(h1) == first


def test_a_unit_builds_its_own_system_and_what_nothing_builds_is_said_before(fleet: Fleet) -> None:
    h1 = fleet.lab.hosts[0]
    wanted = fleet.new("h1", "24.11.2", motd="built there")
    fleet.change("deploy", "h1", "--build-on", "unit").ends(SUCCEEDED)
    assert (runs(h1), profile(h1)) == (wanted, wanted)
    assert fleet.nix("path-info", wanted, check=False).returncode  # the workstation never had it
    assert wanted.rpartition("/")[2] in h1.exec("ls /nix/var/nix/gcroots/clavel").stdout

    fleet.console.unit("h3", type="nixos", arch="aarch64-linux")
    fleet.new("h3", "24.11.2", system="aarch64-linux")
    refused = fleet.console.run("deploy", "h3", "--dry-run").ends(REFUSED)
    assert "nothing here builds for aarch64-linux: this workstation is x86_64-linux" in refused.err
    assert all(way in refused.err for way in ("--build-on unit", "`builders` of nix.conf", "emulate"))


def test_a_unit_fetches_from_a_cache_what_is_signed_as_its_deployment_says(fleet: Fleet) -> None:
    h1 = fleet.lab.hosts[0]
    first, wanted = runs(h1), fleet.new("h1", "24.11.2")
    fetch = ("deploy", "h1", "--delivery", "substitute")
    assert "is in none of the unit's own substituters" in fleet.change(*fetch).ends(REFUSED).err
    with Cache(fleet) as cache:
        fleet.built("h1")
        cache.upload(wanted, "cache")
        fleet.caches({cache.url: cache.key("other")})
        fleet.console.run("eval").ends(SUCCEEDED)
        assert "is not signed by a key that is trusted for it" in fleet.change(*fetch).ends(FAILED).text
        assert (runs(h1), profile(h1)) == (first, first)

        fleet.caches({cache.url: cache.key("cache")})
        fleet.console.run("eval").ends(SUCCEEDED)
        preview = fleet.console.run(*fetch, "--dry-run").ends(SUCCEEDED)
        assert "to fetch" in preview.out + preview.err
        fleet.change(*fetch).ends(SUCCEEDED)
        assert (runs(h1), profile(h1)) == (wanted, wanted)
        assert any(path.startswith("/nar/") for path in cache.asked)

        second = fleet.new("h1", "24.11.3")
        assert f"{second} is in none of {cache.url}" in fleet.change(*fetch).ends(REFUSED).err
    assert f"{cache.url} did not answer" in fleet.change(*fetch).ends(REFUSED).err
    assert runs(h1) == wanted
    fleet.caches({})
