"""The commands that change something: each is planned, shown, confirmed, and then followed to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence

from textual import on, work

from clavel_tui.domain.errors import ClavelError
from clavel_tui.domain.operation import Operation, Plan, Request, State, Verb
from clavel_tui.domain.outcome import GOOD, Outcome
from clavel_tui.domain.system import Mode
from clavel_tui.fleet.client import FleetClient
from clavel_tui.tui import choices
from clavel_tui.tui.choices import Choice
from clavel_tui.tui.console import Console
from clavel_tui.tui.many import Many
from clavel_tui.tui.messages import Snapshot
from clavel_tui.tui.render.bulk import bulk_lines
from clavel_tui.tui.render.cells import Cell, Row, line
from clavel_tui.tui.render.evaluated import SOURCE_COLUMNS, source_row
from clavel_tui.tui.render.plan import plan_lines
from clavel_tui.tui.render.systems import SYSTEM
from clavel_tui.tui.screens.dialogs import ChooseScreen, ConfirmScreen, Otherwise, Preview
from clavel_tui.tui.screens.evaluated import DeploymentScreen, DeploymentsScreen, SourcesScreen
from clavel_tui.tui.screens.history import HistoryScreen, OperationScreen

CONFIRMED = "confirmed"
"""Workers of what a person has said yes to: no key that follows ends them."""


class ChangingConsole(Console):
    """A console with the commands that mutate."""

    def do_update(self) -> None:
        """`u`."""
        self._change(Verb.UPDATE)

    def do_restart(self) -> None:
        """`t`."""
        self._change(Verb.RESTART)

    def do_stop(self) -> None:
        """`S`."""
        self._change(Verb.STOP)

    def do_hold(self) -> None:
        """`H` holds, or releases a hold."""
        if self._marks and self._state:
            self._change(Verb.UNHOLD if choices.all_held(self._state, self._marks) else Verb.HOLD)
            return
        unit, stack = self._selected
        view = unit.stack(choices.stack(unit, stack) or "") if unit else None
        self._change(Verb.UNHOLD if view and view.held else Verb.HOLD)

    @work(group="dialog", exclusive=True)
    async def _change(self, verb: Verb) -> None:
        if self._marks:
            await self._change_many(verb)
            return
        unit, said = self._selected
        if unit and (stack := await self._choose_stack(unit, said, verb.value)):
            await self._confirm(Request(unit=unit.unit.name, stack=stack, verb=verb))

    def do_rollback(self) -> None:
        """`r`."""
        self._roll_back()

    @work(group="dialog", exclusive=True)
    async def _roll_back(self) -> None:
        """`r enter y`: the last known good is preselected. Marked ones go each to its own, shown in one table first."""
        if self._marks:
            await self._change_many(Verb.ROLLBACK)
            return
        unit, stack = self._selected
        if unit is None:
            return

        def read() -> Choice:
            return choices.releases(self._now_of(unit), stack, self._going_on(unit))

        title = f"roll back on {unit.unit.name}: to what?"
        key = await self.push_screen_wait(ChooseScreen(title, choices.RELEASE_COLUMNS, read))
        if key and key.startswith(SYSTEM):
            await self._confirm(Request(unit=unit.unit.name, stack="", verb=Verb.ROLLBACK, release=key.removeprefix(SYSTEM)))
        elif key:
            stack, _, release = key.partition("/")
            await self._confirm(Request(unit=unit.unit.name, stack=stack, verb=Verb.ROLLBACK, release=release))

    @work(group="dialog", exclusive=True)
    async def do_deploy(self) -> None:
        """`d`: what the unit should run, or in the list of Deployments the one under the cursor."""
        if self._marks:
            await self._change_many(Verb.DEPLOY)
            return
        unit, _ = self._selected
        if unit:
            front = self._in_front
            said = front.key if isinstance(front, (DeploymentsScreen, DeploymentScreen)) else ""
            await self._confirm(Request(unit=unit.unit.name, stack="", verb=Verb.DEPLOY, release=said))

    @work(group="dialog", exclusive=True)
    async def do_reboot(self) -> None:
        """`B`."""
        await self._confirm_machine(Verb.REBOOT)

    @work(group="dialog", exclusive=True)
    async def do_gc(self) -> None:
        """`C`."""
        await self._confirm_machine(Verb.GC)

    async def _confirm_machine(self, verb: Verb) -> None:
        unit, _ = self._selected
        if unit:
            await self._confirm(Request(unit=unit.unit.name, stack="", verb=verb))

    async def _confirm(self, request: Request) -> None:
        client = self._client
        if client is None:
            return
        await self._meet(client, {request.unit})
        made: list[Plan] = []

        async def preview() -> Preview:
            made[:] = [await client.plan(request)]
            waits = made[0].when_back is not None
            return Preview(plan_lines(made[0]), waits or not made[0].refusal, made[0].prepares, waits)

        async def prepare() -> None:
            await self._prepare(client, made)

        why = await self.push_screen_wait(ConfirmScreen(request.sentence, preview, prepare=prepare))
        if why is not None and made:
            self._submit(client, made, why)

    async def _prepare(self, client: FleetClient, plans: Sequence[Plan]) -> None:
        """Builds and copies: then the units themselves can say what would be restarted."""
        try:
            idents = [await client.submit(plan.preparation()) for plan in plans if plan.prepares]
            done = await asyncio.gather(*(client.wait(ident) for ident in idents))
        except ClavelError as error:
            self.notify(error.text, severity="error", markup=False)
            return
        for operation in done:
            if operation.outcome is not Outcome.SUCCEEDED:
                self.notify(f"{operation.request.unit}: {operation.text}", severity="warning", timeout=20, markup=False)

    async def _change_many(self, verb: Verb) -> None:
        """One preview and one yes for all that is marked; what cannot be done is said there, and the others go on."""
        client, state = self._client, self._state
        if client is None or state is None:
            return
        await self._meet(client, {mark.partition("/")[0] for mark in self._marks})
        many = Many(client, *choices.meant(state, self._marks, verb))

        async def preview() -> Preview:
            await many.plan()
            return Preview(bulk_lines(many.plans, many.left_out), bool(many.possible), many.prepares)

        why = await self._confirmed_many(f"{verb.value} {many.counted}", many, preview)
        if why is not None:
            self._submit(client, many.possible, why)

    async def _confirmed_many(
        self, title: str, many: Many, preview: Callable[[], Awaitable[Preview]], otherwise: Otherwise | None = None
    ) -> str | None:
        """Why, or None for no. For the whole fleet its name is typed; the marks have served then."""
        state, marks = self._state, self._marks
        if state is None:
            return None

        async def prepare() -> None:
            await self._prepare(many.client, many.plans)

        whole = len(state.units) > 1 and {mark.partition("/")[0] for mark in marks} == {u.unit.name for u in state.units}
        typed = state.name if whole else ""
        why = await self.push_screen_wait(ConfirmScreen(title, preview, typed=typed, prepare=prepare, otherwise=otherwise))
        if why is not None and (listing := self._marking):
            listing.clear_marks()
        return why

    @work(group=CONFIRMED)
    async def _submit(self, client: FleetClient, plans: Sequence[Plan], why: str) -> None:
        """In a worker of its own: the next key ends that of the dialog, and a person has said yes to all of them."""
        for plan in plans:
            try:
                if plan.when_back:
                    await client.put_off(plan, why)
                    self.notify(f"{plan.when_back.sentence} waits for its unit", markup=False)
                else:
                    self._follow(client, await client.submit(plan, why))
            except ClavelError as error:
                self.notify(f"not started: {error.text}", severity="error", timeout=10, markup=False)

    @work(group=CONFIRMED)
    async def _carry_out(self, what: Awaitable[str | None]) -> None:
        """As in _submit, of what is no operation; it says what came of it."""
        try:
            if said := await what:
                self.notify(said, markup=False)
        except ClavelError as error:
            self.notify(error.text, severity="error", markup=False)

    @on(Snapshot)
    def _tell_of_those_that_waited(self, message: Snapshot) -> None:
        """What waited for its unit and waits no longer tells its end like all else."""
        waiting = {o.id for o in message.state.operations if o.state is State.PLANNED}
        if self._client:
            for ident in self._waiting - waiting:
                self._follow(self._client, ident)
        self._waiting = waiting

    @work(group="follow")
    async def _follow(self, client: FleetClient, ident: str) -> None:
        """Says how it ended, once."""
        if ident in self._followed:
            return
        self._followed.add(ident)
        try:
            operation = await client.wait(ident)
        except ClavelError as error:
            self.notify(error.text, severity="error", timeout=15)
            return
        if operation.state is State.RUNNING:  # another console carries it, and tells its end
            self._followed.discard(ident)
            return
        good = operation.outcome in GOOD
        self.notify(
            f"{operation.request.sentence}: {operation.word}\n{operation.text}",
            severity="information" if good else "warning",
            timeout=8 if good else 20,
            markup=False,
        )
        if not good:
            self.bell()

    @property
    def _operation_shown(self) -> Operation | None:
        """The one that is read, or that is under the history's cursor."""
        front = self._in_front
        if isinstance(front, OperationScreen):
            return front.operation
        return front.chosen if isinstance(front, HistoryScreen) else None

    @work(group="dialog", exclusive=True)
    async def do_undo(self) -> None:
        """`z` on an operation of the history: back to what ran before it."""
        operation = self._operation_shown
        if operation is None or not operation.came_from:
            self.notify("select an operation of the history (5) that changed a stack or a system", severity="warning")
            return
        await self._confirm(
            operation.request.model_copy(
                update={"verb": Verb.ROLLBACK, "release": operation.came_from, "service": "", "mode": Mode.SWITCH}
            )
        )

    @work(group="dialog", exclusive=True)
    async def do_acknowledge(self) -> None:
        """`a`: which reason, and for how long; one that was acknowledged alarms again."""
        client, (unit, _) = self._client, self._selected
        if client is None or unit is None:
            return
        rows, known = choices.reason_rows(unit, self._now())
        title = f"acknowledge on {unit.unit.name}: what?"
        key = await self.push_screen_wait(ChooseScreen(title, choices.REASON_COLUMNS, lambda: Choice(rows)))
        if not key:
            return
        code, text, muted = known[key]
        if muted:
            self._carry_out(client.alarm_again(unit.unit.name, code, text))
            return
        lengths = [Row(str(seconds), (Cell(words),)) for words, seconds in choices.HOW_LONG]
        seconds = await self.push_screen_wait(ChooseScreen(f"{text}: no alarm", ("HOW LONG",), lambda: Choice(lengths)))
        if seconds:
            until = self._now() + float(seconds) if float(seconds) else 0.0
            self._carry_out(client.acknowledge(unit.unit.name, code, text, until))

    @work(group="dialog", exclusive=True)
    async def do_trust(self) -> None:
        """`T`: the fingerprint is shown, and a person says whether it is that machine's."""
        client, (unit, _) = self._client, self._selected
        if client and unit:
            await self._trust(client, unit.unit.name)

    async def _meet(self, client: FleetClient, units: Collection[str]) -> None:
        """First contacts, one after the other, of those that are wanted and whose host key nobody has looked at yet."""
        state = self._state
        for unit in state.units if state else ():
            if unit.unit.name in units and unit.kind == "host-key-unknown":
                await self._trust(client, unit.unit.name)

    async def _trust(self, client: FleetClient, name: str) -> None:
        found: list[str] = []

        async def preview() -> Preview:
            try:
                fingerprint, written = await client.fingerprint(name)
            except ClavelError as error:
                return Preview([line(Cell(error.text, "bad"))], possible=False)
            found.append(written)
            hint = "compare it with what the machine itself says: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"
            return Preview([line(f"{name} shows the host key"), line(Cell(fingerprint, "head")), line(Cell(hint, "dim"))])

        title = f"first contact: is that the key of {name}?"
        if await self.push_screen_wait(ConfirmScreen(title, preview, asks_why=False)) is None or not found:
            return
        done = asyncio.Event()
        self._carry_out(self._accept(client, name, found[0], done))
        await done.wait()  # and not for the worker: who is ended while it waits for one ends it

    async def _accept(self, client: FleetClient, name: str, key: str, done: asyncio.Event) -> None:
        try:
            self.notify(f"written to {await client.trust(key)}", markup=False)
            await client.refresh([name])
        finally:
            done.set()

    @work(group="cancel")
    async def do_cancel(self) -> None:
        """`c`."""
        (unit, _), shown = self._selected, self._operation_shown
        if shown and shown.request.verb is Verb.ROLLOUT:
            self.notify("a rollout is aborted where it is looked at: enter, then c", severity="warning")
            return
        going_on = self._state.operations if self._state else ()
        running = [o for o in going_on if o.id == shown.id] if shown else self._going_on(unit, or_no_unit=True)
        running = [o for o in running if o.request.verb is not Verb.ROLLOUT]  # nobody means one who means a unit
        if not running or self._client is None:
            self.notify("this operation has ended" if shown else "nothing runs on this unit", severity="warning")
            return
        # What waits for the unit first, since no unit has to be told of it; and the unit's own before an evaluation.
        chosen = min(running, key=lambda o: (o.state is not State.PLANNED, not o.request.unit))
        try:
            self.notify(f"{chosen.request.sentence}: {await self._client.cancel(chosen.id)}", markup=False)
        except ClavelError as error:
            self.notify(error.text, severity="error", markup=False)

    @work(group="dialog", exclusive=True)
    async def do_evaluate(self) -> None:
        """`e`: the source under the cursor, the only one, or the one that is chosen."""
        try:
            await self._evaluate()
        except ClavelError as error:
            self.notify(error.text, severity="error", markup=False)

    async def _evaluate(self) -> None:
        client, front = self._client, self._in_front
        name: str | None = front.key if isinstance(front, SourcesScreen) else ""  # before anything is read: the cursor goes on
        sources = await client.sources() if client else []
        if client is None or not sources:
            self.notify("this fleet has no source: write [sources.main] with its url into fleet.toml", severity="warning")
            return
        if not name and len(sources) == 1:
            name = sources[0].source.name
        elif not name:
            rows = [source_row(one, self._now()) for one in sources]
            name = await self.push_screen_wait(ChooseScreen("evaluate which source?", SOURCE_COLUMNS, lambda: Choice(rows)))
        if name:
            self._carry_out(self._begin_evaluation(client, name))

    async def _begin_evaluation(self, client: FleetClient, name: str) -> None:
        self._follow(client, await client.evaluate(name))
