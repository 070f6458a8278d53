"""What can go wrong between us and a unit. ``kind`` is a stable word; the text is a sentence, the hint what to do."""

from __future__ import annotations


class RemoteError(Exception):
    """One unit's trouble.

    Kinds: unreachable, lost, timeout, host-key-unknown, host-key-changed, key-refused, sudo, helper, put, start, settle, output.
    """

    def __init__(self, kind: str, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text
        self.hint = hint

    @property
    def uncertain(self) -> bool:
        """The command may have run: its outcome is unknown, never `failed`."""
        return self.kind in {"lost", "timeout"}
