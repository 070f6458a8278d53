"""What an agent does next about a stack, by what was tried, who holds it, and which images are still there."""

from __future__ import annotations

import pytest

from clavel_tui.agent.deciding import RETRY_FIRST_S, Decision
from clavel_tui.agent.stacks import decide_stack, request_for, worse
from clavel_tui.domain.agent import Phase
from clavel_tui.domain.operation import Operation, Origin, Request, State, Verb
from clavel_tui.domain.outcome import Outcome
from clavel_tui.domain.release import Held, Release
from clavel_tui.domain.stackview import StackView
from clavel_tui.domain.unit import Unit, UnitType

AMBER = Unit(name="amber", type=UnitType.NIXOS, arch="x86_64-linux", address="local")
OLD, NEW = "1" * 64, "2" * 64
OURS = "claveld at https://claveld"


def tried(files: str, outcome: Outcome | None, step: str = "settle", *, made: str = "", ident: str = "a") -> Operation:
    request = Request(unit="amber", stack="web", verb=Verb.UPDATE, release=files)
    known = Operation(id=ident, request=request, origin=Origin(operator="root"), state=State.RUNNING, step=step, release=made)
    return known.ended_with(outcome, "why", 100.0) if outcome else known


def back(release: str, outcome: Outcome) -> Operation:
    request = Request(unit="amber", stack="web", verb=Verb.ROLLBACK, release=release)
    known = Operation(id="b", request=request, origin=Origin(operator="root"), state=State.RUNNING, step="health")
    return known.ended_with(outcome, "why", 100.0)


def view(*releases: str, held: str = "", gone: str = "") -> StackView:
    known = tuple(Release(id=ident) for ident in releases)
    hold = Held(release="r9", operator="ann@desk", reason=held) if held else None
    return StackView(unit="amber", name="web", releases=known, held=hold, missing={gone: ("web",)} if gone else {})


def decided(past: list[Operation], seen: StackView | None = None, released: str = "", now: float = 1e6) -> Decision:
    return decide_stack("web", NEW, past, seen or view(), released=released, now=now)


def test_files_that_were_never_put_are_and_those_that_were_are_left() -> None:
    assert decided([]).apply
    assert decided([tried(OLD, Outcome.SUCCEEDED)]).apply
    for outcome in (Outcome.SUCCEEDED, Outcome.NO_CHANGE):
        assert decided([tried(NEW, outcome), tried(OLD, Outcome.SUCCEEDED)]) == Decision(Phase.IDLE)
    assert decided([tried(OLD, Outcome.SUCCEEDED), tried(NEW, Outcome.SUCCEEDED)]).apply  # and back again


def test_one_under_way_is_waited_for() -> None:
    assert decided([tried(OLD, None, "pull")]) == Decision(Phase.APPLYING, "web: pull", wait=5.0)


@pytest.mark.parametrize("outcome", [Outcome.RETURNED, Outcome.FAILED, Outcome.INTERRUPTED, Outcome.UNKNOWN])
def test_what_was_touched_and_went_bad_is_quarantined_until_released(outcome: Outcome) -> None:
    bad = tried(NEW, outcome, "health")
    assert decided([bad]) == Decision(Phase.QUARANTINED, "web: why", outcome=outcome)
    assert decided([bad], released=bad.id).apply
    assert decided([bad, tried(OLD, Outcome.SUCCEEDED)]).phase is Phase.QUARANTINED
    assert decide_stack("web", OLD, [bad], view()).apply  # other files are another thing


def test_one_that_returned_was_touched_wherever_its_log_was_last_read() -> None:
    assert decided([tried(NEW, Outcome.RETURNED, "pull")]).phase is Phase.QUARANTINED


@pytest.mark.parametrize("step", ["", "check", "record", "hook", "pull"])
def test_what_ended_before_anything_was_touched_is_tried_again_less_and_less_often(step: str) -> None:
    away = tried(NEW, Outcome.FAILED, step)
    early = decided([away], now=101)
    assert (early.phase, early.text, early.wait) == (Phase.FAILED, "web: why", RETRY_FIRST_S - 1)
    assert decided([away], now=101 + RETRY_FIRST_S).apply
    assert not decided([away, away], now=101 + RETRY_FIRST_S).apply


def test_a_stack_that_a_person_holds_is_left_and_it_is_said() -> None:
    said = decided([tried(OLD, Outcome.SUCCEEDED)], view("r9", held="a demo"))
    assert (said.phase, said.apply, said.text) == (Phase.IDLE, False, "web is HELD at release r9 by ann@desk: it is left so")
    assert decided([tried(OLD, Outcome.SUCCEEDED)], view("r9", held=OURS)).apply  # the agent's own
    assert not decided([tried(NEW, Outcome.SUCCEEDED)], view("r9", held="a demo")).text  # nothing is to be done


def test_files_that_it_had_come_back_with_their_images_where_these_are_there() -> None:
    past = [tried(OLD, Outcome.SUCCEEDED, made="r2"), tried(NEW, Outcome.NO_CHANGE, made="r1")]
    request = request_for(AMBER, "web", NEW, past, view("r2", "r1"), OURS)
    assert (request.verb, request.release, request.reason) == (Verb.ROLLBACK, "r1", OURS)
    for seen in (view("r2"), view("r2", "r1", gone="r1"), None):
        request = request_for(AMBER, "web", NEW, past, seen, OURS)
        assert (request.verb, request.release, request.unhold) == (Verb.UPDATE, NEW, False)
    assert decided([back("r1", Outcome.SUCCEEDED), *past]) == Decision(Phase.IDLE)
    assert decided([back("r1", Outcome.FAILED), *past]).phase is Phase.QUARANTINED


@pytest.mark.parametrize(("reason", "ends"), [(OURS, True), ("claveld at https://another", True), ("a demo", False)])
def test_only_its_own_hold_ends_with_the_next_files(reason: str, *, ends: bool) -> None:
    assert request_for(AMBER, "web", NEW, [], view("r9", held=reason), OURS).unhold is ends


def test_what_is_said_of_several_is_the_worst_and_the_most_urgent() -> None:
    idle = Decision(Phase.IDLE, outcome=Outcome.SUCCEEDED)
    assert worse(idle, Decision(Phase.IDLE, "web is HELD")) == Decision(Phase.IDLE, "web is HELD", outcome=Outcome.SUCCEEDED)
    failed, bad = Decision(Phase.FAILED, "web: away", wait=9.0), Decision(Phase.QUARANTINED, "blog: why")
    assert worse(failed, bad) == worse(bad, failed) == Decision(Phase.QUARANTINED, "blog: why", wait=9.0)
