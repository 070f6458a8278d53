"""Remote text is data: control characters are stripped and lengths bounded before it meets a screen or a journal."""

from __future__ import annotations

import re
import unicodedata

from clavel_tui.domain import limits

_SEQUENCE = re.compile(r"\x1b[P\]^_X].*?(?:\x07|\x1b\\|$)|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|\x1b[ -/]*[0-~]?", re.DOTALL)
"""Whole sequences, so that "[31m" does not stay behind: strings for the terminal (OSC and the like), CSI, and short ones."""
_DROPPED = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def clean(text: str, most: int = limits.LINE_CHARS) -> str:
    """One line of text without escape sequences, controls or direction overrides, at most ``most`` characters."""
    if text.isascii() and text.isprintable():
        return text if len(text) <= most else text[: most - 1] + "…"
    bare = _SEQUENCE.sub("", text).replace("\t", " ")
    kept = "".join(c for c in bare if unicodedata.category(c) not in _DROPPED)
    return kept if len(kept) <= most else kept[: most - 1] + "…"


def field(text: str) -> str:
    """A field of a line parted by tabs, as units keep it."""
    return clean(text, 300)


def short_id(ident: str) -> str:
    """An image ID or digest as people read it: twelve characters, without `sha256:`."""
    return ident.rpartition(":")[2][:12]


def age(seconds: float) -> str:
    """How long ago, in one unit: `12 s`, `5 min`, `3 h`, `9 d`."""
    for size, word in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {word}"
    return f"{max(seconds, 0):.0f} s"


def size(count: int, *, sign: bool = False) -> str:
    """Bytes in the unit that reads best: `812 B`, `12.3 MiB`; with ``sign`` as a difference: `+12.3 MiB`."""
    value, words = float(abs(count)), ["B", "KiB", "MiB", "GiB", "TiB"]
    while value >= 1024 and len(words) > 1:  # noqa: PLR2004
        value, words = value / 1024, words[1:]
    before = "-" if count < 0 else "+" * sign
    return f"{before}{value:.0f} {words[0]}" if words[0] == "B" else f"{before}{value:.1f} {words[0]}"
