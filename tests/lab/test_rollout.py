"""A rollout over eight real hosts: the gate holds, what is done is brought back, and a console that dies is succeeded."""

import json
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from .lab import Lab
from .shell import wait_for
from .stopping import stopping
from .systems import JUDGE, OWN, Fleet, profile, runs
from .test_systems import KINDS

pytestmark = [pytest.mark.lab, pytest.mark.waits]
SUCCEEDED, RETURNED, CANCELLED = 0, 5, 7
HOSTS = 8
OLD_ONLY = {"command": "test $(cat /run/current-system/nixos-version) != 24.11.2"}
"""A check that holds until the new version runs."""


@pytest.fixture(scope="module", params=KINDS, ids=["-".join(kind) for kind in KINDS])
def eight(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Eight hosts, each with its first system."""
    stack, flake = request.param
    with Lab(stack, HOSTS) as lab:
        fleet = Fleet(lab, tmp_path_factory.mktemp("rollout") / "ws", OWN if flake == "own" else JUDGE)
        fleet.begin()
        yield fleet
        fleet.forget()


def evaluated(fleet: Fleet, version: str) -> dict[str, str]:
    """What every unit should run from now on."""
    fleet.commit(**{host.name: {"version": version, "motd": version} for host in fleet.lab.hosts})
    said = fleet.console.run("eval", "--json").ends(SUCCEEDED).json
    return {one["unit"]: one["nar_id"] for one in said["units"]}


def state(fleet: Fleet) -> dict[str, tuple[str, str]]:
    """What runs and what the profile names, read on the hosts themselves."""
    return {host.name: (runs(host), profile(host)) for host in fleet.lab.hosts}


def both(paths: dict[str, str]) -> dict[str, tuple[str, str]]:
    return {name: (path, path) for name, path in paths.items()}


def rollout(fleet: Fleet, *words: str) -> "subprocess.Popen[str]":
    return fleet.console.start("rollout", *(host.name for host in fleet.lab.hosts), "--yes", "--json", *words)


def ended(process: "subprocess.Popen[str]", code: int) -> Any:  # noqa: ANN401  what JSON holds
    out, err = process.communicate(timeout=400)
    assert process.returncode == code, out + err
    return json.loads(out)


def outcomes(said: Any) -> dict[str, str]:  # noqa: ANN401
    """The table: of each unit its wave and how its operation ended."""
    return {
        one["request"]["unit"]: f"{one['wave']} {one['operation']['outcome'] if one['operation'] else 'not begun'}"
        for one in said["units"]
    }


def test_the_third_fails_its_check_and_the_canaries_come_back(eight: Fleet) -> None:
    before = state(eight)
    eight.unit("h3", checks=[OLD_ONLY])
    wanted = evaluated(eight, "24.11.2")
    said = ended(rollout(eight, "--canary", "2", "--wave", "1", "--soak", "2", "--on-stop", "return"), RETURNED)
    assert outcomes(said) == {"h1": "1 succeeded", "h2": "1 succeeded", "h3": "2 returned"} | {
        f"h{n}": f"{n - 1} not begun" for n in range(4, HOSTS + 1)
    }
    assert OLD_ONLY["command"] in next(one["failure"] for one in said["units"] if one["request"]["unit"] == "h3")
    assert {one["request"]["unit"]: one["back"]["outcome"] for one in said["units"] if one["back"]} == dict.fromkeys(
        ("h1", "h2"), "succeeded"
    )
    assert state(eight) == before

    said = ended(rollout(eight, "--canary", "2", "--wave", "1", "--soak", "0"), 4)  # and left, where nobody asks for more
    assert outcomes(said)["h3"] == "2 returned"
    assert state(eight) == before | {name: (wanted[name], wanted[name]) for name in ("h1", "h2")}
    eight.unit("h3")


def test_a_rollout_whose_console_is_killed_waits_for_a_person_and_goes_on(eight: Fleet) -> None:
    """Killed when its first child has just started: that one ends on its unit, no wave begins by itself, none begins twice."""
    wanted = evaluated(eight, "24.11.3")
    before = state(eight)
    eight.console.run("prepare", *wanted).ends(SUCCEEDED)
    folder = eight.folder / "killed"
    words = ("rollout", *wanted, "--yes", "--canary", "1", "--wave", "4", "--soak", "1")
    killed = stopping(eight.console, "started", "kill", folder, *words)
    killed.communicate(timeout=400)
    assert killed.returncode == -signal.SIGKILL
    eight.console.run("units").ends(SUCCEEDED)  # whoever comes next sees to what is open, and begins nothing
    newest = next(one for one in eight.console.run("history", "--json").json if one["request"]["verb"] == "rollout")
    assert (newest["state"], newest["step"]) == ("running", "paused: its console ended")
    assert state(eight) == before | {"h1": (wanted["h1"], wanted["h1"])}

    resumed = eight.console.run("rollout", "--resume", newest["id"][:8], "--json", timeout=400).ends(SUCCEEDED)
    assert outcomes(resumed.json) == {"h1": "1 succeeded"} | {
        f"h{n}": f"{2 + (n - 2) // 4} succeeded" for n in range(2, HOSTS + 1)
    }
    assert state(eight) == both(wanted)
    deployed = [one["request"]["unit"] for one in eight.console.run("history", "--json").json if one["parent"] == newest["id"]]
    assert sorted(deployed) == sorted(wanted)


def test_a_pause_and_an_abort_from_another_terminal(eight: Fleet) -> None:
    wanted = evaluated(eight, "24.11.4")
    before = state(eight)
    eight.console.run("prepare", *wanted).ends(SUCCEEDED)
    process = rollout(eight, "--canary", "1", "--wave", "3", "--soak", "600", "--on-stop", "return")
    wait_for("it is watched", lambda: bool(watching(eight)), timeout=90)
    ident = watching(eight)
    assert "begins nothing more" in eight.console.run("rollout", "--pause", ident).ends(SUCCEEDED).err
    wait_for("it is paused", lambda: "paused" in eight.console.run("rollout", "--show", ident).out, timeout=60)
    assert runs(eight.lab.hosts[1]) == before["h2"][0]
    eight.console.run("rollout", "--abort", ident).ends(SUCCEEDED)
    said = ended(process, CANCELLED)
    assert outcomes(said)["h1"] == "1 succeeded"
    assert state(eight) == before


def watching(fleet: Fleet) -> str:
    """The id of the rollout that looks at its canary."""
    found = fleet.console.run("history", "--json").json
    return next((one["id"] for one in found if one["request"]["verb"] == "rollout" and "watching" in one["step"]), "")
