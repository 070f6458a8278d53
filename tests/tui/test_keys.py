"""The user's keys, pressed; what the fleet was asked for, and what the screen says."""

from __future__ import annotations

from collections.abc import Callable

from textual.pilot import Pilot
from textual.widgets import Input, Label, Log

from clavel_tui.domain.commands import COMMANDS
from clavel_tui.domain.facts import StackState
from clavel_tui.domain.operation import Request, Verb
from clavel_tui.domain.outcome import Outcome
from clavel_tui.domain.release import Release
from clavel_tui.fleet.state import FleetState
from clavel_tui.tui.app import ClavelApp
from clavel_tui.tui.screens.dialogs import ChooseScreen, ConfirmScreen
from clavel_tui.tui.screens.fleet import FleetScreen
from clavel_tui.tui.screens.history import HistoryScreen
from clavel_tui.tui.screens.reading import LogScreen, TextScreen
from clavel_tui.tui.widgets.listing import Listing
from tests.tui import fleets
from tests.tui.conftest import MakeApp
from tests.tui.fake import FakeFleet


async def settle(pilot: Pilot[None]) -> None:
    """Until the console is idle."""
    for _ in range(4):
        await pilot.pause()


def submitted(fake: FakeFleet) -> list[Request]:
    return [request for word, request in fake.asked if word == "submit" and isinstance(request, Request)]


async def until(pilot: Pilot[None], holds: Callable[[], bool]) -> None:
    """Until that holds."""
    for _ in range(500):
        if holds():
            return
        await pilot.pause(0.02)
    raise AssertionError("it never held")


def words(app: ClavelApp) -> str:
    """What stands at the foot of the dialog."""
    return str(app.screen.query_one(".dialog-keys", Label).content)


def toasts(app: ClavelApp) -> str:
    return "\n".join(note.message for note in app._notifications)


async def test_three_keys_roll_back_to_the_last_known_good(console: MakeApp) -> None:
    app, fake = console(fleets.one())
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        for key in ("r", "enter", "y"):
            await pilot.press(key)
            await settle(pilot)
        assert submitted(fake) == [Request(unit="cinnabar", stack="web", verb=Verb.ROLLBACK, release="aaaa00001111")]
        assert "succeeded" in toasts(app)


async def test_enter_twice_is_not_a_yes(console: MakeApp) -> None:
    app, fake = console(fleets.one())
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        for key in ("r", "enter", "enter", "enter"):
            await pilot.press(key)
            await settle(pilot)
        assert isinstance(app.screen, ConfirmScreen)
        assert submitted(fake) == []


async def test_no_and_escape_change_nothing(console: MakeApp) -> None:
    for answer in ("n", "escape"):
        app, fake = console(fleets.one())
        async with app.run_test(size=(120, 35)) as pilot:
            await settle(pilot)
            for key in ("u", answer):
                await pilot.press(key)
                await settle(pilot)
            assert isinstance(app.screen, FleetScreen)
            assert submitted(fake) == []


async def test_what_is_refused_cannot_be_confirmed(console: MakeApp) -> None:
    app, fake = console(fleets.one())
    fake.refusal = "web is HELD at release aaaa00001111"
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        for key in ("u", "y"):
            await pilot.press(key)
            await settle(pilot)
        assert isinstance(app.screen, ConfirmScreen)
        assert submitted(fake) == []


async def test_a_release_whose_image_is_gone_is_not_preselected(console: MakeApp) -> None:
    only = fleets.unit("cinnabar", stacks=("web",))
    state = fleets.fleet(fleets.seen(only, fleets.facts(only, image_ids=(fleets.TWO,))))
    app, _ = console(state)
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("r")
        await settle(pilot)
        assert isinstance(app.screen, ChooseScreen)
        rows = {row.key: row.cells[-1].text for row in app.screen.query_one(Listing).rows}
        assert "not restorable here" in rows["web/aaaa00001111"]
        assert app.screen.query_one(Listing).key == "web/bbbb00002222"


async def test_a_field_that_is_left_by_tab_is_no_longer_written_into(console: MakeApp) -> None:
    app, fake = console(fleets.one())
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        for key in ("u", "w"):
            await pilot.press(key)
            await settle(pilot)
        assert words(app) == "enter, esc  back to the question"
        await pilot.press(*"late", "tab")
        await settle(pilot)
        assert words(app).startswith("y  do it now")
        await pilot.press("y")
        await settle(pilot)
        assert (len(submitted(fake)), fake.reason) == (1, "late")


async def test_what_comes_to_be_recorded_comes_into_the_open_list(console: MakeApp) -> None:
    """`r` pressed before the update's end was read: the list that is open must not stay as it was then."""
    only = fleets.unit("cinnabar", stacks=("web",))
    one, two = fleets.release("aaaa00001111", fleets.ONE, 1), fleets.release("bbbb00002222", fleets.TWO, 2)

    def state(*releases: Release, going: bool) -> FleetState:
        stacks = (StackState(name="web", releases=releases),)
        return fleets.fleet(
            fleets.seen(only, fleets.facts(only, stacks=stacks)), operations=(fleets.operation(),) if going else ()
        )

    app, fake = console(state(two, going=True))
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("r")
        await settle(pilot)
        listing = app.screen.query_one(Listing)
        assert listing.key == "web/bbbb00002222"
        assert "update web on cinnabar is still going on" in words(app)
        fake.show(state(one, two, going=False))
        await until(pilot, lambda: listing.key == "web/aaaa00001111")
        assert "still going on" not in words(app)
        await pilot.press("down" if listing.rows[0].key == listing.key else "up")
        fake.show(state(one, two, going=True))
        await until(pilot, lambda: "still going on" in words(app))
        assert listing.key == "web/bbbb00002222"
        await pilot.press("down" if listing.rows[-1].key == "web/aaaa00001111" else "up")
        fake.show(state(one, two, fleets.release("cccc00003333", fleets.ONE, 3), going=False))
        await until(pilot, lambda: len(listing.rows) == 3)
        assert listing.key == "web/aaaa00001111", "a person has put it there"


async def test_with_several_stacks_the_one_is_asked_for(console: MakeApp) -> None:
    app, fake = console(fleets.eleven())
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        app.screen.query_one("#units", Listing).show(app.screen.query_one("#units", Listing).rows, select="cinnabar")
        await pilot.press("u")
        await settle(pilot)
        assert isinstance(app.screen, ChooseScreen)
        for key in ("G", "enter", "y"):
            await pilot.press(key)
            await settle(pilot)
        assert [r.stack for r in submitted(fake)] == ["zerotier"]


async def test_a_unit_that_is_away_says_so_instead_of_planning(console: MakeApp) -> None:
    app, fake = console(fleets.all_down())
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("r")
        await settle(pilot)
        assert "cannot be reached" in toasts(app)
        assert fake.asked == []


async def test_the_filter_narrows_and_escape_clears(console: MakeApp) -> None:
    app, _ = console(fleets.eleven())
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("slash", *"tag:pi")
        await settle(pilot)
        units = app.screen.query_one("#units", Listing)
        assert {row.key for row in units.rows} == {"rpi-box-01", "rpi-box-02", "rpi-box-03"}
        await pilot.press("enter", "escape")
        await settle(pilot)
        assert app.screen.query_one("#filter", Input).value == ""
        assert len(units.rows) == 11


async def test_the_cursor_stays_on_its_unit_while_rows_move(console: MakeApp) -> None:
    app, fake = console(fleets.eleven())
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        units = app.screen.query_one("#units", Listing)
        await pilot.press("down", "down", "down")
        key = units.key
        state = fleets.eleven()
        fake.show(state.model_copy(update={"units": tuple(reversed(state.units[:-1]))}))
        for _ in range(20):
            await pilot.pause(0.02)
        assert len(units.rows) == 10
        assert units.key == key


async def test_logs_are_cleaned_and_followed(console: MakeApp) -> None:
    app, _ = console(fleets.one())
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("l")
        await settle(pilot)
        assert isinstance(app.screen, LogScreen)
        log = app.screen.query_one(Log)
        for _ in range(50):
            if log.line_count:
                break
            await pilot.pause(0.02)
        assert list(log.lines)[:3] == ["one", "two red", "three"]
        await pilot.press("escape")
        await settle(pilot)
        assert isinstance(app.screen, FleetScreen)


async def test_logs_of_all_services_and_then_of_each(console: MakeApp) -> None:
    only = fleets.unit("cinnabar", stacks=("web",))
    seen = fleets.facts(only)
    two = (seen.containers[0], seen.containers[0].model_copy(update={"service": "db", "id": "d" * 64}))
    app, fake = console(fleets.fleet(fleets.seen(only, seen.model_copy(update={"containers": two}))))
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("l")
        for service in ("", "app", "db", ""):
            await settle(pilot)
            await until(pilot, lambda: app.screen.query_one(Log).line_count == 3)
            assert fake.asked[-1] == ("logs", ("cinnabar", "web", service))
            assert str(app.screen.query_one(".title", Label).content).startswith(
                f"logs of {service} in web" if service else "logs of web"
            )
            await pilot.press("s")


async def test_history_opens_an_operation_and_undo_goes_to_what_ran_before(console: MakeApp) -> None:
    app, fake = console(fleets.one())
    fake.past = [fleets.operation(Outcome.SUCCEEDED, text="updated")]
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("5")
        await settle(pilot)
        assert isinstance(app.screen, HistoryScreen)
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, TextScreen)
        for key in ("escape", "z", "y"):
            await pilot.press(key)
            await settle(pilot)
        assert [(r.verb, r.release) for r in submitted(fake)] == [(Verb.ROLLBACK, "aaaa00001111")]


async def test_quit_with_a_running_operation_says_that_it_goes_on(console: MakeApp) -> None:
    app, _ = console(fleets.eleven())
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("q")
        await settle(pilot)
        assert isinstance(app.screen, ConfirmScreen)
        await pilot.press("y")
        await settle(pilot)
        assert not app.is_running


async def test_a_submit_that_fails_is_said(console: MakeApp) -> None:
    app, fake = console(fleets.one())
    fake.submit_error = "the journal cannot be written"
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        for key in ("u", "y"):
            await pilot.press(key)
            await settle(pilot)
        assert "the journal cannot be written" in toasts(app)


async def test_every_command_has_a_handler_and_its_key_in_the_help(console: MakeApp) -> None:
    app, _ = console(fleets.one())
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        bound = {binding.id for bindings in app._bindings.key_to_bindings.values() for binding in bindings}
        for command in COMMANDS:
            if command.id != "details":
                assert hasattr(app, f"do_{command.id}"), command.id
                assert command.id in bound
        await pilot.press("question_mark")
        await settle(pilot)
        assert isinstance(app.screen, TextScreen)


async def test_a_reason_is_typed_before_the_yes(console: MakeApp) -> None:
    """Y and n are letters there; escape and enter go back to the question, and leave what was typed."""
    app, fake = console(fleets.one())
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("u")
        await settle(pilot)
        await pilot.press("w", *"any n", "escape")
        await settle(pilot)
        assert isinstance(app.screen, ConfirmScreen)
        assert submitted(fake) == []
        await pilot.press("w", "end", *"y", "enter", "y")
        await settle(pilot)
        assert len(submitted(fake)) == 1
        assert fake.reason == "any ny"
