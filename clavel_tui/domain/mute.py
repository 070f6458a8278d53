"""A reason or a drift that somebody has acknowledged: known, and no alarm, for a while or until it changes. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from clavel_tui.domain.drift import Drift
from clavel_tui.domain.health import Health, Level, rank
from clavel_tui.domain.model import Model


class Mute(Model):
    """``text`` is the sentence that was acknowledged: another one is another alarm. ``until`` 0: until it changes or goes."""

    unit: str
    code: str
    text: str
    until: float = 0.0
    at: float = 0.0
    operator: str = ""

    def holds(self, code: str, text: str, now: float) -> bool:
        """Whether it is about that, and still counts."""
        return (self.code, self.text) == (code, text) and (not self.until or now < self.until)


def said(health: Health, drift: Sequence[Drift]) -> list[tuple[str, str]]:
    """(code, text) of everything that is wrong."""
    return [(r.code, r.text) for r in health.reasons] + [(d.code, d.text) for d in drift]


def without(
    health: Health, drift: Sequence[Drift], mutes: Sequence[Mute], now: float
) -> tuple[Health, tuple[Drift, ...], tuple[Mute, ...]]:
    """What is left to be alarmed about, and what was taken out. A unit whose absence is acknowledged is away."""
    held = tuple(m for m in mutes if any(m.holds(code, text, now) for code, text in said(health, drift)))
    if not held:
        return health, tuple(drift), ()
    reasons = tuple(r for r in health.reasons if not any(m.holds(r.code, r.text, now) for m in held))
    quiet = Level.AWAY if health.level in {Level.UNREACHABLE, Level.AWAY} else Level.OK
    level = health.level if health.level is Level.UNKNOWN else max((r.level for r in reasons), key=rank, default=quiet)
    left = tuple(d for d in drift if not any(m.holds(d.code, d.text, now) for m in held))
    return Health(level=level, reasons=reasons), left, held


def outlived(mutes: Sequence[Mute], seen: Sequence[tuple[str, str]], now: float) -> list[Mute]:
    """Those that count no longer: their time is over, or what they were about is gone. ``seen``: (code, text) of all there is."""
    return [m for m in mutes if (m.until and now >= m.until) or (not m.until and (m.code, m.text) not in seen)]
