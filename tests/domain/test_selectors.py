"""The filter: words and typed selectors, all of which must hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clavel_tui.domain.drift import Drift
from clavel_tui.domain.health import Health, Level
from clavel_tui.domain.selectors import KINDS, matches, parse

from .build import stack, unit

PI = unit(name="rpi-box-01", tags=("pi", "Home"), roles=("DNS",), stacks=(stack("pihole"),))
DRIFT = (Drift(code="held", text="x"),)


def shown(text: str) -> bool:
    return matches(parse(text), PI, Health(level=Level.DEGRADED), DRIFT)


@pytest.mark.parametrize(
    "text",
    ["", "  ", "rpi", "RPI box", "home", "dns", "hole", "tag:pi", "tag:Home", "TAG:HOME", "role:dns", "type:nixos", "stack:pi",
     "health:degraded", "health:deg", "drift:yes", "drift:y", "name:box", "!server", "!tag:server", "!drift:no", "tag:pi health:deg !ok"],
)  # fmt: skip
def test_holds(text: str) -> None:
    assert shown(text)


@pytest.mark.parametrize(
    "text",
    ["server", "tag:p", "tag:server", "role:web", "type:darwin", "stack:web", "health:ok", "drift:no", "name:pihole", "!pi",
     "!tag:pi", "tag:pi health:ok", "colour:red"],
)  # fmt: skip
def test_does_not_hold(text: str) -> None:
    assert not shown(text)


@given(st.text(max_size=20))
def test_any_text_is_a_filter_and_its_inverse_is_the_rest(text: str) -> None:
    word = "".join(text.split())
    if word and not word.startswith("!"):
        assert shown(word) is not shown(f"!{word}")
    assert shown(text) in {True, False}


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_without_a_value_is_no_error(kind: str) -> None:
    assert shown(f"{kind}:") in {True, False}
