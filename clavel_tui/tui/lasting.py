"""What is told in a corner for some seconds. Textual shows it anew on each screen that opens meanwhile, for the seconds left."""

from __future__ import annotations

from textual.notifications import Notification

LEAST_S = 0.25


class LastingNotification(Notification):
    """One whose time may run out while a screen opens.

    Textual 8.2 looks whether it has run out, and then once more how much is left. On a busy machine the second answer is
    below zero, and a timer of that many seconds turns for ever without letting anything else run: the console stood still.
    """

    @property
    def time_left(self) -> float:
        """Seconds, and always some: it is shown for a moment longer then."""
        return max(super().time_left, LEAST_S)

    @property
    def has_expired(self) -> bool:
        """By its own clock, and not by what is left at least."""
        return super().time_left <= 0
