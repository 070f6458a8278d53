"""The bundle of a stack job: the scripts of unit/, the stack's new files, and `params`, all hashed."""

from __future__ import annotations

from collections.abc import Mapping

from clavel_tui.domain.operation import Origin, Plan, Verb
from clavel_tui.domain.text import clean
from clavel_tui.domain.unit import Stack
from clavel_tui.remote.bundle import Bundle, assignments
from clavel_tui.unit import script

LIBRARIES = ("job.sh", "lib.sh", "stack_lib.sh", "stack_releases.sh", "stack_files.sh", "stack_health.sh", "stack_verbs.sh")
SCRIPTS = {name: name for name in LIBRARIES} | {"body.sh": "stack.sh"}


def stack_bundle(
    ident: str, plan: Plan, stack: Stack, origin: Origin, now: float, files: Mapping[str, tuple[bytes, int]]
) -> Bundle:
    """What job ``ident`` needs on the unit. ``files``: the stack's folder, for an update. ``now``: wall clock, for display."""
    content: dict[str, tuple[bytes, int]] = {name: (script(source).encode(), 0o700) for name, source in SCRIPTS.items()}
    base = stack.path.rpartition("/")[2]
    content.update({f"stage/{base}/{name}": file for name, file in files.items()})
    content["params"] = (assignments(_params(plan, stack, origin, now)), 0o600)
    content["owner"] = (_owner(ident, plan, origin, now), 0o600)
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
        "operator": _field(f"{origin.operator}@{origin.host}"),
        "reason": _field(request.reason or origin.reason),
    }


def _field(text: str) -> str:
    """A field of a line parted by tabs."""
    return clean(text, 300)


def _owner(ident: str, plan: Plan, origin: Origin, now: float) -> bytes:
    revision = f"{origin.revision[:12]}{' (dirty)' if origin.dirty else ''}" if origin.revision else "no revision"
    words = {
        "job": ident,
        "verb": plan.request.verb.value,
        "stack": plan.request.stack,
        "operator": f"{origin.operator}@{origin.host}",
        "since": f"{now:.0f}",
        "revision": revision,
        "reason": plan.request.reason or origin.reason,
    }
    return "".join(f"{key}={_field(value)}\n" for key, value in words.items() if value).encode()
