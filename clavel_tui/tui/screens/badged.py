"""What every whole screen has: in a read-only console its upper edge says so, and the tour is under it."""

from __future__ import annotations

from textual.screen import Screen

from clavel_tui.tui.widgets.tour import TourLine

About = tuple[str, str | None]
"""A unit's name, which may be empty, and a stack's."""


class BadgedScreen(Screen[None]):
    """A screen of the console. Dialogs are none: they lie upon one."""

    @property
    def about(self) -> About | None:
        """Whom keys are about; None where what it was opened from says so."""
        return None

    def on_mount(self) -> None:
        """Textual calls this for every class of a screen, so a screen's own on_mount needs no word of it."""
        if read_only := getattr(self.app, "read_only", ""):
            self.add_class("-read-only")
            self.border_title = f"READ-ONLY  {read_only} says so"
        if hasattr(self.app, "tour_step") and self.is_attached:  # it is not, where `q` came right behind the key that opened it
            self.mount(TourLine(id="tour"), before=0)
