"""Going back from a screen or a dialog: only once, and only from that which is on top."""

from __future__ import annotations

from typing import TypeVar

from textual.screen import Screen

Answer = TypeVar("Answer")


def leave(screen: Screen[Answer], answer: Answer | None = None) -> None:
    """Ends the screen, unless it has ended: a key typed twice reaches it again, and must not end what lies below it."""
    if screen.is_attached and screen.app.screen is screen:
        screen.dismiss(answer)
