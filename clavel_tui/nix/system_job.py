"""The bundle of a system job: the scripts of unit/ and `params`, all hashed."""

from __future__ import annotations

from clavel_tui.domain.operation import Origin, Plan
from clavel_tui.domain.system import SystemPlan
from clavel_tui.domain.text import field
from clavel_tui.domain.unit import Unit
from clavel_tui.remote.bundle import Bundle, assignments
from clavel_tui.unit import job_files

LIBRARIES = ("secrets.sh", "vetted.sh")


def system_bundle(ident: str, plan: Plan, system: SystemPlan, unit: Unit, origin: Origin, now: float) -> Bundle:
    """What job ``ident`` needs on the unit. ``now``: wall clock, for display."""
    content = job_files("system.sh", *LIBRARIES)
    content["params"] = (assignments(_params(plan, system, unit, origin, now)), 0o600)
    content["owner"] = (origin.owner_file(ident, plan.request, now, system=system.label).encode(), 0o600)
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
        "secrets": " ".join(judged.secrets),
        "check_secrets": int(judged.check_secrets),
        "label": field(system.label),
        "revision": field(system.revision),
        "now": f"{now:.0f}",
        "operator": origin.who,
        "reason": field(plan.request.reason or origin.reason),
    }


def _checks(unit: Unit) -> list[str]:
    """What the job itself can look at, the unit's own stacks among it."""
    said = [check.line for check in unit.checks if not check.outside]
    return [*said, *(f"stack {stack.path}" for stack in unit.stacks)]
