"""What an agent does next about one Deployment. Pure: everything that it depends on is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import dropwhile

from clavel_tui.domain.agent import Phase
from clavel_tui.domain.deployment import Deployment
from clavel_tui.domain.operation import Operation, State
from clavel_tui.domain.outcome import Outcome
from clavel_tui.domain.unit import Unit

RETRY_FIRST_S = 30.0
RETRY_MOST_S = 900.0
"""A cache that is away for a night is asked some dozens of times, and not some thousands."""


@dataclass(frozen=True)
class Runs:
    """The store paths that run and that come up at the next boot; empty where there is none."""

    current: str
    profile: str


@dataclass(frozen=True)
class Decision:
    """``apply``: now. ``wait``: after so many seconds it is decided anew, also when nobody has said anything."""

    phase: Phase
    text: str = ""
    apply: bool = False
    wait: float | None = None
    outcome: Outcome | None = None


def decide(
    unit: Unit, wanted: Deployment, runs: Runs, tried: list[Operation], *, held: str = "", released: str = "", now: float = 0.0
) -> Decision:
    """``tried``: operations for this very Deployment, the newest first. ``held``: why it is left alone.

    ``released``: the id of the operation behind which somebody has ended the quarantine. ``now``: wall clock.
    """
    last = tried[0] if tried else None
    if wanted.specification.unit != unit.name:
        return Decision(Phase.FAILED, f"{wanted.name} is for {wanted.specification.unit}, and this is {unit.name}")
    if held:
        return Decision(Phase.HELD, held)
    if runs.current == wanted.nar_id == runs.profile:
        return Decision(Phase.IDLE, outcome=last.outcome if last and last.outcome in _RUNS else Outcome.NO_CHANGE)
    if last is None:
        return Decision(Phase.APPLYING, apply=True)
    if last.state is not State.SETTLED:
        return Decision(Phase.APPLYING, last.step, wait=5.0)
    if last.outcome is Outcome.NEEDS_REBOOT and runs.profile == wanted.nar_id:
        return Decision(Phase.IDLE, "it comes up at the next boot", outcome=last.outcome)
    if last.id != released and (why := _left_alone(last, "" if unit.activates_itself else runs.profile, wanted)):
        return Decision(Phase.QUARANTINED, why, outcome=last.outcome)
    return again(last, tried, released, now)


def _left_alone(last: Operation, boots: str, wanted: Deployment) -> str:
    """Why it is not tried again by itself: one that had been activated and took the machine down would do so for ever.

    ``boots``: what comes up at the next boot, where that may be something else than what runs.
    """
    activated = last.outcome in _BAD or (last.outcome is Outcome.FAILED and (last.came_from or last.step in _ACTIVATED))
    if activated:
        return last.text
    if last.outcome in _RUNS and boots == wanted.nar_id:
        return "something else was booted, or is tried: it comes up at the next boot"
    return ""


def forgiven(tried: Sequence[Operation], all_: Sequence[Operation], released: str) -> str:
    """The newest of ``tried`` that was there when the quarantine was ended. ``all_``: of the unit, the newest first."""
    behind = {one.id for one in dropwhile(lambda one: one.id != released, all_)}
    return next((one.id for one in tried if one.id in behind), "")


_RUNS = frozenset({Outcome.SUCCEEDED, Outcome.NO_CHANGE, Outcome.UNITS_FAILED})
"""It runs, whatever else."""
_ACTIVATED = frozenset({"activate", "check", "confirm", "keep", "return"})
"""Steps of unit/system.sh. Of the first closure of a container nothing was there that it could have come from."""
_BAD = frozenset({Outcome.RETURNED, Outcome.INTERRUPTED, Outcome.UNKNOWN})
"""It was touched, and is not what runs."""


def again(last: Operation, tried: Sequence[Operation], released: str, now: float) -> Decision:
    """What went well, and does not run any more, is applied at once: somebody has put something else there."""
    failures = 0
    for one in tried:
        if one.outcome in {Outcome.SUCCEEDED, Outcome.NO_CHANGE, Outcome.RETURNED} or one.id == released:
            break
        failures += 1
    if not failures:
        return Decision(Phase.APPLYING, apply=True)
    due = min(RETRY_FIRST_S * 2.0 ** (failures - 1), RETRY_MOST_S)
    since = now - (last.ended or last.started)
    if since >= due or since < 0:  # a clock that was put back must not make it wait for years
        return Decision(Phase.APPLYING, apply=True)
    return Decision(Phase.FAILED, last.text, wait=due - since, outcome=last.outcome)
