"""What an agent does next about one stack that the running system brings along. Pure: everything that it depends on is given.

A stack is put at its files once for each folder that a Deployment brings. What a person does with it afterwards, by hand or
from a console, stays until the next one: two that put the same stack right in turns would never end.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import takewhile

from clavel_tui.agent.deciding import Decision, again
from clavel_tui.domain.agent import Phase
from clavel_tui.domain.operation import Operation, Request, State, Verb
from clavel_tui.domain.outcome import GOOD, Outcome
from clavel_tui.domain.stackview import StackView
from clavel_tui.domain.unit import Unit

UNTOUCHED = frozenset({"", "check", "record", "hook", "pull"})
"""Steps of an update behind which everything runs as before: see unit/stack_verbs.sh."""
_TOUCHED = frozenset({Outcome.RETURNED, Outcome.FAILED, Outcome.INTERRUPTED, Outcome.UNKNOWN})


def decide_stack(
    name: str, folder: str, tried: Sequence[Operation], view: StackView | None, *, ours: str, released: str = "", now: float = 0.0
) -> Decision:
    """``folder``: the store path that it is brought in. ``tried``: the agent's operations on the stack, the newest first.

    ``ours``: the reason that holds of the agent itself have. ``released``: the operation behind which somebody has ended the
    quarantine. ``now``: wall clock.
    """
    last = tried[0] if tried else None
    if last and last.state is not State.SETTLED:
        return Decision(Phase.APPLYING, f"{name}: {last.step}", wait=5.0)
    same = list(takewhile(lambda one: _folder(one, tried) == folder, tried))
    if same and same[0].outcome in GOOD:
        return Decision(Phase.IDLE)
    if same and same[0].id != released and same[0].outcome in _TOUCHED and same[0].step not in UNTOUCHED:
        return Decision(Phase.QUARANTINED, f"{name}: {same[0].text}", outcome=same[0].outcome)
    if view and view.held and view.held.reason != ours:
        by = view.held.operator or "somebody"
        return Decision(Phase.IDLE, f"{name} is HELD at release {view.held.release} by {by}: it is left so")
    if not same:
        return Decision(Phase.APPLYING, apply=True)
    decision = again(same[0], same, released, now)
    return decision if decision.apply else dataclasses.replace(decision, text=f"{name}: {decision.text}")


def request_for(unit: Unit, name: str, folder: str, tried: Sequence[Operation], view: StackView | None, ours: str) -> Request:
    """Files that it had before come back with the very images that they ran with, where these are still on the unit.

    That is a rollback, so that the stack is held there; the agent's own hold ends with the next files.
    """
    known = next((one.release for one in tried if _brought(one, folder) and one.outcome is Outcome.SUCCEEDED), "")
    release = view.release(known) if view and known else None
    if view and release and release.id not in view.missing:
        return Request(unit=unit.name, stack=name, verb=Verb.ROLLBACK, release=release.id, reason=ours)
    held = bool(view and view.held and view.held.reason == ours)
    return Request(unit=unit.name, stack=name, verb=Verb.UPDATE, release=folder, unhold=held, reason=ours)


def _brought(operation: Operation, folder: str) -> bool:
    return operation.request.verb is Verb.UPDATE and operation.request.release == folder


def _folder(operation: Operation, tried: Sequence[Operation]) -> str:
    """Which folder it was about: a rollback names the release that an update from there has made."""
    if operation.request.verb is Verb.UPDATE:
        return operation.request.release
    updates = (one for one in tried if one.request.verb is Verb.UPDATE)
    return next((one.request.release for one in updates if one.release == operation.request.release), "")


def unknown(name: str) -> Decision:
    """For one that agent.toml does not name: where it should stand, and how it is judged, would be a guess."""
    right = f"say [stacks.{name}] there"
    return Decision(Phase.FAILED, f"the system brings the stack {name} along, and agent.toml does not name it: {right}")


_RANK = (Phase.IDLE, Phase.APPLYING, Phase.HELD, Phase.FAILED, Phase.QUARANTINED)


def worse(one: Decision, other: Decision) -> Decision:
    """What is said of both: that of the worse of them, and of the first where they are alike; asked again for the more urgent."""
    worst = max(one, other, key=lambda decision: _RANK.index(decision.phase))
    waits = [decision.wait for decision in (one, other) if decision.wait]
    text = worst.text or one.text or other.text
    return dataclasses.replace(worst, text=text, wait=min(waits, default=None))
