"""What every whole screen has: in a read-only console its upper edge says so, and the tour is under it."""

from __future__ import annotations

from textual.screen import Screen

from clavel_tui.tui.widgets.tour import TourLine


class BadgedScreen(Screen[None]):
    """A screen of the console. Dialogs are none: they lie upon one."""

    def on_mount(self) -> None:
        """Textual calls this for every class of a screen, so a screen's own on_mount needs no word of it."""
        if read_only := getattr(self.app, "read_only", ""):
            self.add_class("-read-only")
            self.border_title = f"READ-ONLY  {read_only} says so"
        if hasattr(self.app, "tour_step") and self.is_attached:  # it is not, where `q` came right behind the key that opened it
            self.mount(TourLine(id="tour"), before=0)
