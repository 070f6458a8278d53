"""What was acknowledged alarms no more, for as long as was said, and only while it is the same."""

from __future__ import annotations

import pytest

from clavel_tui.domain.drift import Drift
from clavel_tui.domain.health import Health, Level, Reason
from clavel_tui.domain.mute import Mute, outlived, said, without

DISK = Reason(code="disk", level=Level.DEGRADED, text="the disk at / is 91 % full")
DOWN = Reason(code="unreachable", level=Level.UNREACHABLE, text="it cannot be reached")
SERVICE = Reason(code="service", level=Level.FAILED, text="web/app is unhealthy")
HELD = Drift(code="held", stack="web", text="web is HELD")


def mute(of: Reason | Drift, until: float = 0.0) -> Mute:
    return Mute(unit="pi", code=of.code, text=of.text, until=until, at=1.0, operator="ada")


def health(*reasons: Reason) -> Health:
    level = max(
        (r.level for r in reasons), key=[Level.OK, Level.DEGRADED, Level.UNREACHABLE, Level.FAILED].index, default=Level.OK
    )
    return Health(level=level, reasons=reasons)


def test_the_rest_still_alarms() -> None:
    found, drift, muted = without(health(DISK, SERVICE), (HELD,), [mute(SERVICE), mute(HELD)], 10.0)
    assert (found.level, found.reasons, drift) == (Level.DEGRADED, (DISK,), ())
    assert [m.code for m in muted] == ["service", "held"]


def test_all_acknowledged_is_ok_and_an_absence_is_away() -> None:
    assert without(health(DISK), (), [mute(DISK)], 10.0)[0].level is Level.OK
    assert without(health(DOWN), (), [mute(DOWN)], 10.0)[0].level is Level.AWAY


@pytest.mark.parametrize(("until", "now", "alarms"), [(0.0, 1e12, False), (100.0, 99.0, False), (100.0, 100.0, True)])
def test_for_as_long_as_was_said(until: float, now: float, alarms: bool) -> None:
    assert bool(without(health(DISK), (), [mute(DISK, until)], now)[0].reasons) is alarms


def test_another_sentence_is_another_alarm() -> None:
    worse = DISK.model_copy(update={"text": "the disk at / is 97 % full"})
    assert without(health(worse), (), [mute(DISK)], 10.0)[0].reasons == (worse,)


def test_it_is_over_when_it_is_gone_or_its_time_is() -> None:
    here, gone, late = mute(DISK), mute(SERVICE), mute(HELD, until=5.0)
    assert outlived([here, gone, late, mute(DOWN, until=50.0)], said(health(DISK), (HELD,)), 10.0) == [gone, late]
