"""A Rollout: one thing done to many units in waves, with a gate between them. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum

from pydantic import Field

from clavel_tui.domain.health import Health, Level
from clavel_tui.domain.model import Model
from clavel_tui.domain.operation import Operation, Plan, Request, State
from clavel_tui.domain.outcome import GOOD, Outcome
from clavel_tui.domain.waves import RolloutSettings, sizes

CHANGED = {Outcome.SUCCEEDED, Outcome.NEEDS_REBOOT, Outcome.UNITS_FAILED}
"""The unit has, or will have at its next boot, what was rolled out: there is something to bring back."""


class Word(StrEnum):
    """What a person tells a rollout."""

    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"


class Rollout(Model):
    """What was confirmed; it does not change. Of each plan only what is needed to carry it out."""

    settings: RolloutSettings
    waves: tuple[tuple[Plan, ...], ...]
    unwell: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """What was wrong with the units when it was confirmed, and so does not count at the gate: see `ills`."""

    @classmethod
    def of(cls, plans: Sequence[Plan], settings: RolloutSettings, unwell: Mapping[str, tuple[str, ...]]) -> Rollout:
        """In waves, in the order of the plans."""
        slim = [plan.slim() for plan in plans]
        counts = sizes(len(slim), settings)
        starts = [sum(counts[:n]) for n in range(len(counts))]
        waves = tuple(tuple(slim[start : start + count]) for start, count in zip(starts, counts, strict=True))
        return cls(settings=settings, waves=waves, unwell=dict(unwell))

    @property
    def title(self) -> str:
        """What it is about: `deploy 8 units in 3 waves`, `update web on 8 units in 3 waves`."""
        plans, waves = self.plans, len(self.waves)
        verb, stacks, s = plans[0].request.verb.value, {plan.request.stack for plan in plans}, "s" * (len(plans) != 1)
        if len(stacks) > 1:
            what = f"{verb} {len(plans)} stack{s}"
        else:
            what = " ".join(filter(None, (verb, *stacks, "on" if any(stacks) else "", f"{len(plans)} unit{s}")))
        return f"{what} in {waves} wave{'s' * (waves != 1)}"

    @property
    def plans(self) -> tuple[Plan, ...]:
        """All of them, in their order."""
        return tuple(plan for wave in self.waves for plan in wave)


def child(parent: str, plan: Plan, what: str = "") -> str:
    """The id of a rollout's operation on one unit: the same from every console, so that none is begun twice."""
    request = plan.request
    return hashlib.sha256(f"{parent} {request.unit} {request.stack} {what}".encode()).hexdigest()[:16]


def wave_names(plans: Sequence[Plan], settings: RolloutSettings) -> list[list[str]]:
    """Which units go in which wave."""
    return [[plan.request.unit for plan in wave] for wave in Rollout.of(plans, settings, {}).waves]


BACK = "return"
"""Of the ids of what brings a unit back."""
ATTEMPTS = 8
"""So often one is begun that never came to its unit: each is an operation of its own."""
NOT_THERE = {Outcome.NEVER_STARTED, Outcome.CANCELLED}
"""Nothing was changed on the unit: whoever takes the rollout up begins it again."""


def attempts(parent: str, plan: Plan) -> list[str]:
    """The ids of all the times that it may be begun."""
    return [child(parent, plan, f"again {n}" if n else "") for n in range(ATTEMPTS)]


def named(request: Request) -> str:
    """How a rollout names one of its parts: `cinnabar`, `cinnabar web`."""
    return f"{request.unit} {request.stack}".strip()


def failed(operation: Operation | None) -> bool:
    """It ended, or was lost, and its unit is not proved to be well with it."""
    if operation is None or operation.state in {State.PLANNED, State.RUNNING}:
        return False
    return operation.state is State.UNKNOWN or operation.outcome not in GOOD


_VARY = {"disk", "memory", "temperature", "throttled", "clock"}
"""Codes of reasons that come and go by themselves, with other numbers each time."""


def ills(health: Health) -> tuple[str, ...]:
    """What counts against a unit at the gate; that its memory is low for a moment does not."""
    counted = (r for r in health.reasons if r.code not in _VARY or r.level is Level.FAILED)
    return tuple(r.code if r.code in _VARY else r.text for r in counted)


_UNSURE = {Outcome.FAILED, Outcome.INTERRUPTED, Outcome.UNKNOWN, None}


def verdict(rollout: Rollout, done: Mapping[str, Operation], back: Mapping[str, Operation], failures: Collection[str]) -> Outcome:
    """How a rollout has ended that nobody aborted. Both by the parts' names."""
    outcomes = [operation.outcome for operation in done.values()]
    if len(done) == len(rollout.plans) and not failures and not back:
        return Outcome.NO_CHANGE if set(outcomes) == {Outcome.NO_CHANGE} else Outcome.SUCCEEDED
    returned = {ident for ident, operation in back.items() if operation.outcome in GOOD}
    standing = [ident for ident, operation in done.items() if operation.outcome in CHANGED and ident not in returned]
    if not standing and not _UNSURE & {*outcomes} and (returned or Outcome.RETURNED in outcomes):
        return Outcome.RETURNED
    return Outcome.UNITS_FAILED if any(outcome in GOOD for outcome in outcomes) else Outcome.FAILED
