"""Operations on one unit that were confirmed together: each in its turn, and none refused by the unit's own lock."""

from __future__ import annotations

from clavel_tui.domain.operation import Request, Verb
from clavel_tui.domain.outcome import Outcome
from clavel_tui.operations import InProcessFleet


async def test_two_stacks_of_one_unit(fleet: InProcessFleet) -> None:
    await fleet.refresh(["cinnabar"])
    unit = fleet.unit_now("cinnabar")
    assert unit
    names = [stack.name for stack in unit.stacks]
    assert len(names) == 2
    plans = [await fleet.plan(Request(unit="cinnabar", stack=name, verb=Verb.RESTART)) for name in names]
    idents = [await fleet.submit(plan) for plan in plans]
    outcomes = [(await fleet.wait(ident)).outcome for ident in idents]
    assert outcomes == [Outcome.SUCCEEDED, Outcome.SUCCEEDED]
