"""Every screen and every dialog of the console, each by the keys that bring it up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Input

from clavel_tui.domain.agent import Phase
from clavel_tui.fleet.state import FleetState
from clavel_tui.tui.app import ClavelApp
from tests.tui import fleets
from tests.tui.conftest import MakeApp
from tests.tui.test_keys import settle
from tests.tui.test_modes import full

Press = Callable[[Pilot[Any]], Awaitable[None]]

SCENES: dict[str, tuple[str, ...]] = {
    "fleet": (),
    "details": ("enter",),
    "filter": ("slash", *"tag:pi"),
    "nothing-matches": ("slash", *"tag:none"),
    "marked": ("space", "space", "space"),
    "update": ("u",),
    "why": ("u", "w", *"because it is old"),
    "choose-stack": ("s_cinnabar", "u"),
    "rollback": ("r",),
    "rollback-preview": ("r", "enter"),
    "deploy": ("s_cinnabar", "d"),
    "deploy-prepared": ("s_cinnabar", "d", "p"),
    "rollback-system": ("s_cinnabar", "r"),
    "bulk-deploy": ("s_cinnabar", "space", "d"),
    "rollout-preview": ("space", "space", "space", "w", "n"),
    "rollout-waves": ("space", "space", "space", "w", "n", "o"),
    "rollout": ("space", "w", "y"),
    "bulk": ("space", "space", "space", "u", "n"),
    "whole-fleet": ("mark_all", "u", "n", "y"),
    "acknowledge": ("a",),
    "how-long": ("a", "enter"),
    "first-contact": ("s_newcomer", "T"),
    "choose-source": ("e",),
    "explain": ("x",),
    "logs": ("l",),
    "palette": ("colon",),
    "palette-typed": ("colon", *"roll"),
    "help": ("question_mark",),
    "secret": ("ask_secret",),
    "leave": ("q",),
    "deployments": ("2",),
    "deployment": ("2", "enter"),
    "stacks": ("3",),
    "stack": ("3", "enter"),
    "history": ("5",),
    "operation": ("5", "enter"),
    "sources": ("6",),
    "source": ("6", "enter"),
    "agents": ("7",),
    "agent": ("7", "enter"),
    "tell": ("s_cinnabar", "A"),
    "tell-preview": ("s_cinnabar", "A", "enter"),
    "tour": ("f1", "x"),
}
MODES = (
    "fleet",
    "deployments",
    "stacks",
    "history",
    "sources",
    "agents",
    "explain",
    "rollback",
    "acknowledge",
    "palette",
    "update",
    "deploy",
)
"""Which scenes are looked at with every kind of fleet."""


def everything() -> FleetState:
    """A fleet in which every dialog has something to say."""
    newcomer = fleets.unit("newcomer", stacks=("web",))
    contact = fleets.seen(newcomer, None, "the host key of newcomer is not known").model_copy(update={"kind": "host-key-unknown"})
    eleven = fleets.eleven()
    agent = fleets.agent(
        "cinnabar", Phase.QUARANTINED, text="nobody reached it: it went back", running=fleets.path("cinnabar", 1)
    )
    pulls = fleets.evaluated().model_copy(update={"agent": agent})
    return fleets.fleet(pulls, *eleven.units[1:], contact, operations=eleven.operations)


def opened(console: MakeApp, state: FleetState | None = None) -> ClavelApp:
    """The console of that fleet, with a second source to choose from."""
    app, fake = full(console, state or everything())
    other = fleets.source_state(failed=False)
    second = other.source.model_copy(update={"name": "laptops", "url": "git+file:///laptops"})
    fake.source_states.append(other.model_copy(update={"source": second}))
    return app


def press(scene: str) -> Press:
    """Brings the scene up, and leaves nothing that moves."""

    async def pressed(pilot: Pilot[Any]) -> None:
        await settle(pilot)
        for key in SCENES[scene]:
            await _do(pilot, key)
            await settle(pilot)
        await pilot.pause(0.25)
        pilot.app.clear_notifications()
        for field in pilot.app.screen.query(Input):
            field.cursor_blink = False

    return pressed


async def _do(pilot: Pilot[Any], key: str) -> None:
    app = pilot.app
    assert isinstance(app, ClavelApp)
    listing = app._fleet.marking
    if key == "ask_secret":
        app.run_worker(app.questions.ask("cinnabar", "sudo password of ada on cinnabar"))
    elif key == "mark_all" and listing:
        listing.marks = {row.key for row in listing.rows}
    elif key.startswith("s_") and listing:
        listing.show(listing.rows, select=key[2:])
    else:
        await pilot.press(key)
