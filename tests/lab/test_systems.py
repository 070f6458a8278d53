"""Whole systems on real hosts: evaluated, built, copied, activated, proved, and brought back."""

import shutil
from collections.abc import Iterator

import pytest

from .lab import Lab
from .systems import JUDGE, OWN, Fleet, boots, profile, runs

pytestmark = pytest.mark.lab
SUCCEEDED, FAILED, REFUSED, UNITS_FAILED, RETURNED, NEEDS_REBOOT = 0, 1, 3, 4, 5, 10
KINDS = [("bookworm", "own"), ("trixie", "judge" if JUDGE.exists() else "own")]


@pytest.fixture(scope="module", params=KINDS, ids=["-".join(kind) for kind in KINDS])
def workshop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One workstation a stack of hosts: its store is filled once."""
    stack, flake = request.param
    lab: Lab = request.getfixturevalue(stack)
    fleet = Fleet(lab, tmp_path_factory.mktemp("systems") / "ws", OWN if flake == "own" else JUDGE)
    yield fleet
    fleet.forget()


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
    assert {host.name: (runs(host), profile(host), boots(host)) for host in hosts} == {
        name: (path, path, path) for name, path in wanted.items()
    }
    fleet.change("rollback", *(word for name in wanted for word in ("--unit", name))).ends(SUCCEEDED)
    assert {host.name: (runs(host), profile(host), boots(host)) for host in hosts} == {
        name: (path, path, path) for name, path in firsts.items()
    }
