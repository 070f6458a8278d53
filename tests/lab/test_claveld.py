"""A pull fleet: claveld evaluates, agents on real hosts fetch from a signed cache over HTTP, apply, prove and report."""

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from .cache import Cache
from .console import PROGRAM, Answer, Console
from .flakes import git
from .lab import Lab
from .pull import ROOT, Agent, Claveld, InConsole
from .shell import wait_for, write
from .systems import Fleet, boots, made, profile, runs
from .terminal import Terminal
from .test_systems import KINDS

pytestmark = [pytest.mark.lab, pytest.mark.waits]


@dataclass
class Pull:
    """A fleet whose cache is signed, its claveld, and an agent for each host."""

    fleet: Fleet
    cache: Cache
    claveld: Claveld
    agents: dict[str, Agent]

    def publish(self, **hosts: dict[str, object]) -> dict[str, str]:
        """A new revision: built and uploaded first, as CI does, and only then committed where claveld looks; the store paths."""
        self.fleet.commit(**hosts)
        paths = {name: self.fleet.built(name) for name in hosts}
        for path in paths.values():
            self.cache.upload(path, "cache")
        self.push()
        return paths

    def push(self) -> None:
        """What was committed comes to where claveld looks."""
        git(self.live, "pull", "-q", "--ff-only")

    @property
    def live(self) -> Path:
        """The clone that claveld evaluates."""
        return self.fleet.folder / "live"

    def all_run(self, paths: dict[str, str]) -> bool:
        return all(
            (runs(self.fleet.lab.host(name)), profile(self.fleet.lab.host(name))) == (path, path) for name, path in paths.items()
        )

    def found_well(self, name: str) -> bool:
        """Whether its agent says that it runs what it should, and well."""
        said = self.claveld.report(name)
        return bool(said and said["desired"] and said["outcome"]) and (said["phase"], said["health"]) == ("idle", "ok")

    def console(self) -> Console:
        """The workstation's, which knows the claveld."""
        console, folder = self.fleet.console, self.fleet.folder / "config/clavel-tui"
        write(folder / "token", self.claveld.operator, 0o600)
        nix = f'nix = "{self.fleet.folder}/bin/nix"\n'
        said = f'[claveld]\nurl = "{self.claveld.url}"\ntoken_file = "{folder}/token"\nca_file = "{self.claveld.ca}"\n'
        write(folder / "config.toml", nix + said)
        return console

    def desk(self, role: str) -> Callable[..., Answer]:
        """The command line of somebody with a token of that role, and with neither the fleet's files nor a key of SSH."""
        folder = self.fleet.folder.parent / f"desk-{role}"  # beside the fleet: below it, its files would be found
        write(folder / "token", self.claveld.command("token", "add", f"desk-{role}", "--role", role).strip(), 0o600)
        said = f'[claveld]\nurl = "{self.claveld.url}"\ntoken_file = "{folder}/token"\nca_file = "{self.claveld.ca}"\n'
        write(folder / ".config/clavel-tui/config.toml", said)
        env = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}

        def run(*words: str) -> Answer:
            done = subprocess.run(
                [PROGRAM, *words], cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180
            )
            return Answer(words, done.returncode, done.stdout, done.stderr)

        return run

    def trouble(self) -> str:
        log = (self.claveld.folder / "log").read_text()[-3000:]
        said = [f"{one['report']['phase']} {one['report']['text']}" for one in self.claveld.get("/v1/agents/h1/reports")]
        return "\n".join([log, *said, *(f"== {name}\n{agent.log()}" for name, agent in self.agents.items())])

    def until_all_run(self, paths: dict[str, str], timeout: float = 90) -> None:
        try:
            wait_for("every host runs it", lambda: self.all_run(paths), timeout)
        except Exception as error:
            raise AssertionError(f"{error}\n{self.trouble()}") from error


@pytest.fixture(scope="module", params=KINDS, ids=["-".join(kind) for kind in KINDS])
def workshop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    yield from made(request, tmp_path_factory.mktemp("pull") / "ws")


@pytest.fixture
def pull(workshop: Fleet) -> Iterator[Pull]:
    """Every host runs its first system; claveld and the agents run."""
    lab = workshop.lab
    for name in ("claveld", "live"):
        shutil.rmtree(workshop.folder / name, ignore_errors=True)
    git(workshop.folder, "clone", "-q", str(workshop.repository), "live")
    workshop.begin()
    agents = {host.name: Agent(lab, host) for host in lab.hosts}
    with Cache(workshop) as cache:
        workshop.caches({cache.url: cache.key("cache")}, workshop.folder / "live")
        with Claveld(workshop) as claveld:
            made = Pull(workshop, cache, claveld, agents)
            try:
                for agent in agents.values():
                    agent.install(claveld)
                    agent.start()
                yield made
            finally:
                for agent in agents.values():
                    agent.stop()
    lab.reset()


def test_a_commit_runs_everywhere_and_the_ref_goes_back(pull: Pull) -> None:
    """Seed 001, steps 1 to 5."""
    names = list(pull.agents)
    firsts = {host.name: runs(host) for host in pull.fleet.lab.hosts}
    # What nobody has reported as well is no last known good: one that is published over before would have none.
    for name in names:
        wait_for(f"{name} has found its first well", lambda name=name: pull.found_well(name), timeout=60)
    begun = time.monotonic()
    wanted = pull.publish(**{name: {"version": "24.11.2", "motd": "new"} for name in names})
    pull.until_all_run(wanted)
    print(f"from the commit to applied on {len(names)} hosts: {time.monotonic() - begun:.1f} s, with building and uploading")
    # The boot entry is the job's last step, behind the profile.
    wait_for("that is what they boot", lambda: {host.name: boots(host) for host in pull.fleet.lab.hosts} == wanted, timeout=30)

    def idle(name: str) -> tuple[object, object]:
        """What was said before it applied is idle as well."""
        said = pull.claveld.report(name)
        return said.get("phase"), said.get("running")

    for name in names:
        wait_for(f"{name} has reported", lambda name=name: idle(name) == ("idle", wanted[name]), timeout=30)
        said = pull.claveld.report(name)
        assert (said["outcome"], said["running"], said["health"]) == ("succeeded", wanted[name], "ok"), pull.trouble()

    console = pull.console()
    listed = {one["agent"]["name"]: one for one in console.run("agents", "--json").ends(0).json}
    assert {name: listed[name]["reports"][0]["report"]["running"] for name in names} == wanted
    assert "its agent pulls, and would put back" in console.run("deploy", "h1", "--to", firsts["h1"], "--dry-run").ends(0).err
    with Terminal(console._argv(), width=130, height=40, env=pull.fleet.home) as keys:  # r enter y on the first of them
        keys.until("✓ idle")
        keys.press("r")
        keys.until("last known good", "enter  choose")
        keys.press("Enter")
        keys.until("its agent applies that", "y  do it now")
        keys.press("y")
        keys.until("rollback h1")
        pull.until_all_run({"h1": firsts["h1"]})
        keys.press("5")
        keys.until("✓ succeeded", "as its agent has", timeout=60)
        keys.press("7")
        keys.until("BEHIND", "▌h1", "✓ idle")
        for row, then, phase in (("j", "it leaves everything as it is", "held"), ("", "a hold and a quarantine end", "idle")):
            keys.press("A")
            keys.until("tell the agent of h1", then)
            keys.press(*row, "Enter")
            keys.until(then, "y  do it now")
            keys.press("y")
            wait_for(f"h1 is {phase}", lambda phase=phase: pull.claveld.report("h1")["phase"] == phase, timeout=60)
            keys.until("▌h1", f" {phase}")
    viewer, operator = pull.desk("viewer"), pull.desk("operator")
    seen = {unit["name"]: unit for unit in viewer("units", "--json").ends(0).json}
    assert {name: (seen[name]["health"], bool(seen[name]["os"])) for name in names} == dict.fromkeys(names, ("ok", True))
    refused = viewer("rollback", "--unit", names[1], "--yes", "--json").ends(3)
    assert "a token of the role viewer changes nothing" in refused.text
    assert "there is no way from here to" in operator("deploy", names[1], "--to", firsts[names[1]], "--yes").ends(3).err
    for name, ask in zip(names[1:], (operator, console.run), strict=True):  # to what its agent has found well before
        done = ask("rollback", "--unit", name, "--yes", "--json", "--reason", "24.11.2 is slow").ends(0)
        assert "runs, as its agent has seen" in done.text
    pull.until_all_run(firsts)
    pull.publish(**{name: {"version": "24.11.3"} for name in names})  # evaluated, and not followed
    wait_for("it is evaluated", lambda: len(pull.claveld.get("/v1/deployments?name=h1")) == 3, timeout=30)
    assert pull.all_run(firsts)


def test_a_source_stays_at_a_revision_that_it_had_and_its_hosts_with_it(pull: Pull) -> None:
    claveld, names = pull.claveld, list(pull.agents)
    firsts = {host.name: runs(host) for host in pull.fleet.lab.hosts}
    wait_for("it is evaluated", lambda: len(claveld.get("/v1/deployments")) == len(names), timeout=60)
    (first,) = claveld.get("/v1/sources")
    source, revision = first["source"]["name"], first["evaluation"]["lock"]["revision"]
    wanted = pull.publish(**{name: {"version": "24.11.7"} for name in names})
    pull.until_all_run(wanted)
    assert f"{source} stays at {revision}" in claveld.command("source", "pin", source, revision[:10], "--why", "24.11.7 is slow")
    pull.until_all_run(firsts)
    pull.publish(**{name: {"version": "24.11.8"} for name in names})
    before = claveld.get("/v1/sources")[0]["at"]
    claveld.get(f"/v1/sources/{source}/evaluations", said={})
    wait_for("it was evaluated again", lambda: claveld.get("/v1/sources")[0]["at"] > before, timeout=30)
    assert claveld.get("/v1/sources")[0]["evaluation"]["lock"]["revision"] == revision
    claveld.command("source", "add", "edge", f"git+file://{pull.live}", "--on", "request")
    claveld.get("/v1/sources/edge/evaluations", said={})
    wait_for("what was added is evaluated", lambda: all(one["at"] for one in claveld.get("/v1/sources")), timeout=30)
    assert len(claveld.get("/v1/deployments")) == 3 * len(names)
    assert pull.all_run(firsts)  # edge is at another revision, and moves nothing of what was pinned
    claveld.command("source", "remove", "edge")


def test_what_is_not_as_the_deployment_says_is_refused_and_reported(pull: Pull) -> None:
    h1 = pull.fleet.lab.hosts[0]
    first = runs(h1)

    def said(word: str) -> None:
        wait_for(f"h1 says {word}", lambda: word in pull.claveld.report("h1").get("text", ""), timeout=60)
        assert pull.claveld.report("h1")["phase"] == "failed"
        assert (runs(h1), profile(h1)) == (first, first)

    pull.fleet.commit(h1={"version": "24.11.2"})  # and nobody has uploaded it
    pull.push()
    said("is in none of")
    pull.fleet.commit(h1={"version": "24.11.3"})
    pull.cache.upload(pull.fleet.built("h1"))
    pull.push()
    said("is not signed by a key that is trusted for it")
    pull.fleet.commit(h1={"version": "24.11.4"})
    pull.cache.upload(pull.fleet.built("h1"), "other")
    pull.push()
    said("is not signed by a key that is trusted for it")
    pull.until_all_run(pull.publish(h1={"version": "24.11.5"}))


def test_a_token_that_has_ended_and_a_deployment_that_is_another_ones(pull: Pull) -> None:
    h1 = pull.fleet.lab.hosts[0]
    agent = pull.agents["h1"]
    new = pull.claveld.command("agent", "token", "h1", "--overlap", "0")
    agent.kill()  # the wait that was under way was asked for with a good token

    def refused() -> str:
        return next(str(one["refused"]) for one in pull.claveld.get("/v1/agents") if one["agent"]["name"] == "h1")

    wait_for("the old one is refused", lambda: "its token has ended" in refused(), timeout=30)
    h1.put("/etc/clavel-agent/token", new, 0o600)
    file = h1.exec("cat /etc/clavel-agent/agent.toml").stdout
    h1.put("/etc/clavel-agent/agent.toml", file.replace("[claveld]", '[claveld]\ndeployments = ["h2"]'))
    agent.kill()
    wait_for("h2's is refused", lambda: refused() == "it may not ask for h2", timeout=30)
    h1.put("/etc/clavel-agent/agent.toml", file)
    agent.kill()
    wanted = pull.publish(h1={"version": "24.11.2"}, h2={"version": "24.11.2"})
    pull.until_all_run(wanted)
    assert refused() == ""


def test_what_returns_by_itself_is_left_alone_until_somebody_releases_it(pull: Pull) -> None:
    """A system whose activation fails; and one that cuts the agent off from claveld, which nobody else would notice."""
    h1 = pull.fleet.lab.hosts[0]
    first = runs(h1)
    pull.publish(h1={"version": "24.11.2", "failActivation": True})
    wait_for("it is left alone", lambda: pull.claveld.report("h1").get("phase") == "quarantined", timeout=60)
    assert (runs(h1), profile(h1)) == (first, first)
    jobs = h1.exec("ls /var/lib/clavel/jobs").stdout
    pull.agents["h1"].kill()
    pull.claveld.get("/v1/agents/h1/orders", said={"order": "poll"})
    time.sleep(5)
    assert h1.exec("ls /var/lib/clavel/jobs").stdout == jobs
    pull.claveld.get("/v1/agents/h1/orders", said={"order": "release"})
    wait_for("it is tried once more", lambda: h1.exec("ls /var/lib/clavel/jobs").stdout != jobs, timeout=60)
    cut = pull.publish(h1={"version": "24.11.3", "failActivation": False, "cutNetwork": True})
    wait_for("it returns", lambda: "nobody reached this unit" in pull.claveld.report("h1").get("text", ""), timeout=90)
    assert (runs(h1), profile(h1)) == (first, first)
    assert first not in cut.values()
    pull.until_all_run(pull.publish(h1={"version": "24.11.4", "cutNetwork": False}))


def test_an_agent_on_hold_leaves_everything_as_it_is(pull: Pull) -> None:
    h1 = pull.fleet.lab.hosts[0]
    first = runs(h1)
    pull.agents["h1"].command("hold", "a demo for a customer")
    wait_for("it says so", lambda: pull.claveld.report("h1").get("phase") == "held", timeout=30)
    assert pull.claveld.report("h1")["text"] == "held by root on the unit: a demo for a customer"
    wanted = pull.publish(h1={"version": "24.11.2"})
    time.sleep(5)
    assert runs(h1) == first
    pull.agents["h1"].command("release")
    pull.until_all_run(wanted)


def test_an_agent_that_is_killed_while_it_applies_and_claveld_that_is_away(pull: Pull) -> None:
    """The switch itself restarts it, or a crash does: the job goes on, and the next agent confirms it. Then days without claveld."""
    h1 = pull.fleet.lab.hosts[0]
    wanted = pull.publish(h1={"version": "24.11.2", "slow": 4})
    wait_for("it applies", lambda: h1.exec("cat /var/lib/clavel/lock.owner", check=False).stdout, timeout=30)
    time.sleep(2)
    pull.agents["h1"].kill()
    pull.until_all_run(wanted)
    wait_for("it is reported", lambda: pull.claveld.report("h1").get("running") == wanted["h1"], timeout=60)

    pull.claveld.stop(signal.SIGKILL)
    pull.agents["h1"].command("hold")
    wait_for("a report waits", lambda: "\n0 reports" not in f"\n{pull.agents['h1'].command('status')}", timeout=30)
    pull.agents["h1"].kill()
    pull.claveld.start()
    wait_for("it has come", lambda: pull.claveld.report("h1").get("phase") == "held", timeout=90)
    wait_for("nothing waits", lambda: "0 reports" in pull.agents["h1"].command("status"), timeout=30)
    pull.agents["h1"].command("release")


def test_an_open_console_is_the_claveld_of_its_agents(workshop: Fleet) -> None:
    shutil.rmtree(workshop.folder / "live", ignore_errors=True)
    git(workshop.folder, "clone", "-q", str(workshop.repository), "live")
    first = workshop.begin()["h1"]
    agent = Agent(workshop.lab, workshop.lab.host("h1"))
    with Cache(workshop) as cache, InConsole(workshop, "in-console") as claveld:
        workshop.caches({cache.url: cache.key("cache")}, workshop.folder / "live")
        pull = Pull(workshop, cache, claveld, {"h1": agent})
        try:
            agent.install(claveld)
            agent.start()
            with Terminal(claveld.argv, width=130, height=40, env=claveld.env) as keys:
                keys.until("3 ok")
                keys.press("e")
                keys.until("✓ idle")
                wanted = pull.publish(h1={"version": "24.11.5"})
                keys.press("e")  # in a console nothing is evaluated by itself
                wait_for("h1 runs it", lambda: pull.all_run(wanted), timeout=90)
                assert claveld.command("agent", "list").startswith("h1\th1\t")
                keys.press("/", "h", "1", "Enter")  # units that differ from what was committed stand above it
                keys.until("▌h1", "1 of 3")
                keys.press("r")
                keys.until("last known good", "enter  choose")
                keys.press("Enter")
                keys.until("its agent applies that", "y  do it now")
                keys.press("y")
                wait_for("h1 runs what it ran", lambda: pull.all_run({"h1": first}), timeout=90)
                keys.press("5")
                keys.until("✓ succeeded", "as its agent has", timeout=60)
                keys.press("q")
                keys.until("ended with 0")
            assert "pinned by" in claveld.command("refs")
            assert pull.all_run({"h1": first})
        finally:
            agent.stop()
    workshop.lab.reset()


def test_an_agent_is_small(pull: Pull) -> None:
    """45 MB when idle (50 with Python 3.13, of which 20 are libraries' own pages), and none of a console's packages."""
    h1 = pull.fleet.lab.hosts[0]
    wait_for("it has looked", lambda: pull.claveld.report("h1").get("phase") == "idle", timeout=30)
    used = h1.exec("grep -h ^VmRSS /proc/$(pgrep -f clavel_tui.agent_wiring | head -1)/status").stdout.split()[1]
    print(f"clavel-agent takes {int(used) / 1024:.1f} MB on {pull.fleet.lab.stack}")
    assert int(used) < {"bookworm": 45, "trixie": 50}[pull.fleet.lab.stack] * 1000
    there = h1.exec("ls /srv/clavel-agent/agent").stdout.split()
    assert not {"textual", "asyncssh", "fastapi", "starlette", "uvicorn", "nats"} & set(there)


def test_claveld_is_hardened(trixie: Lab) -> None:
    """What systemd itself says of its unit file: 0 is locked up, 10 wide open."""
    h1 = trixie.hosts[0]
    h1.put("/run/claveld.service", (ROOT / "nix/units/claveld.service").read_text())
    said = h1.exec("systemd-analyze security --offline=true /run/claveld.service").stdout.splitlines()[-1]
    print(said)
    assert float(said.split(":")[1].split()[0]) < 4
