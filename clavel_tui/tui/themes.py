"""Dark, light, and one without colour: there, reverse, bold and glyphs carry everything."""

from __future__ import annotations

from textual.theme import Theme

# text-muted is said here: Textual mixes its own from the ground, which falls below WCAG's 4.5 on light grounds and cursors.
DARK = Theme(
    name="clavel-dark", dark=True, primary="#7aa2c8", secondary="#8a93a6", accent="#b497d6", success="#7fbf7f", warning="#e0af68",
    error="#f07178", background="#101216", surface="#161a20", panel="#1f242c", foreground="#d8dce4",
    variables={"text-muted": "#a3a9b6", "text-disabled": "#8f96a3"},
)  # fmt: skip
LIGHT = Theme(
    name="clavel-light", dark=False, primary="#28587f", secondary="#5b6474", accent="#6a3fa0", success="#256b2b",
    warning="#8a5200", error="#b00020", background="#fbfaf7", surface="#f3f1ec", panel="#e6e3dc", foreground="#1c1f24",
    variables={"text-muted": "#4a5059", "text-disabled": "#585e66"},
)  # fmt: skip
MONO = Theme(
    name="clavel-mono", dark=True, primary="#d0d0d0", secondary="#a8a8a8", accent="#d0d0d0", success="#e0e0e0", warning="#f0f0f0",
    error="#ffffff", background="#000000", surface="#000000", panel="#202020", foreground="#d8d8d8",
    variables={"text-muted": "#b4b4b4", "text-disabled": "#949494"},
)  # fmt: skip

THEMES = (DARK, LIGHT, MONO)


NAMES = {"dark": DARK.name, "light": LIGHT.name, "monochrome": MONO.name}


def first(environ: dict[str, str], wanted: str = "") -> str:
    """The theme to begin with: the wanted one, but NO_COLOR asks for the one without."""
    return MONO.name if environ.get("NO_COLOR") else NAMES.get(wanted, DARK.name)
