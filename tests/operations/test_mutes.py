"""Acknowledging on the demo's units: it is kept, shared, taken back, and over when its reason is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from clavel_tui.demo import Places
from clavel_tui.demo_wiring import demo_settings
from clavel_tui.domain.health import Level
from clavel_tui.operations import InProcessFleet
from clavel_tui.wiring import Wiring

PI = "rpi-box-02"


@pytest.fixture(autouse=True)
async def looked_at(fleet: InProcessFleet) -> None:
    """Its facts are known."""
    await fleet.refresh([PI])


async def reasons(fleet: InProcessFleet) -> dict[str, str]:
    unit = (await fleet.snapshot()).unit(PI)
    assert unit
    return {reason.code: reason.text for reason in unit.health.reasons}


async def test_acknowledged_and_back(fleet: InProcessFleet) -> None:
    before = await reasons(fleet)
    assert set(before) == {"disk", "throttled"}
    for code, text in before.items():
        await fleet.acknowledge(PI, code, text, 0.0)
    unit = (await fleet.snapshot()).unit(PI)
    assert unit
    assert (unit.health.level, unit.health.reasons, len(unit.muted)) == (Level.OK, (), 2)
    await fleet.refresh([PI])
    assert await reasons(fleet) == {}
    await fleet.alarm_again(PI, "disk", before["disk"])
    assert await reasons(fleet) == {"disk": before["disk"]}


async def test_one_that_is_gone_is_forgotten_and_alarms_when_it_comes_back(fleet: InProcessFleet, places: Places) -> None:
    text = (await reasons(fleet))["throttled"]
    await fleet.acknowledge(PI, "throttled", text, 0.0)
    answer = places.root / PI / "answers/vcgencmd get_throttled"
    bad = answer.read_text()
    answer.write_text("throttled=0x0\n")
    try:
        await fleet.snapshot()
        await fleet.refresh([PI])
    finally:
        answer.write_text(bad)
    await fleet.refresh([PI])
    assert (await reasons(fleet))["throttled"] == text


async def test_another_console_of_this_journal_sees_it(fleet: InProcessFleet, places: Places, tmp_path: Path) -> None:
    text = (await reasons(fleet))["disk"]
    async with Wiring(replace(demo_settings(places), db=str(tmp_path / "journal.db"))).client(settle=False) as other:
        await other.acknowledge(PI, "disk", text, 0.0)
        assert "disk" not in await reasons(fleet)
