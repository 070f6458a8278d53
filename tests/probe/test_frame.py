"""The script of the far side, run here: one round trip, each fragment with its own deadline."""

import time
from pathlib import Path

import pytest

from clavel_tui.domain.unit import Check, Unit
from clavel_tui.probe import ask, probe, probe_query
from clavel_tui.remote.effects import Query
from clavel_tui.remote.local import LocalRunner
from clavel_tui.remote.secrets import Secrets
from clavel_tui.remote.target import Target

UNIT = Unit.model_validate({"name": "here", "type": "linux", "arch": "x86_64-linux", "address": "local"})


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder of programs that come before the machine's own."""
    folder = tmp_path / "tools"
    folder.mkdir()
    return folder


@pytest.fixture
def here(tmp_path: Path, tools: Path) -> Target:
    return Target("here", "local", tools=(str(tools),), state=str(tmp_path / "state"))


def program(file: Path, text: str) -> None:
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


async def test_a_fragment_that_hangs_is_named_and_the_others_are_there(
    here: Target, tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tools / "docker", "sleep 30")
    program(tools / "nix", "exit 1")
    monkeypatch.setitem(ask.FRAGMENTS, "docker", 1)
    begun = time.monotonic()
    seen = await probe(LocalRunner(Secrets()), UNIT, here)
    assert time.monotonic() - begun < 8
    assert seen.silent == ("docker",)
    assert seen.kernel.startswith("Linux ")
    assert seen.state == "none"
    assert seen.checks == ()
    # Its clock was read at the beginning, in whole seconds, and is compared with the middle of the look.
    assert abs(seen.clock_skew or 99) <= seen.took / 2 + 1.1


async def test_a_nix_that_hangs_costs_its_version_only(here: Target, tools: Path) -> None:
    program(tools / "nix", "sleep 30")
    seen = await probe(LocalRunner(Secrets()), UNIT, here)
    assert (seen.nix, seen.silent) == ("", ())


async def test_a_fragment_that_is_broken_does_not_spoil_the_next(here: Target, tools: Path) -> None:
    program(tools / "docker", "echo 'it is broken' >&2; exit 1")
    seen = await probe(LocalRunner(Secrets()), UNIT, here)
    assert (seen.docker, seen.docker_error, seen.silent) == ("silent", "it is broken", ())


async def test_checks_are_run_with_their_own_limit_and_words(here: Target) -> None:
    lines = ["true", "exit 7", "test 'a  b' = \"a  b\"", "echo $HOME >/dev/null; false"]
    unit = UNIT.model_copy(update={"checks": tuple(Check(command=line) for line in lines)})
    seen = await probe(LocalRunner(Secrets()), unit, here)
    assert [(c.line, c.code) for c in seen.checks] == [(f"command {c}", n) for c, n in zip(lines, (0, 7, 0, 1), strict=True)]


def test_the_script_is_the_same_for_each_look_so_that_it_can_stay() -> None:
    assert probe_query(UNIT) == probe_query(UNIT)


async def test_words_that_are_no_question_are_passed_over(here: Target) -> None:
    asked = probe_query(UNIT)
    several = Query(asked.name, asked.text, asked.args, b"\nnoise\nprobe one\nprobe two\n", asked.timeout)
    lines: list[str] = []
    await LocalRunner(Secrets()).query(here, several, lines.append)
    assert [line for line in lines if line[:2] in {"<<", ">>"}] == ["<< one", ">> one", "<< two", ">> two"]


async def test_an_odd_state_folder_is_told(here: Target) -> None:
    state = Path(here.state)
    (state / "stacks/we b/releases/r1").mkdir(parents=True)
    (state / "stacks/we b/releases/r1/manifest").write_text("project\tx\nservice\tapp\n")
    (state / "stacks/we b/releases/empty").mkdir()
    seen = await probe(LocalRunner(Secrets()), UNIT, here)
    assert (seen.state, seen.born) == ("present", "")
    assert [(s.name, [r.id for r in s.releases]) for s in seen.stacks] == [("we b", ["r1"])]
    (state / "born").write_text("b1\n")
    seen = await probe(LocalRunner(Secrets()), UNIT, here)
    assert (seen.state, seen.born) == ("present", "b1")
    assert [(s.name, [r.id for r in s.releases]) for s in seen.stacks] == [("we b", ["r1"])]
