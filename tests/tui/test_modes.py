"""The modes beside Fleet, and the commands that look: explain, copy, palette."""

from __future__ import annotations

import pytest
from textual.widgets import Input

from clavel_tui.domain.deployment import Head
from clavel_tui.domain.mute import Mute
from clavel_tui.domain.operation import Plan, Request, Verb
from clavel_tui.fleet.state import FleetState
from clavel_tui.tui.app import ClavelApp
from clavel_tui.tui.screens.dialogs import ChooseScreen, ConfirmScreen
from clavel_tui.tui.screens.evaluated import DeploymentsScreen, SourcesScreen
from clavel_tui.tui.screens.fleet import FleetScreen
from clavel_tui.tui.screens.history import HistoryScreen
from clavel_tui.tui.screens.palette import PaletteScreen
from clavel_tui.tui.screens.reading import LogScreen, TextScreen
from clavel_tui.tui.screens.stacks import StacksScreen
from clavel_tui.tui.widgets.listing import Listing
from tests.tui import fleets
from tests.tui.conftest import MakeApp
from tests.tui.fake import FakeFleet
from tests.tui.test_keys import settle, submitted, toasts


def seen(app: ClavelApp) -> str:
    """The text of the screen."""
    return "\n".join("".join(s.text for s in strip) for strip in app.screen._compositor.render_strips(app.size))


def full(console: MakeApp, state: FleetState | None = None) -> tuple[ClavelApp, FakeFleet]:
    """A console whose fleet, by itself or the given one, has deployments, a source and a past."""
    app, fake = console(state or fleets.fleet(fleets.evaluated(), *fleets.eleven().units[1:]))
    fake.recorded = [fleets.recorded("cinnabar", n, days=9 - n, dirty=n == 2) for n in (3, 2, 1)]
    fake.source_states = [fleets.source_state()]
    fake.past = [fleets.operation(fleets.Outcome.RETURNED, text="it went bad: back at release aaaa00001111, and verified")]
    return app, fake


async def test_numbers_go_from_mode_to_mode_and_esc_goes_home(console: MakeApp) -> None:
    app, _ = full(console)
    kinds = {"2": DeploymentsScreen, "3": StacksScreen, "5": HistoryScreen, "6": SourcesScreen, "1": FleetScreen}
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        for key in ("2", "3", "6", "5", "1", "6", "2"):
            await pilot.press(key)
            await settle(pilot)
            assert type(app.screen) is kinds[key]
            assert len(app.screen_stack) <= 2
        await pilot.press("escape")
        await settle(pilot)
        assert isinstance(app.screen, FleetScreen)


async def test_deployments_say_what_should_run_and_what_does(console: MakeApp) -> None:
    app, _ = full(console)
    async with app.run_test(size=(160, 35)) as pilot:
        await settle(pilot)
        await pilot.press("2")
        await settle(pilot)
        lines = [line for line in seen(app).splitlines() if "cinnabar@" in line]
        assert ["should run" in line for line in lines] == [True, False, False]
        assert "▸ runs" in lines[2]
        assert "dirty" in lines[1]
        await pilot.press("enter")
        await settle(pilot)
        assert "differs from" in seen(app)
        assert f"- {fleets.path('cinnabar', 2)}" in seen(app)
        assert "sha256-3" in seen(app)


async def test_a_source_says_what_failed_first(console: MakeApp) -> None:
    app, fake = full(console)
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("6")
        await settle(pilot)
        assert "1 Deployment, 1 failed" in seen(app)
        await pilot.press("enter")
        await settle(pilot)
        text = seen(app)
        assert text.index("attribute 'foo' missing") < text.index("nixosConfigurations.cinnabar")
        assert "nixosConfigurations.galena-sd  matches no unit" in text
        assert "an option is old" in text
        await pilot.press("escape", "e")
        await settle(pilot)
        assert ("evaluate", "fleet") in fake.asked


async def test_a_snapshot_brings_news_into_the_mode_that_is_shown(console: MakeApp) -> None:
    app, fake = full(console)
    fake.source_states = []
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("6")
        await settle(pilot)
        assert "no source" in seen(app)
        fake.source_states = [fleets.source_state(failed=False)]
        fake.show(fake.state)
        await pilot.pause(0.3)
        assert "✓ 1 Deployment" in seen(app)


async def test_which_source_is_asked_where_there_are_several(console: MakeApp) -> None:
    app, fake = full(console)
    other = fleets.source_state().model_copy(update={"source": fleets.Source(name="other", url="/other")})
    fake.source_states = [fleets.source_state(), other]
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("e")
        await settle(pilot)
        assert isinstance(app.screen, ChooseScreen)
        await pilot.press("j", "enter")
        await settle(pilot)
        assert ("evaluate", "other") in fake.asked


async def test_without_a_source_the_word_says_what_to_write(console: MakeApp) -> None:
    app, fake = full(console)
    fake.source_states = []
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("e")
        await settle(pilot)
        assert "[sources.main]" in toasts(app)
        assert not [word for word, _ in fake.asked if word == "evaluate"]


async def test_keys_act_on_the_stack_under_the_cursor_of_the_stacks_mode(console: MakeApp) -> None:
    app, fake = full(console)
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("3")
        await settle(pilot)
        listing = app.screen.query_one(Listing)
        assert listing.rows[0].key in {"cinnabar/web", "electrum/uptime"}  # the unwell ones stand first
        listing.show(listing.rows, select="rpi-box-03/metrics")
        await pilot.press("u")
        await settle(pilot)
        assert isinstance(app.screen, ConfirmScreen)
        await pilot.press("y")
        await settle(pilot)
        assert submitted(fake) == [Request(unit="rpi-box-03", stack="metrics", verb=Verb.UPDATE)]
        assert isinstance(app.screen, StacksScreen)
        for key, kind in (("l", LogScreen), ("enter", TextScreen), ("x", TextScreen)):
            await pilot.press(key)
            await settle(pilot)
            assert isinstance(app.screen, kind), key
            await pilot.press("escape")
            await settle(pilot)


async def test_explain_gives_reason_evidence_operation_log_and_the_next_key(console: MakeApp) -> None:
    app, _ = full(console)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        listing = app.screen.query_one("#units", Listing)
        listing.show(listing.rows, select="cinnabar")
        await pilot.press("x")
        await pilot.pause(0.2)
        text = seen(app)
        for words in ("app is unhealthy", "→ l shows its log; r rolls the stack back", "2 evaluations behind", "update web on cinnabar",
                      "returned by itself", "Log of app in web"):  # fmt: skip
            assert words in text, words


@pytest.mark.parametrize(("mode", "what"), [("1", "electrum"), ("2", fleets.path("cinnabar", 3)), ("6", "fleet")])
async def test_copy_goes_to_the_clipboard(console: MakeApp, mode: str, what: str) -> None:
    app, _ = full(console)
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        listing = app.screen.query_one("#units", Listing)
        listing.show(listing.rows, select="electrum")
        await pilot.press(mode)
        await settle(pilot)
        await pilot.press("y")
        await settle(pilot)
        assert app.clipboard == what


async def test_the_palette_finds_by_a_part_of_the_name_and_says_why_not(console: MakeApp) -> None:
    app, fake = full(console)
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        listing = app.screen.query_one("#units", Listing)
        listing.show(listing.rows, select="stibnite")
        await pilot.press("colon")
        await settle(pilot)
        assert isinstance(app.screen, PaletteScreen)
        assert "not now: stibnite has no Docker Compose stack" in seen(app)
        await pilot.press(*"sourc")
        await settle(pilot)
        assert isinstance(app.focused, Input)
        await pilot.press("down", "up", "enter")
        await settle(pilot)
        assert ("evaluate", "fleet") in fake.asked or isinstance(app.screen, SourcesScreen)
        await pilot.press("ctrl+p", *"history", "enter")
        await settle(pilot)
        assert isinstance(app.screen, HistoryScreen)


async def test_marks_act_on_all_with_one_preview_and_one_yes(console: MakeApp) -> None:
    app, fake = full(console)
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("3")
        await settle(pilot)
        listing = app.screen.query_one(Listing)
        listing.show(listing.rows, select="rpi-box-01/metrics")
        await pilot.press("space", "space")
        assert listing.marks == {"rpi-box-01/metrics", "rpi-box-02/metrics"}
        await pilot.press("u")
        await settle(pilot)
        text = seen(app)
        assert "update 2 stacks" in text
        assert text.index("rpi-box-01 metrics") < text.index("rpi-box-02 metrics")
        await pilot.press("y")
        await settle(pilot)
        assert [(r.unit, r.verb) for r in submitted(fake)] == [("rpi-box-01", Verb.UPDATE), ("rpi-box-02", Verb.UPDATE)]
        assert listing.marks == set()


async def test_marked_units_roll_back_each_to_its_own_last_good(console: MakeApp) -> None:
    app, fake = full(console)
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        listing = app.screen.query_one("#units", Listing)
        for name in ("electrum", "galena", "stibnite"):
            listing.show(listing.rows, select=name)
            await pilot.press("space")
        assert "3 marked" in str(listing.border_subtitle)
        await pilot.press("r")
        await settle(pilot)
        assert "stibnite: no other system that was recorded as good is there" in seen(app)
        await pilot.press("y")
        await settle(pilot)
        assert [(r.unit, r.release) for r in submitted(fake)] == [("electrum", "aaaa00001111"), ("galena", "aaaa00001111")]


async def test_a_deployment_is_prepared_previewed_and_confirmed(console: MakeApp) -> None:
    app, fake = full(console, fleets.fleet(fleets.evaluated()))
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pilot.press("d")
        await settle(pilot)
        assert "not built yet" in seen(app)
        await pilot.press("p")
        await settle(pilot)
        assert "nginx.service" in seen(app)
        await pilot.press("y")
        await settle(pilot)
        assert [(r.verb, r.unit, r.stack) for r in submitted(fake)] == [
            (Verb.PREPARE, "cinnabar", ""),
            (Verb.DEPLOY, "cinnabar", ""),
        ]


async def test_the_deployment_under_the_cursor_is_deployed(console: MakeApp) -> None:
    app, fake = full(console, fleets.fleet(fleets.evaluated()))
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pilot.press("2")
        await settle(pilot)
        short = app.screen.query_one(Listing).key
        await pilot.press("d")
        await settle(pilot)
        await pilot.press("y")
        await settle(pilot)
        assert [(r.verb, r.unit, r.release) for r in submitted(fake)] == [(Verb.DEPLOY, "cinnabar", short)]


async def test_a_unit_without_a_good_stack_goes_back_as_a_whole(console: MakeApp) -> None:
    evaluated = fleets.evaluated()
    unit = evaluated.model_copy(update={"stacks": (), "unit": evaluated.unit.model_copy(update={"stacks": ()})})
    app, fake = full(console, fleets.fleet(unit))
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pilot.press("r")
        await settle(pilot)
        assert "last known good" in seen(app)
        await pilot.press("enter")
        await settle(pilot)
        await pilot.press("y")
        await settle(pilot)
        assert [(r.verb, r.stack, r.release) for r in submitted(fake)] == [(Verb.ROLLBACK, "", fleets.path("cinnabar", 0))]


async def test_what_cannot_be_done_is_said_and_the_others_go_on(console: MakeApp) -> None:
    app, fake = full(console)
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        fake.refusal = "another job holds the lock"
        listing = app.screen.query_one("#units", Listing)
        listing.show(listing.rows, select="electrum")
        await pilot.press("space", "u")
        await settle(pilot)
        assert "another job holds the lock" in seen(app)
        await pilot.press("y", "escape")
        await settle(pilot)
        assert submitted(fake) == []
        assert listing.marks == {"electrum"}
        await pilot.press("escape")
        await settle(pilot)
        assert listing.marks == set()


async def test_the_whole_fleet_wants_its_name_typed(console: MakeApp) -> None:
    app, fake = console(fleets.fleet(*fleets.eleven().units[:2]))
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("space", "space", "t")
        await settle(pilot)
        await pilot.press("y")
        await settle(pilot)
        assert submitted(fake) == []
        await pilot.press(*"wrong", "enter")
        await settle(pilot)
        assert submitted(fake) == []
        for _ in "wrong":
            await pilot.press("backspace")
        await pilot.press(*"vanixiets", "enter")
        await settle(pilot)
        assert sorted((r.unit, r.stack) for r in submitted(fake)) == [
            ("cinnabar", "web"),
            ("cinnabar", "zerotier"),
            ("electrum", "uptime"),
        ]


async def test_first_contact_shows_the_fingerprint_and_asks(console: MakeApp) -> None:
    unknown = fleets.seen(fleets.unit("cinnabar"), None, "the host key of cinnabar is not known yet", "look at its fingerprint")
    app, fake = console(fleets.fleet(unknown.model_copy(update={"kind": "host-key-unknown"})))
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("T")
        await settle(pilot)
        assert "SHA256:abcdef" in seen(app)
        await pilot.press("n", "T")
        await settle(pilot)
        await pilot.press("y")
        await settle(pilot)
        assert [what for word, what in fake.asked if word == "trust"] == ["cinnabar ssh-ed25519 AAAA"]
        assert ("refresh", ("cinnabar",)) in fake.asked


@pytest.mark.parametrize(
    ("kind", "words"), [("host-key-changed", "somebody may sit between"), ("unreachable", "is known, or it was not reached")]
)
async def test_a_changed_host_key_is_never_accepted_here(console: MakeApp, kind: str, words: str) -> None:
    changed = fleets.seen(fleets.unit("cinnabar"), None, "another host key", "somebody may sit between you")
    app, fake = console(fleets.fleet(changed.model_copy(update={"kind": kind})))
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("T", "y")
        await settle(pilot)
        assert words in toasts(app)
        assert not [word for word, _ in fake.asked if word == "trust"]


async def test_acknowledging_asks_what_and_for_how_long(console: MakeApp) -> None:
    app, fake = full(console)
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        listing = app.screen.query_one("#units", Listing)
        listing.show(listing.rows, select="rpi-box-02")
        await pilot.press("a")
        await settle(pilot)
        assert "the disk at / is 91 % full" in seen(app)
        await pilot.press("enter")
        await settle(pilot)
        assert "until it changes" in seen(app)
        await pilot.press("j", "enter")
        await settle(pilot)
        ((_, said),) = [one for one in fake.asked if one[0] == "acknowledge"]
        assert said == ("rpi-box-02", "disk", "the disk at / is 91 % full", fleets.NOW + 3600)


async def test_what_was_acknowledged_stands_in_the_details_and_alarms_again(console: MakeApp) -> None:
    state = fleets.one().units[0]
    mute = Mute(unit="cinnabar", code="disk", text="the disk at / is 91 % full", until=fleets.NOW + 7200, operator="ada")
    app, fake = console(fleets.fleet(state.model_copy(update={"muted": (mute,)})))
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        assert "◌ the disk at / is 91 % full" in seen(app)
        await pilot.press("a")
        await settle(pilot)
        assert "acknowledged by ada for 2 h still" in seen(app)
        await pilot.press("enter")
        await settle(pilot)
        assert ("alarm_again", ("cinnabar", "disk", "the disk at / is 91 % full")) in fake.asked


async def test_the_tour_goes_on_by_the_keys_that_it_tells(console: MakeApp) -> None:
    app, _ = full(console)
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        assert "Tour" not in seen(app)
        await pilot.press("f1")
        await settle(pilot)
        assert "Tour 1/5 (F1 ends it)  x  says why" in seen(app)
        await pilot.press("u")
        await settle(pilot)
        await pilot.press("escape")
        await settle(pilot)
        assert "Tour 1/5" in seen(app)
        for number, key in enumerate(("x", "u", "r", "e"), 2):
            await pilot.press("1", key)
            await settle(pilot)
            await pilot.press("escape", "1")
            await settle(pilot)
            assert f"Tour {number}/5" in seen(app)
        await pilot.press("5")
        await settle(pilot)
        assert "That was the tour" in seen(app)
        await pilot.press("x")
        await settle(pilot)
        assert "tour" not in seen(app)


async def test_the_tour_ends_when_it_is_not_wanted(console: MakeApp) -> None:
    app, _ = full(console)
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("f1")
        await settle(pilot)
        assert "Tour" in seen(app)
        await pilot.press("f1")
        await settle(pilot)
        assert "Tour" not in seen(app)


async def test_a_unit_that_is_away_is_deployed_when_it_is_back(console: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    laptop = fleets.seen(fleets.unit("rosegold", away=True), None, "rosegold did not answer within 10 s")
    head = Head(name="rosegold", short="rosegold@1a2b3c4d", nar_id="/nix/store/x", at=fleets.NOW)
    app, fake = console(fleets.fleet(laptop.model_copy(update={"kind": "unreachable", "head": head})))
    waits = Request(unit="rosegold", stack="", verb=Verb.DEPLOY, release="rosegold@1a2b3c4d")

    async def plan(request: Request) -> Plan:
        return Plan(request=request, title="deploy rosegold", refusal="rosegold did not answer within 10 s", when_back=waits)

    monkeypatch.setattr(fake, "plan", plan)
    async with app.run_test(size=(120, 35)) as pilot:
        await settle(pilot)
        await pilot.press("d")
        await settle(pilot)
        assert "can wait until the unit is back" in seen(app)
        await pilot.press("y")
        await settle(pilot)
        assert ("put_off", waits) in fake.asked
        assert submitted(fake) == []
