"""Remote text is data: whatever comes, one bounded line without controls is left."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clavel_tui.domain import limits
from clavel_tui.domain.text import age, clean, short_id

FORBIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


@pytest.mark.parametrize(
    ("raw", "left"),
    [
        ("plain text", "plain text"),
        ("", ""),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b[38;5;196mred\x1b[m, \x1b[2K\x1b[1Ggone", "red, gone"),
        ("\x9b31mred", "red"),
        ("\x1b]0;evil title\x07text", "text"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bP+q544e\x1b\\text", "text"),
        ("\x1b]52;c;ZXZpbA==", ""),
        ("\x1bc\x1b(Breset", "reset"),
        ("\x1b\x1b[31mtwice", "twice"),
        ("cut off \x1b[3", "cut off "),
        ("a\tb", "a b"),
        ("a\r\nb\0c\x7fd", "abcd"),
        ("two\u2028lines\u2029and\x85more", "twolinesandmore"),
        ("abc\u202egnp.exe", "abcgnp.exe"),
        ("\u2066isolated\u2069 \u200fmark", "isolated mark"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("lone \ud800 surrogate", "lone  surrogate"),
        ("日本語 ログ 한국어 Привет café", "日本語 ログ 한국어 Привет café"),
        ("[bold red]not markup[/]", "[bold red]not markup[/]"),
    ],
)
def test_clean(raw: str, left: str) -> None:
    assert clean(raw) == left


@pytest.mark.parametrize("character", ["x", "語"])
def test_a_long_line_is_cut_and_shows_it(character: str) -> None:
    cut = clean(character * (limits.LINE_CHARS + 1))
    assert len(cut) == limits.LINE_CHARS
    assert cut.endswith(f"{character}…")
    assert clean(character * limits.LINE_CHARS) == character * limits.LINE_CHARS
    assert clean(character * 9, 4) == f"{character * 3}…"


TEXT = st.text(st.one_of(st.characters(), st.sampled_from("\x1b\x9b[]P\\;\x07m0(\u202e\n")), max_size=60)


@given(text=TEXT, most=st.integers(1, 40))
@example(text="\x1b\x1b[[31m", most=40)
@example(text="\x1b]\x1b]\x07\x1b", most=40)
def test_clean_lets_nothing_through_and_is_idempotent(text: str, most: int) -> None:
    once = clean(text, most)
    assert not {unicodedata.category(c) for c in once} & FORBIDDEN
    assert len(once.splitlines()) <= 1
    assert len(once) <= most
    assert clean(once, most) == once


def test_short_id() -> None:
    assert short_id("sha256:0123456789abcdef") == "0123456789ab"
    assert short_id("app@sha256:0123456789abcdef") == "0123456789ab"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-3, "0 s"), (0, "0 s"), (12.4, "12 s"), (60, "1 min"), (3599, "59 min"), (7300, "2 h"), (9 * 86400, "9 d")],
)
def test_age(seconds: float, said: str) -> None:
    assert age(seconds) == said
