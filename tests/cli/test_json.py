"""The documented keys of --json, from the demo fleet."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from clavel_tui.cli.parser import build
from clavel_tui.demo import demo_fleet
from clavel_tui.demo_wiring import demo_settings
from clavel_tui.settings import Settings
from clavel_tui.wiring import Wiring, run_verb

UNIT = {"name", "type", "arch", "address", "tags", "roles", "health", "reasons", "drift", "trouble", "seen_at", "os", "docker",
        "compose", "agent", "jobs", "stacks"}  # fmt: skip
STACK = {"unit", "name", "path", "declared", "held", "running", "last_known_good", "services", "releases"}
SERVICE = {"service", "container", "image", "ref", "state", "health"}
RELEASE = {"id", "seq", "health", "seen_at", "images", "restorable", "missing"}


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    with demo_fleet() as places:
        yield demo_settings(places)


def answer(settings: Settings, capsys: pytest.CaptureFixture[str], *words: str) -> object:
    assert run_verb(build().parse_args([*words, "--json"]), Wiring(settings)) == 0
    return json.loads(capsys.readouterr().out)


def test_units(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(settings, capsys, "units")
    assert isinstance(found, list)
    assert len(found) == 11
    assert all(set(unit) >= UNIT for unit in found)


def test_stacks(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(settings, capsys, "stacks", "--unit", "cinnabar")
    assert isinstance(found, list)
    for stack in found:
        assert set(stack) >= STACK
        assert all(set(service) >= SERVICE for service in stack["services"])
        assert all(set(release) >= RELEASE for release in stack["releases"])


def test_show_and_history(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    shown = answer(settings, capsys, "show", "cinnabar")
    assert isinstance(shown, dict)
    assert set(shown) >= UNIT | {"facts"}
    assert answer(settings, capsys, "history") == []
