"""Rollouts: begun on what is marked, looked at, and steered."""

from __future__ import annotations

from collections.abc import Sequence

from textual import work

from clavel_tui.domain.errors import ClavelError
from clavel_tui.domain.operation import Plan
from clavel_tui.domain.rollout import Word
from clavel_tui.domain.waves import RolloutSettings
from clavel_tui.fleet.client import FleetClient
from clavel_tui.tui import choices
from clavel_tui.tui.changing import CONFIRMED, ChangingConsole
from clavel_tui.tui.many import InWaves
from clavel_tui.tui.render.rollout import rollout_lines
from clavel_tui.tui.screens.dialogs import Otherwise, Preview
from clavel_tui.tui.screens.rollout import RolloutScreen


class RollingConsole(ChangingConsole):
    """A console that changes many units a few at a time."""

    def do_rollout(self) -> None:
        """`w`: all that is marked, in waves; without marks the rollout that runs."""
        if self._marks:
            self._roll_out(self._marks)
        elif self._rollouts:
            self.open_rollout(self._rollouts[0].id)

    @work(group="dialog", exclusive=True)
    async def _roll_out(self, marks: set[str]) -> None:
        client, state = self._client, self._state
        if client is None or state is None:
            return
        await self._meet(client, {mark.partition("/")[0] for mark in marks})
        verb = choices.rolled_out(state, marks)
        many = InWaves(client, *choices.meant(state, marks, verb), settings=state.rollout)

        async def preview() -> Preview:
            await many.plan()
            lines = rollout_lines(many.plans, many.left_out, many.settings, of_the_fleet=many.settings == state.rollout)
            return Preview(lines, bool(many.possible), many.prepares)

        title = f"roll out: {verb.value} {many.counted} in waves"
        why = await self._confirmed_many(title, many, preview, Otherwise("other waves", many.said, many.take))
        if why is not None:
            self._begin_rollout(client, many.possible, many.settings, why)

    @work(group=CONFIRMED)
    async def _begin_rollout(self, client: FleetClient, plans: Sequence[Plan], settings: RolloutSettings, why: str) -> None:
        below = self.screen
        try:
            ident = await client.roll_out(plans, settings, why)
        except ClavelError as error:
            self.notify(f"not started: {error.text}", severity="error", timeout=10, markup=False)
        else:
            self._follow(client, ident)
            if self.screen is below:  # who has gone elsewhere meanwhile finds it by `w`
                self.open_rollout(ident)

    def open_rollout(self, ident: str) -> None:
        """Its table, which lives as long as it is looked at; the rollout says by itself how it ended."""
        if self._client and not self.screen.is_modal:
            self.push_screen(RolloutScreen(self._client, ident, self._steer))

    async def _steer(self, ident: str, word: Word) -> None:
        client = self._client
        if client is None or self.read_only:
            self.notify(self._no_change, severity="warning", timeout=4)
            return
        try:
            self.notify(await client.tell_rollout(ident, word), markup=False)
            self._follow(client, ident)
        except ClavelError as error:
            self.notify(error.text, severity="error", markup=False)
