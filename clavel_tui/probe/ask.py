"""Frames the fragments into one resident script and asks it."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from functools import cache

from clavel_tui.domain.facts import Facts
from clavel_tui.domain.unit import Elevate, Unit
from clavel_tui.probe.parse import parse_frame
from clavel_tui.remote.effects import Query
from clavel_tui.remote.runner import QueryRunner
from clavel_tui.remote.target import Target
from clavel_tui.unit import script

FRAGMENTS: dict[str, int] = {"host": 5, "disks": 4, "systemd": 5, "nixos": 4, "docker": 12, "state": 8, "checks": 10}
"""Each with its deadline in seconds: a disk on a dead server, or a stopped dockerd, costs its own facts only."""


def probe_query(unit: Unit) -> Query:
    """The resident script for this unit. Its text differs only where the unit's checks do, and for what activates itself."""
    checks = tuple(check.line for check in unit.checks if not check.outside)
    if unit.elevate is Elevate.HELPER:
        return Query.script("probe", helper_text(), "\n".join(checks), timeout=float(sum(FRAGMENTS.values())))
    text = _text(checks, tuple(FRAGMENTS.items()), unit.type.value if unit.activates_itself else "")
    args = [part for stack in unit.stacks for part in (stack.name, stack.path)]
    return Query.script("probe", text, *args, timeout=float(sum(FRAGMENTS.values())))


def helper_text() -> str:
    """The script as a unit's helper keeps it: its checks come from outside, and it knows no stack."""
    return _text((), tuple(FRAGMENTS.items()))


@cache
def _text(checks: tuple[str, ...], fragments: tuple[tuple[str, int], ...], type_: str = "") -> str:
    """Kept: to quote it anew costs more than to parse the answer."""
    texts = [script("lib.sh"), f"lib_text={shlex.quote(script('lib.sh') + script('stack_lib.sh'))}"]
    texts += [f"frag_{name}={shlex.quote(script(f'probe/{name}.sh'))}" for name, _ in fragments]
    texts.append(f"fragments={shlex.quote(' '.join(f'{name}:{seconds}' for name, seconds in fragments))}")
    said = shlex.quote(chr(10).join(checks)) if checks else '"${CLAVEL_CHECKS:-}"'
    texts.append(f"CLAVEL_CHECKS={said}\nexport CLAVEL_CHECKS CLAVEL_STATE")
    if type_:
        texts.append(f"CLAVEL_TYPE={type_}\nexport CLAVEL_TYPE")
    texts.append(script("probe/frame.sh"))
    return "\n".join(texts)


async def probe(
    runner: QueryRunner, unit: Unit, target: Target, now: Callable[[], float] = time.time, known: Facts | None = None
) -> Facts:
    """Looks at the unit once. ``known``: what was seen of it before, which saves the unit to ask its programs for their versions.

    Raises:
        RemoteError: it could not be reached. Fragments that stayed silent are facts, not errors.
    """
    begun = now()
    nonce = f"{time.monotonic_ns():x}"
    lines, whole = await runner.converse(target, probe_query(unit), f"{known_line(known)}probe {nonce}", f">> {nonce}")
    start = f"<< {nonce}"
    body = lines[lines.index(start) + 1 :] if start in lines else []
    return parse_frame(unit.name, body, at=now(), begun=begun, whole=whole, fragments=tuple(FRAGMENTS))


def known_line(facts: Facts | None) -> str:
    """The line that frame.sh understands, or nothing where there is nothing to say."""
    if facts is None or not facts.stamp:
        return ""
    versions = ("" if facts.docker in {"missing", "silent"} else facts.docker, facts.compose, facts.nix)
    line = "|".join((*versions, facts.stamp))
    return f"known {line}\n" if line.count("|") == len(versions) else ""
