"""Nix's own messages, of both versions, as `tests.nix.capture` kept them: which failure it is, and the words that are left."""

from pathlib import Path

import pytest

from clavel_tui.domain.source import Fault
from clavel_tui.nix.messages import OWNER, failure, warnings

FIXTURES = Path(__file__).parent / "fixtures"
VERSIONS = sorted(folder.name for folder in FIXTURES.iterdir())
EXPECTED = {
    "thrown": (
        Fault.EVALUATION,
        "The option `services.fancy' does not exist. Definition values: - In `hosts/a/default.nix': true",
    ),
    "build": (Fault.BUILD, "-gen.drv built while it is evaluated (import from derivation): nothing is built here"),
    "recursion": (Fault.EVALUATION, "infinite recursion encountered"),
    "overflow": (Fault.EVALUATION, "stack overflow"),
    "memory": (Fault.MEMORY, "out of memory"),
    "missing": (Fault.EVALUATION, "attribute "),
    "type": (Fault.EVALUATION, "(flake.nix:"),
    "nowhere": (Fault.EVALUATION, "/nowhere"),
    "lock": (Fault.EVALUATION, "lock file"),
    "fetch": (Fault.FETCH, "api.github.com"),
    "syntax": (Fault.EVALUATION, "syntax error, unexpected ';'"),
}


def said(version: str, name: str) -> tuple[int, list[str]]:
    code, *lines = (FIXTURES / version / f"{name}.txt").read_text().splitlines()
    return int(code), lines


def test_both_versions_have_every_fixture() -> None:
    assert len(VERSIONS) == 2
    assert all((FIXTURES / version / f"{name}.txt").exists() for version in VERSIONS for name in [*EXPECTED, "good"])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", EXPECTED)
def test_each_failure_has_its_kind_and_its_words(version: str, name: str) -> None:
    fault, text = failure(*said(version, name))
    kind, words = EXPECTED[name]
    assert fault is kind
    assert words in text
    assert not text.startswith("error")
    for noise in ("while evaluating", "clavel-tui", "--show-trace", "|", "-source/"):
        assert noise not in text, text


@pytest.mark.parametrize("version", VERSIONS)
def test_a_warning_of_the_evaluated_code(version: str) -> None:
    assert warnings(said(version, "good")[1]) == ("this option is old",)
    assert warnings(said(version, "thrown")[1]) == ()


def test_an_evaluator_that_died_without_a_word() -> None:
    assert failure(139, []) == (Fault.CRASH, "the evaluator died with exit status 139 and said nothing")


def test_colours_and_controls_of_a_message_are_dropped() -> None:
    assert failure(1, ["error: \x1b[31mbad\x1b[0m \x07thing"]) == (Fault.EVALUATION, "bad thing")


@pytest.mark.parametrize(
    "said",
    [
        "error: program 'git' failed with exit code 129",
        "error: opening Git repository \"/srv/fleet\": repository path '/srv/fleet' is not owned by current user",
    ],
)
def test_a_repository_of_somebody_else_and_what_to_do(said: str) -> None:
    """The first as Nix 2.8 says it in tests/lab/test_modules.py; the second of the libgit2 in current releases."""
    fault, text = failure(1, [said])
    assert fault is Fault.WORKSTATION
    assert text == f"{said.removeprefix('error: ')}: {OWNER}"
