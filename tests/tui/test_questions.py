"""Many units want a password at once: one dialog after the other, and none waits for ever."""

from __future__ import annotations

import asyncio

from textual.widgets import Label

from clavel_tui.tui.app import ClavelApp
from clavel_tui.tui.screens.dialogs import ConfirmScreen, SecretScreen
from clavel_tui.tui.screens.fleet import FleetScreen
from tests.tui import fleets
from tests.tui.conftest import MakeApp
from tests.tui.test_keys import settle, toasts, until


def shown(app: ClavelApp) -> str:
    """What the dialog on top says."""
    assert isinstance(app.screen, SecretScreen)
    return " | ".join(str(label.render()) for label in app.screen.query(Label) if label.display)


async def test_one_after_the_other_and_who_else_waits_is_told(console: MakeApp) -> None:
    app, _ = console(fleets.one())
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        units = [f"h{n}" for n in range(1, 7)]
        asked = [asyncio.create_task(app.questions.ask(unit, f"sudo password on {unit}")) for unit in units]
        await settle(pilot)
        assert "sudo password on h1 | 5 more wait: h2, h3, h4, h5, … | enter" in shown(app)
        assert len(app.screen_stack) == 2
        await pilot.press("a", "b", "enter")
        await settle(pilot)
        assert "sudo password on h2 | 4 more wait: h3, h4, h5, h6 | enter" in shown(app)
        await pilot.press("escape")
        await settle(pilot)
        asked[4].cancel()
        await settle(pilot)
        assert "sudo password on h3 | 2 more wait: h4, h6 | enter" in shown(app)
        asked[2].cancel()  # what asked was ended: its question goes with it
        await settle(pilot)
        assert "sudo password on h4 | 1 more waits: h6" in shown(app)
        await pilot.press("escape")
        await settle(pilot)
        assert "sudo password on h6 | enter" in shown(app)
        await pilot.press("x", "enter")
        await settle(pilot)
        assert isinstance(app.screen, FleetScreen)
        assert [one.result() for one in asked if not one.cancelled()] == ["ab", None, None, "x"]


async def test_nobody_is_there(console: MakeApp) -> None:
    app, _ = console(fleets.one())
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        asked = asyncio.create_task(app.push_screen_wait_anywhere(SecretScreen("sudo password on h1", seconds=0.2)))
        while not asked.done():
            await pilot.pause(0.05)
        assert asked.result() is None
        await until(pilot, lambda: "sudo password on h1: nobody answered for 0 s" in toasts(app))
        assert isinstance(app.screen, FleetScreen)


async def test_first_contacts_come_one_by_one_before_the_preview(console: MakeApp) -> None:
    units = [fleets.seen(fleets.unit(name), None, f"the host key of {name} is not known yet", "") for name in ("a1", "b2", "c3")]
    known = fleets.seen(fleets.unit("d4"), fleets.facts(fleets.unit("d4")))
    app, fake = console(fleets.fleet(*(unit.model_copy(update={"kind": "host-key-unknown"}) for unit in units), known))
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        listing = app._fleet.marking
        assert listing
        listing.marks = {"a1", "b2", "d4"}
        await pilot.press("d")
        titles = []
        for key in ("y", "n", "escape"):
            await settle(pilot)
            assert isinstance(app.screen, ConfirmScreen)
            titles.append(str(app.screen.query(Label).first().render()))
            await pilot.press(key)
        assert titles == ["first contact: is that the key of a1?", "first contact: is that the key of b2?", titles[2]]
        assert "deploy" in titles[2]
        assert [what for word, what in fake.asked if word == "trust"] == ["cinnabar ssh-ed25519 AAAA"]
