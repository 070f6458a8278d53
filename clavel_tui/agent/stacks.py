"""What an agent does next about one stack that the running system brings along. Pure: everything that it depends on is given.

A stack is put at its files once, however many Deployments bring the same ones. What a person does with it afterwards, by hand
or from a console, stays until there are others: two that put the same stack right in turns would never end.
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

BY_CLAVELD = "claveld at "
"""So begins the reason of what an agent does, and of the holds that it makes. Which claveld that was does not matter."""
UNTOUCHED = frozenset({"", "check", "record", "hook", "pull"})
"""Steps of an update behind which everything runs as before: see unit/stack_verbs.sh."""
_BAD = frozenset({Outcome.FAILED, Outcome.INTERRUPTED, Outcome.UNKNOWN})


def decide_stack(
    name: str, files: str, tried: Sequence[Operation], view: StackView | None, *, released: str = "", now: float = 0.0
) -> Decision:
    """``files``: the sum of those that are brought. ``tried``: the agent's operations on the stack, the newest first.

    ``released``: the operation behind which somebody has ended the quarantine. ``now``: wall clock.
    """
    last = tried[0] if tried else None
    if last and last.state is not State.SETTLED:
        return Decision(Phase.APPLYING, f"{name}: {last.step}", wait=5.0)
    same = list(takewhile(lambda one: _files(one, tried) == files, tried))
    if same and same[0].outcome in GOOD:
        return Decision(Phase.IDLE)
    if same and same[0].id != released and _touched(same[0]):
        return Decision(Phase.QUARANTINED, f"{name}: {same[0].text}", outcome=same[0].outcome)
    if view and view.held and not _ours(view):
        by = view.held.operator or "somebody"
        return Decision(Phase.IDLE, f"{name} is HELD at release {view.held.release} by {by}: it is left so")
    if not same:
        return Decision(Phase.APPLYING, apply=True)
    decision = again(same[0], same, released, now)
    return decision if decision.apply else dataclasses.replace(decision, text=f"{name}: {decision.text}")


def request_for(unit: Unit, name: str, files: str, tried: Sequence[Operation], view: StackView | None, why: str) -> Request:
    """Files that it had before come back with the very images that they ran with, where these are still on the unit.

    That is a rollback, so that the stack is held there; the agent's own hold ends with the next files.
    """
    updates = (one for one in tried if one.request.verb is Verb.UPDATE and one.request.release == files)
    known = next((one.release for one in updates if one.outcome in GOOD and one.release), "")
    release = view.release(known) if view and known else None
    if view and release and release.id not in view.missing:
        return Request(unit=unit.name, stack=name, verb=Verb.ROLLBACK, release=release.id, reason=why)
    held = view is not None and _ours(view)
    return Request(unit=unit.name, stack=name, verb=Verb.UPDATE, release=files, unhold=held, reason=why)


def _touched(operation: Operation) -> bool:
    return operation.outcome is Outcome.RETURNED or (operation.outcome in _BAD and operation.step not in UNTOUCHED)


def _ours(view: StackView) -> bool:
    """Held, and by an agent."""
    return view.held is not None and view.held.reason.startswith(BY_CLAVELD)


def _files(operation: Operation, tried: Sequence[Operation]) -> str:
    """Which files it was about: a rollback names the release that an update to them has made."""
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
