"""Operations on one unit that were confirmed together: each in its turn, and none refused by the unit's own lock."""

from __future__ import annotations

import asyncio

import pytest

from clavel_tui.domain.operation import Operation, Request, State, Verb
from clavel_tui.domain.outcome import Outcome
from clavel_tui.domain.rollout import Rollout
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


async def test_what_was_cut_off_while_it_began_is_carried_by_nobody(
    fleet: InProcessFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its row would stand there as running until this console ends."""
    carrier, begin = fleet._carrier, fleet._carrier._parts.journal.begin
    request = Request(unit="cinnabar", stack="web", verb=Verb.RESTART)
    stands = asyncio.Event()

    async def slow(operation: Operation, rollout: Rollout | None) -> None:
        await begin(operation, rollout)
        stands.set()
        await asyncio.sleep(60)

    monkeypatch.setattr(carrier._parts.journal, "begin", slow)
    task = asyncio.create_task(carrier.begin(request, ""))
    await stands.wait()
    (running,) = [one.id for one in await fleet.history() if one.state is State.RUNNING]
    assert carrier.carries(running)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not carrier.carries(running)
