"""What is seen on a unit after an operation, against what the operation said. Pure: an exit status proves nothing."""

from __future__ import annotations

from clavel_tui.domain.operation import Operation, Verb
from clavel_tui.domain.system import Mode, base, last_good
from clavel_tui.fleet.state import UnitState


def wrong(state: UnitState, operation: Operation) -> str:
    """Why what runs is not what the operation was for; empty where it is."""
    request = operation.request
    if request.verb in {Verb.REBOOT, Verb.GC}:
        return ""
    if not request.stack:
        return _wrong_system(state, operation)
    view = state.stack(request.stack)
    if request.verb is Verb.ROLLBACK and view and view.running != operation.release:
        return f"{view.name} runs {view.running or 'something that is not recorded'}, not {operation.release}"
    return ""


def _wrong_system(state: UnitState, operation: Operation) -> str:
    facts, wanted = state.facts, operation.release
    if facts is None or not wanted or operation.request.mode is Mode.BOOT:
        return ""
    if facts.current != wanted:
        return f"{base(facts.current)} runs, not {base(wanted)}"
    if operation.request.mode is Mode.SWITCH and facts.profile != wanted:
        return f"the profile names {base(facts.profile)}, not {base(wanted)}"
    return ""


def runs_now(state: UnitState, operation: Operation) -> str:
    """What runs after an operation that died, and what brings it back."""
    if not operation.request.stack:
        return _system_now(state)
    view = state.stack(operation.request.stack)
    if view is None or not view.containers:
        return "no container of it runs now"
    runs = f"release {view.running} runs now" if view.running else "what runs now is not recorded as a release"
    return f"{runs}; {f'roll back to {view.good} with r' if view.good else 'there is no other good release'}"


def _system_now(state: UnitState) -> str:
    facts = state.facts
    if facts is None or not facts.current:
        return "what runs now could not be seen"
    good = last_good(facts.systems, facts.current, facts.rooted)
    back = f"roll back to {good.label or base(good.path)} with r" if good else "there is no other good system"
    return f"{base(facts.current)} runs now; {back}"
