"""Every screen and dialog in every size, in every theme, with every kind of fleet: what must hold in all of them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import NamedTuple

import pytest
from pytest_textual_snapshot import SVGImageExtension
from rich.cells import cell_len
from rich.color import Color, ColorType
from syrupy import SnapshotAssertion
from textual.color import Color as Paint
from textual.pilot import Pilot
from textual.screen import ModalScreen

from clavel_tui.fleet.state import FleetState
from clavel_tui.operations.files import CHANGED
from clavel_tui.tui.app import ClavelApp
from clavel_tui.tui.themes import MONO, THEMES
from tests.tui import fleets
from tests.tui.conftest import MakeApp
from tests.tui.scenes import MODES, SCENES, opened, press
from tests.tui.test_keys import settle, toasts
from tests.tui.test_modes import seen


@pytest.fixture
def pictures(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """Pictures that were accepted by eye."""
    return snapshot.use_extension(SVGImageExtension)


SIZES = ((60, 20), (80, 24), (160, 50))
READABLE = 4.5
"""Contrast of text against what is behind it: WCAG 2.2, 1.4.3."""
FLEETS: dict[str, Callable[[], FleetState]] = {
    "empty": fleets.fleet,
    "one": fleets.one,
    "eleven": fleets.eleven,
    "thousand": fleets.thousand,
    "down": fleets.all_down,
    "odd": fleets.odd,
    "pulling": fleets.pulling,
}


class Piece(NamedTuple):
    """A piece of text as it is painted."""

    text: str
    ink: Paint
    ground: Paint


def pieces(app: ClavelApp) -> list[list[Piece]]:
    """What the screen shows, line by line."""
    return [[_piece(app, s.text, s.style) for s in strip] for strip in app.screen._compositor.render_strips(app.size)]


def _piece(app: ClavelApp, text: str, style: object) -> Piece:
    ink, ground = getattr(style, "color", None), getattr(style, "bgcolor", None)
    colours = [_paint(ink, app.current_theme.foreground), _paint(ground, app.current_theme.background)]
    return Piece(text, *(reversed(colours) if getattr(style, "reverse", False) else colours))


def _paint(colour: Color | None, otherwise: str | None) -> Paint:
    if colour is None or colour.type is ColorType.DEFAULT:
        return Paint.parse(otherwise or "black")
    return Paint(*colour.get_truecolor())


def check(app: ClavelApp, size: tuple[int, int]) -> None:
    """What holds of every picture."""
    lines = pieces(app)
    lowered = _under_a_dialog(app)
    for y, line in enumerate(lines):
        said = "".join(piece.text for piece in line)
        assert not [c for c in said if unicodedata.category(c) in {"Cc", "Cf", "Cs"}], said
        x = 0
        for piece in line:
            below = lowered(x, y)
            x += cell_len(piece.text)
            if any(c.isalnum() for c in piece.text) and not below:
                contrast = _contrast(piece)
                assert contrast >= READABLE, f"{piece.text!r}: {piece.ink.hex} on {piece.ground.hex} is {contrast:.1f}"
            if app.theme == MONO.name:
                assert {_grey(piece.ink), _grey(piece.ground)} == {True}, f"{piece.text!r}: {piece.ink.hex} on {piece.ground.hex}"
    assert len(lines) == size[1]
    if isinstance(app.screen, ModalScreen):
        place = app.screen.query_one(".dialog").region
        inside = [line[place.x : place.right] for line in seen(app).splitlines()[place.y : place.bottom]]
        assert any("esc" in line for line in inside), "a dialog without a way out:\n" + "\n".join(inside)


def _under_a_dialog(app: ClavelApp) -> Callable[[int, int], bool]:
    """Whether a cell is of what lies below a dialog, which is dimmed on purpose."""
    dialog = next(iter(app.screen.query(".dialog")), None)
    return lambda x, y: dialog is not None and not dialog.region.contains(x, y)


def _grey(paint: Paint) -> bool:
    return max(paint.rgb) - min(paint.rgb) <= 2  # what blending rounds


def _contrast(piece: Piece) -> float:
    one, other = sorted((_luminance(piece.ink), _luminance(piece.ground)), reverse=True)
    return (one + 0.05) / (other + 0.05)


def _luminance(paint: Paint) -> float:
    red, green, blue = (v / 3294 if v <= 10 else ((v / 255 + 0.055) / 1.055) ** 2.4 for v in paint.rgb)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


async def in_sizes(app: ClavelApp, pilot: Pilot[None], look: Callable[[tuple[int, int]], None] = lambda _: None) -> None:
    """Looks at what is there in all sizes."""
    for size in SIZES:
        await pilot.resize_terminal(*size)
        await still(pilot)
        check(app, size)
        look(size)


async def in_themes(app: ClavelApp, pilot: Pilot[None]) -> None:
    """Looks at it in all themes, between which only colours may differ."""
    await pilot.resize_terminal(*SIZES[1])
    said = set()
    for theme in THEMES:
        app.theme = theme.name
        await settle(pilot)
        check(app, SIZES[1])
        said.add(seen(app))
    assert len(said) == 1, "\n".join(said)


async def still(pilot: Pilot[None]) -> None:
    """Until the picture does not change any more: scroll bars come and go once after a change of size."""
    app = pilot.app
    assert isinstance(app, ClavelApp)
    before = ""
    while (now := seen(app)) != before:
        before = now
        await settle(pilot)


@pytest.mark.parametrize("scene", SCENES)
async def test_every_scene_in_every_size_and_theme(console: MakeApp, pictures: SnapshotAssertion, scene: str) -> None:
    """Pictures are of the dark theme; accept a wanted change with ``--snapshot-update``."""
    app = opened(console)

    def look(size: tuple[int, int]) -> None:
        assert app.export_screenshot(simplify=True) == pictures(name=f"{size[0]}x{size[1]}")

    async with app.run_test(size=SIZES[-1]) as pilot:
        await press(scene)(pilot)
        await in_sizes(app, pilot, look)
        await in_themes(app, pilot)


async def test_a_fleet_that_pulls(console: MakeApp, pictures: SnapshotAssertion) -> None:
    """In a small terminal the pane of agents is not there: what is wrong with them is said elsewhere."""
    app = opened(console, fleets.pulling())

    def look(size: tuple[int, int]) -> None:
        assert app.export_screenshot(simplify=True) == pictures(name=f"{size[0]}x{size[1]}")
        assert "✗ no news from claveld" in seen(app)

    async with app.run_test(size=SIZES[-1]) as pilot:
        await in_sizes(app, pilot, look)
        await in_themes(app, pilot)


async def test_files_that_have_changed_are_said_once_and_stay_in_the_headline(console: MakeApp) -> None:
    changed = fleets.eleven().model_copy(update={"files": CHANGED})
    app, fake = console(fleets.eleven())
    async with app.run_test(size=(160, 50)) as pilot:
        await settle(pilot)
        assert "! files changed" not in seen(app)
        fake.show(changed)
        await settle(pilot)
        fake.show(changed.model_copy(update={"seq": changed.seq + 1}))
        await settle(pilot)
        assert "! files changed" in seen(app)
        assert toasts(app).count(CHANGED) == 1


async def test_agents_of_every_kind(console: MakeApp, pictures: SnapshotAssertion) -> None:
    app = opened(console, fleets.pulling())

    def look(size: tuple[int, int]) -> None:
        assert app.export_screenshot(simplify=True) == pictures(name=f"{size[0]}x{size[1]}")

    async with app.run_test(size=SIZES[-1]) as pilot:
        await press("agents")(pilot)
        await in_sizes(app, pilot, look)
        await in_themes(app, pilot)


@pytest.mark.parametrize("scene", MODES)
@pytest.mark.parametrize("kind", FLEETS)
async def test_every_kind_of_fleet(console: MakeApp, scene: str, kind: str) -> None:
    app = opened(console, FLEETS[kind]())
    async with app.run_test(size=SIZES[-1]) as pilot:
        await press(scene)(pilot)
        await in_sizes(app, pilot)
