"""Makes the pictures of README.md from the demo fleet: ``python -m tests.screenshots``."""

from __future__ import annotations

import asyncio
from pathlib import Path

from textual.pilot import Pilot

from clavel_tui.demo import demo_fleet
from clavel_tui.demo_wiring import demo_settings, live_through
from clavel_tui.tui.app import ClavelApp
from clavel_tui.tui.widgets.listing import Listing
from clavel_tui.wiring import Wiring

FOLDER = Path(__file__).parent.parent / "screenshots"


async def until_seen(app: ClavelApp, pilot: Pilot[None]) -> None:
    """Until every unit was looked at."""
    for _ in range(300):
        state = app._state
        if state and all(u.facts or u.trouble for u in state.units) and not any(u.looking for u in state.units):
            return
        await pilot.pause(0.05)


async def take() -> None:
    """The fleet, why a unit is as it is, Deployments, the choice of a release, and the preview of a rollback."""
    with demo_fleet() as places:
        await live_through(places)
        said = demo_settings(places)
        wiring = Wiring(said)
        app = ClavelApp(wiring.console, wiring.fleet().name)
        async with app.run_test(size=(132, 38)) as pilot:
            await until_seen(app, pilot)
            await pilot.pause(0.5)
            save(app, "fleet")
            await pilot.press("x")
            await pilot.pause(1.0)
            save(app, "explain")
            await pilot.press("escape", "2")
            await pilot.pause(0.5)
            save(app, "deployments")
            await pilot.press("1")
            await pilot.pause(0.3)
            units = app.screen.query_one("#units", Listing)
            units.show(units.rows, select="electrum")
            await pilot.press("r")
            await pilot.pause(0.3)
            save(app, "rollback-choose")
            await pilot.press("enter")
            await pilot.pause(3.0)
            save(app, "rollback")
            await pilot.press("n")


def save(app: ClavelApp, name: str) -> None:
    """One picture."""
    (FOLDER / f"{name}.svg").write_text(app.export_screenshot(title="clavel-tui demo"), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(take())
