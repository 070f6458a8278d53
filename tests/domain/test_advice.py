"""Every reason and every drift has a next step, but those where there is nothing to do."""

from __future__ import annotations

import re
from pathlib import Path

from clavel_tui.domain import drift, health
from clavel_tui.domain.advice import ADVICE, advice

NOTHING_TO_DO = {"away"}


def codes() -> set[str]:
    """As they are written in the code: a new one without a next step is noticed here."""
    text = "".join(Path(str(module.__file__)).read_text() for module in (health, drift))
    return set(re.findall(r'code="([a-z-]+)"', text))


def test_every_code_has_a_next_step() -> None:
    assert codes() - NOTHING_TO_DO <= ADVICE.keys()
    assert ADVICE.keys() <= codes()


def test_a_step_names_the_unit_and_what_was_seen() -> None:
    assert "unlock pi" in advice("job-dead", unit="pi")
    assert "journalctl -u nginx.service" in advice("systemd-failed", unit="pi", evidence="nginx.service")
    assert "R looks again" in advice("silent-docker", unit="pi")
    assert advice("away", unit="pi") == ""
