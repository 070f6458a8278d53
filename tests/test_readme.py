"""README.md tells the truth about keys, verbs and exit codes."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from clavel_tui.cli.parser import build
from clavel_tui.cli.verbs import VERBS
from clavel_tui.domain.commands import COMMANDS, shown_key
from clavel_tui.domain.outcome import EXIT_CODES

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def verbs() -> set[str]:
    (action,) = [a for a in build()._actions if isinstance(a, argparse._SubParsersAction)]
    return set(action.choices) - {"demo"}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c.id)
def test_every_key_is_in_the_table(command: object) -> None:
    key = shown_key(getattr(command, "key", ""))
    assert f"`{key}`" in README


def test_every_verb_is_told_and_is_carried_out() -> None:
    assert verbs() == set(VERBS)
    told = set(re.findall(r"[a-z-]+", README.split("Without the console: `clavel-tui ")[1].split("`")[0]))
    assert verbs() - {"trust"} <= told


def test_every_command_with_a_verb_names_a_real_one() -> None:
    assert {c.verb for c in COMMANDS if c.verb} <= verbs()


def test_every_exit_code_is_told() -> None:
    sentence = README.split("The exit code tells the outcome:")[1].split("`--yes`")[0]
    assert {str(code) for code in EXIT_CODES.values()} <= set(re.findall(r"\d+", sentence))


def test_pictures_are_there() -> None:
    for name in re.findall(r"screenshots/[a-z-]+\.svg", README):
        assert (Path(__file__).parent.parent / name).is_file()
