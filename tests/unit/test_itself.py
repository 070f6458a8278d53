"""A closure that activates itself, of a container or a device: the same order, and the same ways back, without a boot entry."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from clavel_tui.domain.unit import Unit, UnitType
from clavel_tui.unit import script

from .supervisor import Seen
from .systems import SystemUnit, name


class Container:
    """A unit that runs nothing of ours yet; its closures write into ``told`` what they do."""

    def __init__(self, machine: SystemUnit) -> None:
        self.machine = machine
        self.state: Path = machine.unit.state

    def closure(self, version: str, *, code: int = 0, check: str = "", during: str = ":") -> str:
        """``during``: what its activation does; ``check``: what its own check is."""
        said = f'echo "activate {name(version)}" >>"$CLAVEL_ROOT/told"\n{during}\nexit {code}\n'
        for program, text in {"activate": said, **({"check": check} if check else {})}.items():
            self.machine._program(self.machine.root / "nix/store" / name(version) / "bin" / program, f"#!/bin/sh\n{text}\n")
        return f"/nix/store/{name(version)}"

    def deploy(self, version: str, ident: str = "j1", *, params: dict[str, str] | None = None, **closure: Any) -> Seen:  # noqa: ANN401
        return self.machine.deploy(self.closure(version, **closure), ident, type="container", **(params or {}))

    @property
    def runs(self) -> str:
        link = self.state / "system/running"
        return link.resolve().name.rpartition("-")[2] if link.exists() else ""

    @property
    def profile(self) -> str:
        return self.machine._version(f"nix/var/nix/profiles/unit-{self.state.name}")


@pytest.mark.parametrize("type_", list(UnitType))
def test_both_sides_look_in_the_same_places(type_: UnitType) -> None:
    """What `places` of unit/lib.sh says, and what the domain's Unit does."""
    unit = Unit(name="amber", type=type_, arch="x86_64-linux", address="local", state="/var/lib/clavel-router")
    said = f'places {type_.value}; printf "%s\\n" "$running" "$profile" "$roots"'
    told = subprocess.run(["sh", "-c", script("lib.sh") + said], env={"CLAVEL_STATE": unit.state}, capture_output=True, text=True)
    assert told.stdout.splitlines() == [unit.running, unit.profile, unit.roots]


@pytest.fixture
def box(web: SystemUnit) -> Container:
    return Container(web)


@pytest.fixture
def plain_box(plain: SystemUnit) -> Container:
    return Container(plain)


def test_the_first_and_the_next_run_by_their_own_program(box: Container) -> None:
    assert box.deploy("7").outcome == "succeeded"
    assert (box.runs, box.profile, box.machine.told) == ("7", "7", ["activate 7", "set 7"])
    seen = box.deploy("8", "j2", check="exit 0")
    assert (seen.outcome, box.runs, box.profile) == ("succeeded", "8", "8"), seen
    assert seen.result["from"].endswith("-7")
    assert box.machine.recorded == [("good", "7"), ("good", "8")]
    assert box.deploy("8", "j3").outcome == "nochange"
    assert box.machine.runs == "1"  # the host's own system, of which nothing was touched
    assert box.machine.profile == "1"


@pytest.mark.parametrize("bad", [{"code": 2}, {"check": "exit 1"}])
def test_a_bad_one_is_left_by_activating_what_ran(box: Container, bad: dict[str, Any]) -> None:
    assert box.deploy("7").outcome == "succeeded"
    seen = box.deploy("8", "j2", **bad)
    assert (seen.outcome, box.runs, box.profile) == ("returned", "7", "7"), seen
    assert box.machine.told == ["activate 7", "set 7", "activate 8", "activate 7"]
    assert box.machine.recorded == [("good", "7"), ("returned", "8")]


def test_a_check_that_failed_before_does_not_excuse_the_next_one(plain_box: Container) -> None:
    """Closures of one container are called alike, but for the hash."""
    machine, flag = plain_box.machine, plain_box.machine.root / "well"
    flag.touch()
    paths = []
    for number, check in (("0", 'test -e "$CLAVEL_ROOT/well"'), ("1", "exit 1")):
        path = f"/nix/store/{number * 32}-oci-web"
        machine._program(machine.root / path[1:] / "bin/activate", "#!/bin/sh\n")
        machine._program(machine.root / path[1:] / "bin/check", f"#!/bin/sh\n{check}\n")
        paths.append(path)
    assert machine.deploy(paths[0], type="container").outcome == "succeeded"
    flag.unlink()
    seen = machine.deploy(paths[1], "j2", type="container")
    assert seen.outcome == "returned", seen
    assert f"already failing, and so not judged: bin/check of {paths[0]}".encode() in seen.log


def test_what_runs_and_is_not_well_is_activated_again(plain_box: Container) -> None:
    """Somebody has removed the container: the link that says what runs is no proof."""
    root = plain_box.machine.root
    closure = {"check": 'test -e "$CLAVEL_ROOT/there"', "during": 'touch "$CLAVEL_ROOT/there"'}
    assert plain_box.deploy("7", **closure).outcome == "succeeded"
    assert plain_box.deploy("7", "j2", **closure).outcome == "nochange"
    (root / "there").unlink()
    assert plain_box.deploy("7", "j3", **closure).outcome == "succeeded"
    assert (root / "there").exists()


@pytest.mark.parametrize("on_failure", ["return", "leave"])
def test_no_exit_code_of_its_own_program_means_failed_units(plain_box: Container, on_failure: str) -> None:
    assert plain_box.deploy("7").outcome == "succeeded"
    seen = plain_box.deploy("8", "j2", code=4, params={"on_failure": on_failure})
    assert (seen.outcome, plain_box.runs) == ("returned", "7")
    assert "the activation failed with exit code 4" in seen.result["text"]


@pytest.mark.parametrize("bad", [{"code": 2}, {"check": "exit 1"}])
def test_the_first_one_has_nothing_to_return_to(plain_box: Container, bad: dict[str, Any]) -> None:
    seen = plain_box.deploy("7", **bad)
    assert (seen.outcome, plain_box.runs) == ("failed", "")
    assert "it was the first one here, so that there is nothing to return to" in seen.result["text"]
    assert plain_box.machine.told == ["activate 7"]
    assert plain_box.deploy("8", "j2").outcome == "succeeded"


def test_what_cannot_activate_itself_is_refused(plain_box: Container) -> None:
    target = plain_box.machine.system("2")
    seen = plain_box.machine.deploy(target, type="iot")
    assert (seen.outcome, plain_box.machine.told) == ("refused", [])
    assert "is no iot system: it holds no bin/activate" in seen.result["text"]


def test_nobody_answers_and_it_goes_back(plain_box: Container) -> None:
    assert plain_box.deploy("7").outcome == "succeeded"
    seen = plain_box.deploy("8", "j2", params={"confirm_s": "1"})
    assert (seen.outcome, plain_box.runs, plain_box.profile) == ("returned", "7", "7")


@pytest.mark.parametrize("restarted", [False, True])
def test_killed_while_it_waits_what_ran_is_activated_again(plain_box: Container, *, restarted: bool) -> None:
    """A container comes up as Docker left it, and not as its profile says."""
    assert plain_box.deploy("7", "j0").outcome == "succeeded"
    machine = plain_box.machine
    with machine.waiting(plain_box.closure("8"), "confirm", confirm_s="60", type="container"):
        machine.kill()
    if restarted:
        machine.boot("second")
    assert machine.unit.settle().outcome == "interrupted"
    assert (plain_box.runs, plain_box.profile) == ("7", "7")
    assert machine.told[-2:] == ["activate 8", "activate 7"]


def test_a_way_back_that_fails_says_that_nothing_is_known_to_run(plain_box: Container) -> None:
    once = 'test ! -e "$CLAVEL_ROOT/broken" || exit 3'
    assert plain_box.deploy("7", during=once).outcome == "succeeded"
    seen = plain_box.deploy("8", "j2", during='touch "$CLAVEL_ROOT/broken"', code=2)
    assert (seen.outcome, plain_box.runs) == ("failed", "")
    assert "it could not be returned: nothing that is known runs" in seen.result["text"]
    (plain_box.machine.root / "broken").unlink()
    seen = plain_box.deploy("9", "j3", code=2)
    assert (seen.outcome, plain_box.runs) == ("returned", "7")  # what it would come up with was good
    (plain_box.state / "system/running").unlink()
    assert plain_box.deploy("7", "j4", during=once).outcome == "succeeded"
    assert plain_box.runs == "7"


def test_a_first_one_that_was_killed_before_anybody_confirmed_it_is_not_said_to_run(plain_box: Container) -> None:
    machine = plain_box.machine
    with machine.waiting(plain_box.closure("7"), "confirm", confirm_s="60", type="container"):
        machine.kill()
    assert machine.unit.settle().outcome == "interrupted"
    assert plain_box.runs == ""
