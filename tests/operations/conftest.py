"""The demo's fleet, and a console on it with a journal of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from clavel_tui.demo import Places, demo_fleet
from clavel_tui.demo_wiring import demo_settings
from clavel_tui.operations import InProcessFleet
from clavel_tui.wiring import Wiring


@pytest.fixture(scope="module")
def places() -> Iterator[Places]:
    """Eleven units on loopback."""
    with demo_fleet() as places:
        yield places


@pytest.fixture
async def fleet(places: Places, tmp_path: Path) -> AsyncIterator[InProcessFleet]:
    """A console on them, that knows nothing yet."""
    async with Wiring(replace(demo_settings(places), db=str(tmp_path / "journal.db"))).client(settle=False) as fleet:
        yield fleet
