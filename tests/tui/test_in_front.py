"""Keys are about what is shown, whatever comes and goes below it; and what was confirmed is not cut off by the next key."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.operation import Operation, Plan, Request, State, Verb
from clavel_tui.domain.outcome import Outcome
from clavel_tui.fleet.state import FleetState, SourceState
from clavel_tui.tui.screens.dialogs import ConfirmScreen
from clavel_tui.tui.screens.evaluated import DeploymentScreen
from clavel_tui.tui.screens.history import OperationScreen
from clavel_tui.tui.screens.rollout import RolloutScreen
from clavel_tui.tui.screens.stacks import StacksScreen
from tests.tui import fleets
from tests.tui.conftest import MakeApp
from tests.tui.fake import FakeFleet
from tests.tui.test_keys import settle, submitted, toasts, until
from tests.tui.test_modes import seen
from tests.tui.test_type_ahead import planned, typed


def units(*names: str) -> FleetState:
    made = [fleets.unit(name, stacks=("web",)) for name in names]
    return fleets.fleet(*(fleets.seen(unit, fleets.facts(unit)) for unit in made))


def on(name: str, ident: str) -> Operation:
    request = Request(unit=name, stack="web", verb=Verb.UPDATE)
    return fleets.operation(Outcome.RETURNED, text="it went bad").model_copy(update={"request": request, "id": ident})


def planned_last(fake: FakeFleet) -> Request:
    return [request for word, request in fake.asked if word == "plan" and isinstance(request, Request)][-1]


def deployments(*names: str) -> list[fleets.Recorded]:
    return [fleets.recorded(name, 1, days=days) for days, name in enumerate(names)]


def evaluated(*names: str) -> FleetState:
    return fleets.fleet(*(fleets.evaluated(name) for name in names))


@pytest.mark.parametrize("leaves", [False, True])
async def test_an_operation_that_is_read_is_the_one_that_is_undone(console: MakeApp, leaves: bool) -> None:
    app, fake = console(units("amber", "beryl"))
    fake.past = [on("amber", "a")]
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("5")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, OperationScreen)
        fake.past = [on("beryl", "b"), *([] if leaves else fake.past)]
        await app.screen_stack[-2].reload(fake, fake.state)  # type: ignore[attr-defined]
        await pilot.press("z")
        await settle(pilot)
        assert (planned_last(fake).unit, planned_last(fake).verb) == ("amber", Verb.ROLLBACK)


async def test_a_deployment_that_is_read_is_the_one_that_is_deployed(console: MakeApp) -> None:
    app, fake = console(evaluated("amber", "beryl"))
    fake.recorded = deployments("amber")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pilot.press("2")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, DeploymentScreen)
        read = app.screen.key
        fake.recorded = deployments("beryl")
        await app.screen_stack[-2].reload(fake, fake.state)  # type: ignore[attr-defined]
        await pilot.press("d")
        await settle(pilot)
        assert (planned_last(fake).unit, planned_last(fake).release) == ("amber", read)


async def test_in_the_history_keys_are_about_the_operations_unit(console: MakeApp) -> None:
    app, fake = console(units("amber", "beryl"))
    fake.past = [on("beryl", "b"), fleets.rollout("wave 1")]
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("space", "5")  # a mark of the fleet's list is out of sight
        await settle(pilot)
        await pilot.press("u")
        await settle(pilot)
        assert planned(fake) == ["beryl"]
        await pilot.press("escape")
        await settle(pilot)
        await pilot.press("j", "u")
        await settle(pilot)
        assert "no unit is selected" in toasts(app)


async def test_in_a_rollout_keys_are_about_the_unit_under_its_own_cursor(console: MakeApp) -> None:
    state = units("cinnabar", "electrum")
    app, fake = console(state.model_copy(update={"operations": (fleets.rollout("wave 1"),)}))
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("w")
        await settle(pilot)
        assert isinstance(app.screen, RolloutScreen)
        await pilot.press("j", "t")
        await settle(pilot)
        assert planned(fake) == ["electrum"]


async def test_a_source_is_evaluated_that_was_under_the_cursor_when_its_key_was_typed(
    console: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, fake = console(fleets.one())
    names = ("alpha", "beta")
    source = fleets.source_state()
    fake.source_states = [source.model_copy(update={"source": fleets.Source(name=name, url=f"/{name}")}) for name in names]

    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("6")
        await settle(pilot)
        read = fake.sources

        async def slow() -> Sequence[SourceState]:
            await asyncio.sleep(0.2)
            return await read()

        monkeypatch.setattr(fake, "sources", slow)
        typed(app, "e", "j")
        await until(pilot, lambda: any(word == "evaluate" for word, _ in fake.asked))
        assert [said for word, said in fake.asked if word == "evaluate"] == ["alpha"]


async def test_the_next_key_cuts_off_nothing_that_was_confirmed(console: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    app, fake = console(units("amber", "beryl", "coral"))
    monkeypatch.setattr(fake, "submit", late(fake.submit))
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("space", "space", "t")
        await settle(pilot)
        typed(app, "y", "r")
        await until(pilot, lambda: len(submitted(fake)) > 1)
        assert [request.unit for request in submitted(fake)] == ["amber", "beryl"]


async def test_nor_an_acknowledgement_or_an_evaluation(console: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    app, fake = console(fleets.fleet(fleets.seen(fleets.unit("amber"), fleets.facts(fleets.unit("amber"), disk=96))))
    fake.source_states = [fleets.source_state()]
    for name in ("acknowledge", "evaluate"):
        monkeypatch.setattr(fake, name, late(getattr(fake, name)))
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        for word, keys in (("acknowledge", ("a", "enter", "enter")), ("evaluate", ("e",))):
            for key in keys:
                await pilot.press(key)
                await settle(pilot)
            typed(app, "r")
            await until(pilot, lambda word=word: any(asked == word for asked, _ in fake.asked))
            await settle(pilot)
            await pilot.press("escape")
            await settle(pilot)
        assert [word for word, _ in fake.asked if word in {"acknowledge", "evaluate"}] == ["acknowledge", "evaluate"]


def late(call: object) -> object:
    async def called(*args: object) -> object:
        await asyncio.sleep(0.2)
        return await call(*args)  # type: ignore[operator]

    return called


def running(ident: str, unit: str, verb: Verb = Verb.UPDATE, state: State = State.RUNNING) -> Operation:
    request = Request(unit=unit, stack="web" if unit else "main", verb=verb)
    return fleets.operation().model_copy(update={"request": request, "id": ident, "state": state})


@pytest.mark.parametrize(
    ("row", "cancelled", "word"),
    [
        (0, "runs", "asked"),
        (1, None, "this operation has ended"),
        (2, None, "a rollout is aborted where it is looked at"),
        (3, "eval2", "asked"),
    ],
)
@pytest.mark.parametrize("opened", [False, True])
async def test_the_operation_that_is_shown_is_cancelled_and_no_other(
    console: MakeApp, row: int, cancelled: str | None, word: str, opened: bool
) -> None:
    evaluations = [running(ident, "", Verb.EVALUATE) for ident in ("eval1", "eval2")]
    waits, runs = running("waits", "amber", state=State.PLANNED), running("runs", "amber")
    rollout = fleets.rollout("wave 1")
    app, fake = console(units("amber", "beryl").model_copy(update={"operations": (*evaluations, waits, runs, rollout)}))
    fake.past = [runs, on("beryl", "b"), rollout, evaluations[1]]
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("5")
        await settle(pilot)
        await pilot.press(*"j" * row)
        if opened and row != 2:
            await pilot.press("enter")
            await settle(pilot)
        await pilot.press("c")
        await settle(pilot)
        assert [said for what, said in fake.asked if what == "cancel"] == ([cancelled] if cancelled else [])
        assert word in toasts(app)


async def test_who_leaves_right_behind_his_yes_has_said_it(console: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    app, fake = console(units("amber", "beryl", "coral"))
    monkeypatch.setattr(fake, "submit", late(fake.submit))
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("space", "space", "t")
        await settle(pilot)
        typed(app, "y")
        await asyncio.sleep(0.1)
        typed(app, "q")
        async with asyncio.timeout(30):
            while app.is_running:
                await asyncio.sleep(0.05)
    assert [request.unit for request in submitted(fake)] == ["amber", "beryl"]


async def test_what_cannot_be_sent_is_said_before_one_leaves(console: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    app, fake = console(units("amber", "beryl"))
    monkeypatch.setattr("clavel_tui.tui.app.SENT_S", 0.2)
    sent = asyncio.Event()

    submit = fake.submit

    async def when_it_is_sent(plan: Plan, reason: str = "") -> str:
        await sent.wait()
        return await submit(plan, reason)

    monkeypatch.setattr(fake, "submit", when_it_is_sent)
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("t")
        await settle(pilot)
        await pilot.press("y", "q")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen) and "it is not sent yet" in seen(app))
        assert "it is not sent yet, and is not done" in seen(app)
        await pilot.press("n")
        sent.set()
        await until(pilot, lambda: bool(submitted(fake)))
        assert [request.unit for request in submitted(fake)] == ["amber"]


async def test_a_rollout_that_begins_late_comes_up_over_nothing_else(console: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    app, fake = console(evaluated("amber", "beryl"))
    monkeypatch.setattr(fake, "roll_out", late(fake.roll_out))
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        for key in ("space", "w", "y", "3"):
            await pilot.press(key)
            if key != "y":
                await settle(pilot)
        await until(pilot, lambda: any(word == "roll_out" for word, _ in fake.asked))
        await settle(pilot)
        assert isinstance(app.screen, StacksScreen)
        assert [word for word, _ in fake.asked if word == "roll_out"] == ["roll_out"]


async def test_a_host_key_that_cannot_be_written_is_said_whatever_is_typed(
    console: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    newcomer = fleets.unit("newcomer", stacks=("web",))
    state = fleets.seen(newcomer, None, "its host key is not known").model_copy(update={"kind": "host-key-unknown"})
    app, fake = console(fleets.fleet(state))

    async def full(_line: str) -> str:
        await asyncio.sleep(0.2)
        raise RefusedError("disk full")

    monkeypatch.setattr(fake, "trust", full)
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("T")
        await settle(pilot)
        typed(app, "y", "a")
        await until(pilot, lambda: "disk full" in toasts(app))
