"""The bundle of a stack job: the scripts of unit/, the stack's new files, and `params`, all hashed."""

from __future__ import annotations

from collections.abc import Mapping

from clavel_tui.domain.operation import Origin, Plan, Verb
from clavel_tui.domain.text import field
from clavel_tui.domain.unit import Stack
from clavel_tui.remote.bundle import Bundle, assignments
from clavel_tui.unit import job_files

LIBRARIES = ("stack_lib.sh", "stack_releases.sh", "stack_files.sh", "stack_health.sh", "stack_verbs.sh")


def stack_bundle(
    ident: str, plan: Plan, stack: Stack, origin: Origin, now: float, files: Mapping[str, tuple[bytes, int]]
) -> Bundle:
    """What job ``ident`` needs on the unit. ``files``: the stack's folder, for an update. ``now``: wall clock, for display."""
    content = job_files("stack.sh", *LIBRARIES)
    base = stack.path.rpartition("/")[2]
    content.update({f"stage/{base}/{name}": file for name, file in files.items()})
    content["params"] = (assignments(_params(plan, stack, origin, now)), 0o600)
    revision = f"{origin.revision[:12]}{' (dirty)' if origin.dirty else ''}" if origin.revision else "no revision"
    owner = origin.owner_file(ident, plan.request, now, stack=stack.name, revision=revision)
    content["owner"] = (owner.encode(), 0o600)
    return Bundle(content)


def _params(plan: Plan, stack: Stack, origin: Origin, now: float) -> dict[str, str | int]:
    request = plan.request
    return {
        "verb": request.verb.value,
        "stack": stack.name,
        "path": stack.path,
        "service": request.service,
        "release": plan.release,
        "expect": plan.fingerprint if request.verb not in {Verb.HOLD, Verb.UNHOLD, Verb.FORGET} else "",
        "hook": stack.pre_update,
        "hook_s": 600,
        "pull_s": stack.pull_seconds,
        "up_s": stack.health_seconds + 600,
        "health_s": stack.health_seconds,
        "grace_s": stack.grace_seconds,
        "on_failure": stack.on_failure,
        "first_failure": stack.first_failure,
        "keep_n": stack.keep_releases,
        "archive": int(stack.archive),
        "unhold": int(request.unhold),
        "build": int(stack.build),
        "min_free_mib": stack.min_free_mib,
        "confirm_s": stack.confirm_seconds,
        "data": "|".join(stack.data),
        "now": f"{now:.0f}",
        "operator": origin.who,
        "reason": field(request.reason or origin.reason),
    }
