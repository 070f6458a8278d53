"""What an agent does next, by what runs, what was tried, and who has said what."""

from __future__ import annotations

import pytest

from clavel_tui.agent.deciding import RETRY_FIRST_S, RETRY_MOST_S, Decision, Runs, decide
from clavel_tui.domain.agent import Phase
from clavel_tui.domain.deployment import Deployment, Specification, Template
from clavel_tui.domain.operation import Operation, Origin, Request, State, Verb
from clavel_tui.domain.outcome import Outcome
from clavel_tui.domain.unit import Unit, UnitType

AMBER = Unit(name="amber", type=UnitType.NIXOS, arch="x86_64-linux", address="local")
OLD, NEW = "/nix/store/old", "/nix/store/new"
WANTED = Deployment.of(Specification(unit="amber", template=Template(nar_id=NEW)), "/repository", "sha256-1")
RUNS_OLD, RUNS_NEW = Runs(OLD, OLD), Runs(NEW, NEW)


def tried(outcome: Outcome | None, *, ident: str = "a", ended: float = 100.0) -> Operation:
    request = Request(unit="amber", stack="", verb=Verb.DEPLOY, release=f"amber@{WANTED.id}")
    operation = Operation(id=ident, request=request, origin=Origin(operator="root"), state=State.RUNNING, started=ended - 10)
    return operation.ended_with(outcome, "why", ended) if outcome else operation


def test_what_runs_already_is_left_and_what_does_not_is_applied() -> None:
    assert decide(AMBER, WANTED, RUNS_NEW, []) == Decision(Phase.IDLE, outcome=Outcome.NO_CHANGE)
    assert decide(AMBER, WANTED, RUNS_OLD, []).apply
    assert decide(AMBER, WANTED, Runs(NEW, OLD), []).apply  # it would be gone with the next boot
    assert decide(AMBER, WANTED, RUNS_NEW, [tried(Outcome.SUCCEEDED)]).outcome is Outcome.SUCCEEDED


def test_what_somebody_has_replaced_is_applied_again() -> None:
    assert decide(AMBER, WANTED, RUNS_OLD, [tried(Outcome.SUCCEEDED)], now=101).apply


def test_one_for_another_unit_is_never_applied() -> None:
    other = Deployment.of(Specification(unit="beryl", template=Template(nar_id=NEW)), "/repository", "sha256-1")
    said = decide(AMBER, other, RUNS_OLD, [])
    assert (said.phase, said.apply) == (Phase.FAILED, False)
    assert "beryl is for beryl, and this is amber" in said.text


def test_held_it_does_nothing_whatever_runs() -> None:
    for runs in (RUNS_OLD, RUNS_NEW):
        assert decide(AMBER, WANTED, runs, [], held="held by ann") == Decision(Phase.HELD, "held by ann")


def test_what_returned_by_itself_is_left_until_it_is_released() -> None:
    returned = tried(Outcome.RETURNED)
    for runs in (RUNS_OLD, Runs(OLD, NEW)):
        said = decide(AMBER, WANTED, runs, [returned], now=1e9)
        assert (said.phase, said.apply, said.text) == (Phase.QUARANTINED, False, "why")
    assert decide(AMBER, WANTED, RUNS_OLD, [returned], released=returned.id).apply
    again = tried(Outcome.RETURNED, ident="b")
    assert not decide(AMBER, WANTED, RUNS_OLD, [again, returned], released=returned.id).apply  # one release, one try


def test_one_that_waits_for_a_reboot_is_not_tried_again() -> None:
    said = decide(AMBER, WANTED, Runs(OLD, NEW), [tried(Outcome.NEEDS_REBOOT)], now=1e9)
    assert (said.phase, said.apply, said.outcome) == (Phase.IDLE, False, Outcome.NEEDS_REBOOT)
    assert decide(AMBER, WANTED, RUNS_OLD, [tried(Outcome.NEEDS_REBOOT)], now=1e9).apply  # somebody has unset it


def test_one_that_is_under_way_is_waited_for() -> None:
    said = decide(AMBER, WANTED, RUNS_OLD, [tried(None)])
    assert (said.phase, said.apply, said.wait) == (Phase.APPLYING, False, 5.0)


@pytest.mark.parametrize(
    ("failures", "due"), [(1, RETRY_FIRST_S), (2, 2 * RETRY_FIRST_S), (3, 4 * RETRY_FIRST_S), (30, RETRY_MOST_S)]
)
def test_what_failed_is_tried_again_less_and_less_often(failures: int, due: float) -> None:
    known = [tried(Outcome.FAILED) for _ in range(failures)]
    early = decide(AMBER, WANTED, RUNS_OLD, known, now=100 + due - 1)
    assert (early.phase, early.apply, early.wait) == (Phase.FAILED, False, 1.0)
    assert decide(AMBER, WANTED, RUNS_OLD, known, now=100 + due).apply
    assert decide(AMBER, WANTED, RUNS_OLD, known, released="a", now=101).apply


def test_a_clock_that_was_put_back_makes_nobody_wait_for_years() -> None:
    assert decide(AMBER, WANTED, RUNS_OLD, [tried(Outcome.FAILED, ended=2e9)], now=100).apply


@pytest.mark.parametrize("outcome", [Outcome.INTERRUPTED, Outcome.UNKNOWN, Outcome.RETURNED])
def test_what_took_the_machine_down_is_not_tried_for_ever(outcome: Outcome) -> None:
    said = decide(AMBER, WANTED, RUNS_OLD, [tried(outcome)], now=1e9)
    assert (said.phase, said.apply) == (Phase.QUARANTINED, False)


def test_a_failure_that_had_touched_the_machine_is_left_alone_and_one_that_had_not_is_tried_again() -> None:
    touched = tried(Outcome.FAILED).model_copy(update={"came_from": OLD})
    assert decide(AMBER, WANTED, RUNS_OLD, [touched], now=1e9).phase is Phase.QUARANTINED
    assert decide(AMBER, WANTED, RUNS_OLD, [tried(Outcome.FAILED)], now=1e9).apply


def test_an_older_generation_that_somebody_has_booted_is_left_running() -> None:
    said = decide(AMBER, WANTED, Runs(OLD, NEW), [tried(Outcome.SUCCEEDED)], now=1e9)
    assert (said.phase, said.apply) == (Phase.QUARANTINED, False)
    assert "comes up at the next boot" in said.text


def test_what_runs_is_well_whatever_was_tried_before() -> None:
    for outcome in (Outcome.FAILED, Outcome.INTERRUPTED, Outcome.NEEDS_REBOOT, Outcome.RETURNED):
        assert decide(AMBER, WANTED, RUNS_NEW, [tried(outcome)]) == Decision(Phase.IDLE, outcome=Outcome.NO_CHANGE)
