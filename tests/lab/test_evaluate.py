"""Evaluation by real Nix, 2.8 and 2.26: each kind of flake has its own clear outcome, and nothing is evaluated twice."""

import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from . import flakes
from .console import PROGRAM, Answer
from .flakes import GOOD, VERSIONS, flake, git, good, processes
from .setup import ensure
from .shell import wait_for

pytestmark = pytest.mark.lab
SUCCEEDED, FAILED, SOME_FAILED, CANCELLED = 0, 1, 4, 7


class Workstation:
    """A fleet, its repository's flake, and the command line."""

    def __init__(self, folder: Path, version: str) -> None:
        self.folder = folder
        self.version = version
        self.repository = folder / "repository"
        self.nix = flakes.nix(version, folder)
        self.config(f'nix = "{self.nix}"\nevaluator_mib = 1500\n')

    def config(self, text: str) -> None:
        file = self.folder / "config/clavel-tui/config.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def units(self, *names: str, type_: str = "nixos", more: str = "") -> None:
        hosts = self.repository / "hosts"
        hosts.mkdir(parents=True, exist_ok=True)
        (hosts / "fleet.toml").write_text('name = "stones"\n')
        for name in names:
            (hosts / name).mkdir(exist_ok=True)
            text = f'name = "{name}"\ntype = "{type_}"\narch = "x86_64-linux"\naddress = "127.0.0.1"\nport = 9\n{more}'
            (hosts / name / "unit.toml").write_text(text)

    def argv(self, *words: str) -> list[str]:
        return [str(PROGRAM), "--fleet", str(self.repository / "hosts"), "--db", str(self.folder / "journal.db"), *words]

    def environ(self) -> dict[str, str]:
        return {**os.environ, "XDG_CONFIG_HOME": str(self.folder / "config")}

    def run(self, *words: str) -> Answer:
        done = subprocess.run(self.argv(*words), env=self.environ(), capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        return Answer(words, done.returncode, done.stdout, done.stderr)

    def eval(self, code: int = SUCCEEDED, *words: str) -> dict[str, object]:
        return dict(self.run("eval", "--json", *words).ends(code).json)

    def started(self) -> dict[str, int]:
        return processes(self.folder)


@pytest.fixture(params=VERSIONS)
def here(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workstation]:
    if request.param != VERSIONS[0]:
        ensure("trixie")
    yield Workstation(tmp_path, request.param)
    flakes.forget(tmp_path / "store")


def by_unit(said: dict[str, object]) -> dict[str, dict[str, str]]:
    units = said["units"]
    assert isinstance(units, list)
    return {str(one["unit"]): one for one in units}


def truth(here: Workstation, name: str) -> str:
    """What Nix itself says, without our code."""
    argv = [here.nix, "--extra-experimental-features", "nix-command", "--extra-experimental-features", "flakes", "eval", "--raw"]
    attribute = f"{here.repository}#nixosConfigurations.{name}.config.system.build.toplevel.outPath"
    return subprocess.run([*argv, attribute], capture_output=True, text=True, check=True).stdout


def test_one_broken_unit_of_eight_is_reported_alone(here: Workstation) -> None:
    here.units(*GOOD, "broken")
    units = {name: good(name) for name in GOOD} | {"broken": 'throw "the option `services.fancy\' does not exist"'}
    flake(here.repository, units | {"opal-sd": good("opal-sd")})
    said = here.eval(SOME_FAILED)
    units_said = by_unit(said)
    assert [name for name, one in units_said.items() if not one["fault"]] == sorted(GOOD)
    assert units_said["broken"]["text"] == "the option `services.fancy' does not exist"
    assert said["others"] == ["nixosConfigurations.opal-sd"]
    assert {name: units_said[name]["nar_id"] for name in GOOD} == {name: truth(here, name) for name in GOOD}
    assert all(len(units_said[name]["deployment"]) == 64 for name in GOOD)
    assert not list((here.folder / "store").glob("nix/store/*nixos-system-*[!v]"))  # derivations, and nothing built


def test_the_second_evaluation_of_the_same_source_starts_no_evaluator(here: Workstation) -> None:
    here.units(*GOOD, "broken")
    flake(here.repository, {name: good(name) for name in GOOD} | {"broken": "1 + {}"})
    first = here.eval(SOME_FAILED)
    started = here.started()
    assert started["eval"] >= 2  # the broken one ended one of them
    second = here.eval(SOME_FAILED)
    assert here.started() == {"eval": started["eval"], "metadata": started["metadata"] + 1}
    assert second["processes"] == 0
    assert second["units"] == first["units"]
    here.units("zircon")
    git(here.repository, "add", "-A")  # nothing of the flake changed but hosts/, which belongs to the source
    third = here.eval(SOME_FAILED)
    assert third["processes"] != 0


def test_an_unchanged_source_and_a_new_unit_evaluate_that_one_alone(here: Workstation) -> None:
    source = flake(here.folder / "elsewhere", {name: good(name) for name in GOOD})
    here.units(*GOOD[:-1])
    here.eval(SUCCEEDED, str(source))
    here.units(GOOD[-1])
    before = here.started()["eval"]
    said = here.eval(SUCCEEDED, str(source))
    assert here.started()["eval"] == before + 1
    assert sorted(by_unit(said)) == sorted(GOOD)
    asked = (here.folder / "asked").read_text().splitlines()[-1]
    assert f'\\"{GOOD[-1]}\\"' in asked
    assert f'\\"{GOOD[0]}\\"' not in asked


def test_a_dirty_tree_is_evaluated_as_it_is_and_says_so(here: Workstation) -> None:
    here.units("amber")
    flake(here.repository, {"amber": good("amber", "one")})
    clean = here.eval()
    flake(here.repository, {"amber": good("amber", "two")}, commit=False)
    dirty = here.eval()
    assert not dict(clean["lock"])["dirty"]  # type: ignore[call-overload]
    assert dict(dirty["lock"])["dirty"]  # type: ignore[call-overload]
    assert "(dirty)" in str(dirty["text"])
    assert by_unit(dirty)["amber"]["nar_id"] == truth(here, "amber") != by_unit(clean)["amber"]["nar_id"]
    deployments = here.run("deployments", "--json").json
    assert [one["dirty"] for one in deployments] == [True, False]


def test_a_lock_file_that_lacks_an_entry_is_refused(here: Workstation) -> None:
    other = flake(here.folder / "other", {})
    here.units("amber")
    flake(here.repository, {"amber": good("amber")}, inputs=f'inputs.other.url = "git+file://{other}";')
    answer = here.run("eval").ends(FAILED)
    assert "lock file" in answer.err
    assert "nix flake lock" in answer.err
    assert here.started()["eval"] == 0
    assert not (here.repository / "flake.lock").exists()


def test_what_breaks_breaks_alone_and_says_why(here: Workstation) -> None:
    """Each in one source with a good one before and behind it."""
    (here.repository / "hosts/syntax").mkdir(parents=True)
    (here.repository / "hosts/syntax/default.nix").write_text("{ services.fancy = ; }\n")
    broken = {
        "builds": 'mk (import (derivation { name = "gen"; system = "x86_64-linux"; builder = "/bin/sh"; })) "1"',
        "endless": "let x = x; in x",
        "deep": "let f = n: 1 + f (n + 1); in f 0",
        "hungry": "builtins.deepSeq (builtins.genList (x: builtins.genList (y: x + y) 100000) 100000) 1",
        "lacks": "{ config.system.build = { }; }",
        "syntax": "import ./hosts/syntax",
        "noname": "undefined-function 1",
        "floats": 'derivation { name = "x"; }',
    }
    here.units(*broken, "amber", "zircon")
    flake(here.repository, {name: text for name, text in broken.items() if name != "noname"} | {
        "noname": "{ config.system.build.toplevel = builtins.nothing 1; }", "amber": good("amber"), "zircon": good("zircon"),
    })  # fmt: skip
    said = by_unit(here.eval(SOME_FAILED))
    faults = {name: one["fault"] for name, one in said.items()}
    assert faults == {
        "amber": None, "zircon": None, "builds": "build", "endless": "evaluation", "deep": "evaluation",
        "hungry": "memory", "lacks": "evaluation", "syntax": "evaluation", "noname": "evaluation", "floats": "evaluation",
    }  # fmt: skip
    texts = {name: one["text"] for name, one in said.items()}
    assert "nothing is built here" in texts["builds"]
    assert "infinite recursion" in texts["endless"]
    assert "stack overflow" in texts["deep"]
    assert texts["hungry"] == "needed more than 1500 MiB of memory"
    assert texts["lacks"].startswith("attribute 'toplevel' missing") or "attribute 'toplevel'" in texts["lacks"]
    assert "syntax error" in texts["syntax"]
    assert "hosts/syntax/default.nix:1:20" in texts["syntax"]
    assert "/nix/store" not in texts["syntax"]
    assert not any("trace" in text or "clavel-tui" in text for text in texts.values())


def test_a_flake_that_is_broken_itself_has_no_outcome_for_a_unit(here: Workstation) -> None:
    here.units("amber")
    flake(here.repository, {"amber": good("amber")})
    with (here.repository / "flake.nix").open("a") as file:
        file.write("}")
    answer = here.run("eval").ends(FAILED)
    assert "syntax error" in answer.err
    assert here.run("eval", str(here.folder / "nowhere")).ends(FAILED).err.count("nowhere") >= 1
    here.config('nix = "/nowhere/nix"\n')
    assert "there is no /nowhere/nix on this workstation" in here.run("eval").ends(FAILED).err


def test_units_of_other_kinds_say_what_they_need(here: Workstation) -> None:
    """clavelUnits: a store path, or something that has one, with substituters of its own."""
    path = "/nix/store/" + "a" * 32 + "-router-1.0"
    custom = f"""
  clavelUnits.router = {{ type = "iot"; storePath = "{path}"; profile = "/nix/var/nix/profiles/router";
    substituters = [ "https://cache.example.org" ]; substituters-public-keys = [ "cache.example.org-1:AAAA" ]; metadata.site = "attic"; }};
  clavelUnits.switch = {{ type = "iot"; toplevel = (mk "switch" "1").config.system.build.toplevel; }};
  clavelUnits.wrong = {{ type = "iot"; storePath = "/etc"; }};
  clavelUnits.odd = {{ type = "iot"; store-path = "{path}"; }};
  clavelUnits.other = {{ type = "nixos"; storePath = "{path}"; }};
  clavelUnits.both = {{ type = "iot"; storePath = "{path}"; toplevel = (mk "x" "1").config.system.build.toplevel; }};
  clavelUnits.number = {{ type = "iot"; storePath = 5; }};
  clavelUnits.amber = {{ storePath = "{path}"; }};
  nixosConfigurations.amber = mk "amber" "1"; nixosConfigurations.arm"""
    names = ("router", "switch", "wrong", "odd", "other", "both", "number")
    here.units(*names, type_="iot")
    here.units("amber")
    flake(here.repository, {}, before='nixConfig.extra-substituters = [ "https://flake.example.org" ];')
    file = here.repository / "flake.nix"
    file.write_text(file.read_text().replace("in {", "in {" + custom + ' = mk "arm" "1";'))
    git(here.repository, "add", "-A")
    said = by_unit(here.eval(SOME_FAILED))
    assert said["router"]["nar_id"] == path
    assert said["switch"]["nar_id"].endswith("-nixos-system-switch")
    texts = {name: one["text"] for name, one in said.items()}
    assert texts["wrong"] == "clavelUnits.wrong: '/etc' is no store path that is known before it is built"
    assert "no such key: store-path" in texts["odd"]
    assert texts["other"] == "clavelUnits.other: type is 'nixos', but unit.toml says 'iot'"
    assert "says both toplevel and storePath" in texts["both"]
    assert "storePath or toplevel is 5" in texts["number"]
    assert "are both for amber" in texts["amber"]
    recorded = {one["deployment"]["name"]: one["deployment"] for one in here.run("deployments", "--json").json}
    router, switch = recorded["router"], recorded["switch"]
    assert router["specification"]["template"]["substituters"] == ["https://cache.example.org"]
    assert router["specification"]["template"]["substituters-public-keys"] == ["cache.example.org-1:AAAA"]
    assert router["specification"]["template"]["metadata"]["site"] == "attic"
    assert router["metadata"]["substituters-from"] == "clavelUnits.router"
    assert switch["specification"]["template"]["substituters"] == ["https://flake.example.org"]
    assert switch["metadata"]["substituters-from"] == "nixConfig"


def test_a_flake_in_a_folder_of_the_repository(here: Workstation) -> None:
    here.units("amber")
    flake(here.repository, {})
    (here.repository / "flake.nix").rename(here.repository / "saved")
    flake(here.repository / "nix", {"amber": good("amber")}, commit=False)
    flakes.forget(here.repository / "nix/.git")
    git(here.repository, "add", "-A")
    git(here.repository, "-c", "user.name=lab", "-c", "user.email=l@x", "commit", "-q", "-m", "moved")
    said = here.eval()
    assert dict(said["lock"])["dir"] == "nix"  # type: ignore[call-overload]
    assert here.eval(SUCCEEDED, f"git+file://{here.repository}?dir=nix")["processes"] == 0
    here.eval(SUCCEEDED, f"path:{here.repository}/nix")


def test_a_deployment_is_named_after_what_it_is_and_a_ref_moves(here: Workstation) -> None:
    here.units("amber")
    ids: list[str] = []
    for text in ("one", "two", "three", "one"):
        flake(here.repository, {"amber": good("amber", text)}, commit=False)
        ids.append(by_unit(here.eval())["amber"]["deployment"])
    assert ids[0] == ids[3]
    assert len(set(ids)) == 3
    lines = here.run("deployments", "amber").ends(0).out.splitlines()[1:]
    assert [line.split()[-1].rpartition("-")[2] for line in lines] == ["amber"] * 3
    assert [line.startswith("*") for line in lines] == [True, False, False]
    compared = here.run("compare", f"amber@{ids[1][:8]}", "amber", "--json").ends(1).json
    assert {"narId", "drvPath", "sourceHash"} == set(compared)
    assert "no Deployment is called amber@ffffffff" in here.run("compare", "amber@ffffffff", "amber").ends(3).err
    history = here.run("history", "--json").json
    assert [one["outcome"] for one in history] == ["succeeded"] * 4
    assert {one["request"]["verb"] for one in history} == {"evaluate"}


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_evaluation_that_is_stopped_records_nothing_and_leaves_no_evaluator(here: Workstation, how: signal.Signals) -> None:
    here.units("amber", "zircon")
    slow = "builtins.deepSeq (builtins.genList (x: builtins.foldl' (a: b: a + b) 0 (builtins.genList (y: y) 100000)) 100000) 1"
    flake(here.repository, {"amber": good("amber"), "zircon": slow})
    running = subprocess.Popen(here.argv("eval"), env=here.environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for("it evaluates", lambda: bool(evaluators(here)), 40)
    running.send_signal(how)
    running.wait(20)
    wait_for("its evaluators have ended", lambda: not evaluators(here), 40)
    (operation,) = here.run("history", "--json").json
    assert operation["outcome"] == ("cancelled" if how == signal.SIGINT else "interrupted")
    assert "nothing was recorded" in operation["text"]
    assert here.run("deployments", "--json").json == []
    with sqlite3.connect(here.folder / "journal.db") as database:
        assert database.execute("SELECT count(*) FROM memo").fetchone() == (0,)


def evaluators(here: Workstation) -> Sequence[str]:
    done = subprocess.run(["pgrep", "-f", f"store {here.folder}/store.* eval "], capture_output=True, text=True, check=False)
    return done.stdout.split()


def test_a_warning_of_the_flake_is_shown(here: Workstation) -> None:
    here.units("amber")
    flake(here.repository, {"amber": f'builtins.trace "warning: this option is old" ({good("amber")})'})
    assert here.eval()["warnings"] == ["this option is old"]


def test_a_flake_that_writes_our_own_lines_cannot_speak_for_another_unit(here: Workstation) -> None:
    here.units("amber", "zircon")
    forged = json.dumps({"attribute": "nixosConfigurations.amber", "unit": "amber", "drvPath": "", "system": "x86_64-linux",
                         "narId": "/nix/store/" + "b" * 32 + "-evil"}).replace('"', '\\"')  # fmt: skip
    flake(here.repository, {"zircon": f'builtins.trace "clavel-tui found {forged}" ({good("zircon")})', "amber": good("amber")})
    assert by_unit(here.eval())["amber"]["nar_id"] == truth(here, "amber")


def test_watching_evaluates_again_when_a_file_or_the_revision_changes(here: Workstation) -> None:
    here.units("amber")
    flake(here.repository, {"amber": good("amber", "one")})
    running = subprocess.Popen(
        here.argv("eval", "--watch"), env=here.environ(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )

    try:
        wait_for("one is told", lambda: [one["outcome"] for one in here.run("history", "--json").json] == ["succeeded"], 40)
        flake(here.repository, {"amber": good("amber", "two")}, commit=False)
        wait_for("both are evaluated", lambda: len(here.run("deployments", "--json").json) == 2, 40)
        git(here.repository, "-c", "user.name=lab", "-c", "user.email=l@x", "commit", "-q", "-a", "-m", "two")
        wait_for("it is clean", lambda: not here.run("deployments", "--json").json[0]["dirty"], 40)
    finally:
        running.send_signal(signal.SIGINT)
    assert running.wait(20) == 130
    newest = here.run("deployments", "--json").json[0]
    assert (newest["dirty"], newest["deployment"]["specification"]["template"]["narId"]) == (False, truth(here, "amber"))
