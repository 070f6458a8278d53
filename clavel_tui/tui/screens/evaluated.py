"""The modes Deployments and Sources: what was evaluated, when and by whom, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from clavel_tui.domain.deployment import Recorded
from clavel_tui.fleet.client import FleetClient
from clavel_tui.fleet.state import FleetState, SourceState
from clavel_tui.tui.render import evaluated as render
from clavel_tui.tui.render.cells import Line
from clavel_tui.tui.screens.badged import About
from clavel_tui.tui.screens.mode import ModeScreen
from clavel_tui.tui.screens.reading import TextScreen


class DeploymentsScreen(ModeScreen):
    """Every recorded Deployment, those that should run marked, and those that do."""

    IDENT = "deployments"
    COLUMNS = render.DEPLOYMENT_COLUMNS
    EMPTY = "nothing was evaluated yet: e evaluates the fleet's flake"

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._now = now
        self._state: FleetState | None = None
        self._recorded: Sequence[Recorded] = ()

    async def reload(self, client: FleetClient, state: FleetState) -> None:
        """What the journal has now."""
        self._state, self._recorded = state, sorted(await client.deployments(), key=lambda one: (-one.at, one.deployment.name))
        self.show([render.deployment_row(one, state, self._now()) for one in self._recorded])

    @property
    def about(self) -> About:
        """The unit that it is for."""
        return self.key.partition("@")[0], None

    @property
    def copied(self) -> str:
        """The store path."""
        return next((one.deployment.nar_id for one in self._recorded if one.short == self.key), "")

    def open(self, client: FleetClient, key: str) -> None:
        """One Deployment, and how it differs from the one before it."""
        ours = [one for one in self._recorded if one.deployment.name == key.partition("@")[0]]
        index = next((n for n, one in enumerate(ours) if one.short == key), None)
        if index is not None:
            before = ours[index + 1] if index + 1 < len(ours) else None
            self.app.push_screen(DeploymentScreen(key, render.deployment_lines(ours[index], before)))


class DeploymentScreen(TextScreen):
    """One Deployment, which keys are about while it is read."""

    def __init__(self, key: str, lines: list[Line]) -> None:
        """``key``: its name and short id, as NAME@ID."""
        super().__init__(key, lines, (key.partition("@")[0], None))
        self.key = key


class SourcesScreen(ModeScreen):
    """The fleet's Sources, with what came of each when it was evaluated last."""

    IDENT = "sources"
    COLUMNS = render.SOURCE_COLUMNS
    EMPTY = "no source: write [sources.main] with its url into hosts/fleet.toml, or put a flake.nix beside hosts/"

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._now = now
        self._sources: dict[str, SourceState] = {}

    async def reload(self, client: FleetClient, state: FleetState) -> None:
        """What the journal has now."""
        self._sources = {one.source.name: one for one in await client.sources()}
        self.show([render.source_row(one, self._now()) for one in self._sources.values()])

    def open(self, client: FleetClient, key: str) -> None:
        """Attribute by attribute: a closure, or why there is none."""
        if source := self._sources.get(key):
            self.app.push_screen(TextScreen(f"Source {key}", render.source_lines(source, self._now())))
