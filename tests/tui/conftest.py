"""The console on a fake fleet, with a frozen clock."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from clavel_tui.fleet.state import FleetState
from clavel_tui.tui.app import ClavelApp
from tests.tui.fake import FakeFleet
from tests.tui.fleets import NOW

MakeApp = Callable[[FleetState], tuple[ClavelApp, FakeFleet]]


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> MakeApp:
    """Makes the console of a fleet."""
    monkeypatch.setenv("TZ", "UTC")

    def make(state: FleetState) -> tuple[ClavelApp, FakeFleet]:
        fake = FakeFleet(state)
        app = ClavelApp(fake.opened, state.name, now=lambda: NOW)
        app.animation_level = "none"
        return app, fake

    return make
