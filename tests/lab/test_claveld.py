"""A pull fleet: claveld evaluates, agents on real hosts fetch from a signed cache over HTTP, apply, prove and report."""

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from .cache import Cache
from .lab import Lab
from .pull import Agent, Claveld
from .shell import wait_for
from .systems import JUDGE, OWN, Fleet, boots, profile, runs
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
        return paths

    def all_run(self, paths: dict[str, str]) -> bool:
        return all(
            (runs(self.fleet.lab.host(name)), profile(self.fleet.lab.host(name))) == (path, path) for name, path in paths.items()
        )

    def trouble(self) -> str:
        log = (self.claveld.folder / "log").read_text()[-3000:]
        return "\n".join([log, *(f"== {name}\n{agent.log()}" for name, agent in self.agents.items())])

    def until_all_run(self, paths: dict[str, str], timeout: float = 90) -> None:
        try:
            wait_for("every host runs it", lambda: self.all_run(paths), timeout)
        except Exception as error:
            raise AssertionError(f"{error}\n{self.trouble()}") from error


@pytest.fixture(scope="module", params=KINDS, ids=["-".join(kind) for kind in KINDS])
def workshop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    stack, flake = request.param
    lab: Lab = request.getfixturevalue(stack)
    fleet = Fleet(lab, tmp_path_factory.mktemp("pull") / "ws", OWN if flake == "own" else JUDGE)
    yield fleet
    fleet.forget()


@pytest.fixture
def pull(workshop: Fleet) -> Iterator[Pull]:
    """Every host runs its first system; claveld and the agents run."""
    lab = workshop.lab
    shutil.rmtree(workshop.folder / "claveld", ignore_errors=True)
    workshop.begin()
    agents = {host.name: Agent(lab, host) for host in lab.hosts}
    with Cache(workshop) as cache:
        workshop.caches({cache.url: cache.key("cache")})
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
    wait_for("all are seen", lambda: all(agent["seen"] for agent in pull.claveld.get("/v1/agents")), timeout=60)
    begun = time.monotonic()
    wanted = pull.publish(**{name: {"version": "24.11.2", "motd": "new"} for name in names})
    pull.until_all_run(wanted)
    print(f"from the commit to applied on {len(names)} hosts: {time.monotonic() - begun:.1f} s, with building and uploading")
    assert {host.name: boots(host) for host in pull.fleet.lab.hosts} == wanted
    for name in names:
        wait_for(f"{name} has reported", lambda name=name: pull.claveld.report(name).get("phase") == "idle", timeout=30)
        said = pull.claveld.report(name)
        assert (said["outcome"], said["running"], said["health"]) == ("succeeded", wanted[name], "ok"), pull.trouble()
    assert wanted[names[0]] != firsts[names[0]]
