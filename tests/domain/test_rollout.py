"""Waves, what counts against a unit, and how a rollout ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.health import Health, Level, Reason
from clavel_tui.domain.operation import Operation, Origin, Plan, Request, State, Verb
from clavel_tui.domain.outcome import Outcome
from clavel_tui.domain.rollout import BACK, Rollout, child, ills, verdict
from clavel_tui.domain.waves import RolloutSettings, sizes


@pytest.mark.parametrize(
    ("count", "canary", "wave", "expected"),
    [
        (8, 1, "25%", [1, 2, 2, 2, 1]),
        (8, 2, "3", [2, 3, 3]),
        (8, 0, "100%", [8]),
        (1, 1, "25%", [1]),
        (3, 5, "1", [3]),
        (200, 1, "33%", [1, 66, 66, 66, 1]),
    ],
)
def test_sizes_of_waves(count: int, canary: int, wave: str, expected: list[int]) -> None:
    assert sizes(count, RolloutSettings(canary=canary, wave=wave)) == expected


@given(
    st.integers(1, 300), st.integers(0, 20), st.one_of(st.integers(1, 100).map(lambda n: f"{n}%"), st.integers(1, 99).map(str))
)
def test_every_unit_is_in_just_one_wave(count: int, canary: int, wave: str) -> None:
    found = sizes(count, RolloutSettings(canary=canary, wave=wave))
    assert sum(found) == count
    assert all(found)
    assert not canary or found[0] == min(canary, count)


def test_waves_are_said_in_the_words_of_fleet_toml() -> None:
    said = RolloutSettings().otherwise("wave=10%   soak_seconds=300 on_stop=return")
    assert said.typed == "canary=1 wave=10% soak_seconds=300 stop_at=1 on_stop=return"
    assert said.otherwise(said.typed) == said
    assert said.otherwise("") == said


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("waves=3", "waves=3: not one of canary=…, wave=…"),
        ("wave", "wave: not one of"),
        ("wave=0", "wave=0: it is so many units, or a part of all of them such as 25%"),
        ("wave=", "wave=: it is"),
        ("canary=-1", "canary=-1: it is 0 to 1000 units"),
        ("canary=two", "canary=two: it is 0 to 1000 units"),
        ("soak_seconds=1h", "soak_seconds=1h: it is 0 to 86400"),
        ("stop_at=0", "stop_at=0: it is 1 to 1000 failures"),
        ("on_stop=undo", "on_stop=undo: it is leave or return"),
        ("wave=1 wave=2", "wave is there twice: 1 and 2"),
    ],
)
def test_waves_that_cannot_be_meant_are_refused_by_their_key(text: str, error: str) -> None:
    with pytest.raises(RefusedError) as raised:
        RolloutSettings().otherwise(text)
    assert raised.value.text.startswith(error)


def plans(units: str) -> list[Plan]:
    return [Plan(request=Request(unit=name, stack="", verb=Verb.DEPLOY), title=name, commands=("nix copy",)) for name in units]


def ended(name: str, outcome: Outcome) -> Operation:
    request = Request(unit=name, stack="", verb=Verb.DEPLOY)
    return Operation(id=name, request=request, origin=Origin(operator="ada"), state=State.SETTLED, outcome=outcome)


@pytest.mark.parametrize(
    ("outcomes", "back", "failures", "expected"),
    [
        ("ss", "", [], Outcome.SUCCEEDED),
        ("nn", "", [], Outcome.NO_CHANGE),
        ("sn", "", [], Outcome.SUCCEEDED),
        ("sr", "", ["b"], Outcome.UNITS_FAILED),
        ("sr", "a", ["b"], Outcome.RETURNED),
        ("r", "", ["a"], Outcome.RETURNED),
        ("f", "", ["a"], Outcome.FAILED),
        ("sf", "a", ["b"], Outcome.UNITS_FAILED),  # nobody knows what runs on b
        ("ss", "", ["a"], Outcome.UNITS_FAILED),  # it fell ill behind its operation
        ("ss", "ab", [], Outcome.RETURNED),  # aborted when all was done
        ("", "", ["a"], Outcome.FAILED),  # refused before it was begun
    ],
)
def test_how_it_ends(outcomes: str, back: str, failures: list[str], expected: Outcome) -> None:
    words = {"s": Outcome.SUCCEEDED, "n": Outcome.NO_CHANGE, "r": Outcome.RETURNED, "f": Outcome.FAILED}
    done = {name: ended(name, words[letter]) for name, letter in zip("abc", outcomes, strict=False)}
    returned = {name: ended(name, Outcome.SUCCEEDED) for name in back}
    rollout = Rollout.of(plans("ab" if len(outcomes) > 1 else "a"), RolloutSettings(), {})
    assert verdict(rollout, done, returned, failures) is expected


def test_what_counts_against_a_unit() -> None:
    """Memory is low for a moment on any machine; a disk that is full is another matter, whatever its number."""
    reasons = [
        Reason(code="memory", level=Level.DEGRADED, text="memory is nearly used up"),
        Reason(code="systemd-failed", level=Level.DEGRADED, text="the systemd unit mail has failed"),
        Reason(code="disk", level=Level.FAILED, text="the disk at / is 98 % full"),
    ]
    assert ills(Health(level=Level.FAILED, reasons=tuple(reasons))) == ("the systemd unit mail has failed", "disk")


def test_children_have_ids_of_their_own() -> None:
    names = {child(parent, plan, what) for parent in ("p", "q") for plan in plans("ab") for what in ("", BACK)}
    assert len(names) == 8
    assert child("p", plans("a")[0]) == child("p", plans("a")[0])


def test_what_is_kept_of_a_plan_carries_it_out() -> None:
    rollout = Rollout.of(plans("a"), RolloutSettings(), {})
    assert not rollout.plans[0].commands
    assert Rollout.model_validate_json(rollout.model_dump_json()) == rollout
    assert rollout.title == "deploy 1 unit in 1 wave"
