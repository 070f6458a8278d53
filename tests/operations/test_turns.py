"""Operations on one unit that were confirmed together: each in its turn, and none refused by the unit's own lock."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from clavel_tui.demo import demo_fleet
from clavel_tui.demo_wiring import demo_settings
from clavel_tui.domain.operation import Request, Verb
from clavel_tui.domain.outcome import Outcome
from clavel_tui.wiring import Wiring


async def test_two_stacks_of_one_unit(tmp_path: Path) -> None:
    with demo_fleet() as places:
        async with Wiring(replace(demo_settings(places), db=str(tmp_path / "journal.db"))).client(settle=False) as fleet:
            await fleet.refresh(["cinnabar"])
            unit = fleet.unit_now("cinnabar")
            assert unit
            names = [stack.name for stack in unit.stacks]
            assert len(names) == 2
            plans = [await fleet.plan(Request(unit="cinnabar", stack=name, verb=Verb.RESTART)) for name in names]
            idents = [await fleet.submit(plan) for plan in plans]
            outcomes = [(await fleet.wait(ident)).outcome for ident in idents]
            assert outcomes == [Outcome.SUCCEEDED, Outcome.SUCCEEDED]
