"""The bundle of a system job: the scripts of unit/ and `params`, all hashed."""

from __future__ import annotations

from clavel_tui.domain.operation import Origin, Plan
from clavel_tui.domain.system import SystemPlan
from clavel_tui.domain.text import clean
from clavel_tui.domain.unit import Unit
from clavel_tui.remote.bundle import Bundle, assignments
from clavel_tui.unit import script

SCRIPTS = {"job.sh": "job.sh", "lib.sh": "lib.sh", "body.sh": "system.sh"}


def system_bundle(ident: str, plan: Plan, system: SystemPlan, unit: Unit, origin: Origin, now: float) -> Bundle:
    """What job ``ident`` needs on the unit. ``now``: wall clock, for display."""
    content: dict[str, tuple[bytes, int]] = {name: (script(source).encode(), 0o700) for name, source in SCRIPTS.items()}
    content["params"] = (assignments(_params(plan, system, unit, origin, now)), 0o600)
    content["owner"] = (_owner(ident, plan, system, origin, now), 0o600)
    return Bundle(content)


def _params(plan: Plan, system: SystemPlan, unit: Unit, origin: Origin, now: float) -> dict[str, str | int]:
    judged = unit.system
    return {
        "verb": plan.request.verb.value,
        "target": system.nar_id,
        "mode": system.mode.value,
        "type": unit.type.value,
        "arch": unit.arch,
        "expect": plan.fingerprint,
        "activate_s": judged.activate_seconds,
        "check_s": judged.check_seconds,
        "grace_s": judged.grace_seconds,
        "confirm_s": system.confirm_seconds,
        "checks": "\n".join(_checks(unit)),
        "on_failure": judged.on_failure,
        "keep_n": judged.keep_roots,
        "label": _field(system.label),
        "revision": _field(system.revision),
        "now": f"{now:.0f}",
        "operator": _field(f"{origin.operator}@{origin.host}"),
        "reason": _field(plan.request.reason or origin.reason),
    }


def _checks(unit: Unit) -> list[str]:
    """What the job itself can look at, the unit's own stacks among it."""
    said = [check.line for check in unit.checks if not check.outside]
    return [*said, *(f"stack {stack.path}" for stack in unit.stacks)]


def _field(text: str) -> str:
    """A field of a line parted by tabs."""
    return clean(text, 300)


def _owner(ident: str, plan: Plan, system: SystemPlan, origin: Origin, now: float) -> bytes:
    words = {
        "job": ident,
        "verb": plan.request.verb.value,
        "system": system.label,
        "operator": f"{origin.operator}@{origin.host}",
        "since": f"{now:.0f}",
        "reason": plan.request.reason or origin.reason,
    }
    return "".join(f"{key}={_field(value)}\n" for key, value in words.items() if value).encode()
