"""Rollouts through the client, with the demo's units: jobs, locks and journal are the real ones."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from clavel_tui.demo import Places
from clavel_tui.demo_wiring import demo_settings
from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.operation import Plan, Request, Verb
from clavel_tui.domain.outcome import Outcome
from clavel_tui.domain.rollout import Word
from clavel_tui.domain.waves import OnStop, RolloutSettings
from clavel_tui.operations import InProcessFleet
from clavel_tui.wiring import Wiring

ONE_BY_ONE = RolloutSettings(canary=0, wave="1", soak_seconds=0)


async def planned(fleet: InProcessFleet, *asked: tuple[str, str, Verb]) -> list[Plan]:
    await fleet.refresh(sorted({unit for unit, _, _ in asked}))
    return [await fleet.plan(Request(unit=unit, stack=stack, verb=verb)) for unit, stack, verb in asked]


async def test_a_bad_update_stops_it_and_what_was_done_is_brought_back(fleet: InProcessFleet) -> None:
    plans = await planned(
        fleet,
        ("cinnabar", "web", Verb.ROLLBACK),
        ("electrum", "uptime", Verb.UPDATE),
        ("scheelite", "inference", Verb.RESTART),
    )
    before = running(fleet, "cinnabar", "web")
    ident = await fleet.roll_out(plans, ONE_BY_ONE.model_copy(update={"on_stop": OnStop.RETURN}))
    whole = await fleet.wait(ident)
    assert whole.outcome is Outcome.RETURNED, whole.text
    state = await fleet.rollout(ident[:6])
    assert [(one.request.unit, one.word) for one in state.units] == [
        ("cinnabar", "brought back (succeeded)"),
        ("electrum", "returned by itself"),
        ("scheelite", "not begun"),
    ]
    assert running(fleet, "cinnabar", "web") == before
    children = [operation.id for operation in await fleet.history() if operation.parent == ident]
    assert len(children) == 3
    assert "that rollout has ended already" in await fleet.tell_rollout(ident, Word.RESUME)


def running(fleet: InProcessFleet, unit: str, stack: str) -> str:
    state = fleet.unit_now(unit)
    view = state.stack(stack) if state else None
    assert view
    return view.running or ""


async def test_when_its_console_ends_it_waits_for_a_person(places: Places, tmp_path: Path) -> None:
    """The next console pauses it once, begins nothing by itself, and goes on when it is told to."""
    wiring = Wiring(replace(demo_settings(places), db=str(tmp_path / "journal.db")))
    async with wiring.client(settle=False) as fleet:
        plans = await planned(fleet, ("rpi-box-01", "metrics", Verb.RESTART), ("rpi-box-03", "metrics", Verb.RESTART))
        ident = await fleet.roll_out(plans, ONE_BY_ONE.model_copy(update={"soak_seconds": 600}))
        while not (await fleet.rollout(ident)).operation.step.startswith("watching"):
            await asyncio.sleep(0.05)
    for _ in range(2):
        async with wiring.client() as fleet:
            state = await fleet.rollout(ident)
            assert state.operation.step == "paused: its console ended"
            assert [one.word for one in state.units] == ["succeeded", "not begun"]
            words = [event.text for event in await fleet.operation_events(ident) if event.kind == "word"]
            assert words == ["pause since its console ended"]
    async with wiring.client() as fleet:
        await fleet.tell_rollout(ident, Word.RESUME)
        await fleet.tell_rollout(ident, Word.ABORT)
        assert (await fleet.wait(ident)).outcome is Outcome.CANCELLED


async def test_what_cannot_be_carried_out_is_refused(fleet: InProcessFleet) -> None:
    (plan,) = await planned(fleet, ("cinnabar", "web", Verb.RESTART))
    with pytest.raises(RefusedError, match="each of them once"):
        await fleet.roll_out([plan, plan], ONE_BY_ONE)
    with pytest.raises(RefusedError, match="each of them once"):
        await fleet.roll_out([], ONE_BY_ONE)
    with pytest.raises(RefusedError, match="there is no rollout nothing"):
        await fleet.rollout("nothing")


async def test_files_that_changed_behind_the_preview_are_not_put(fleet: InProcessFleet, places: Places) -> None:
    """A later wave must not bring what nobody has seen."""
    (plan,) = await planned(fleet, ("rpi-box-01", "pihole", Verb.UPDATE))
    file = places.hosts / "rpi-box-01/compose/pihole/compose.yaml"
    said = file.read_text(encoding="utf-8")
    file.write_text(said + "# changed\n", encoding="utf-8")
    try:
        whole = await fleet.wait(await fleet.roll_out([plan], ONE_BY_ONE))
        assert whole.outcome is Outcome.FAILED
        assert "have changed since they were previewed" in whole.text
    finally:
        file.write_text(said, encoding="utf-8")
