"""Whether a workstation can build for a unit at all: asked before anything is begun, and not found out after an hour."""

from __future__ import annotations

from clavel_tui.nix.here import workstation
from clavel_tui.remote.effects import Query
from clavel_tui.remote.errors import RemoteError
from clavel_tui.remote.runner import QueryRunner

_ASK = """\
settings=$("$1" --extra-experimental-features nix-command show-config 2>/dev/null) ||
    settings=$("$1" --extra-experimental-features nix-command config show 2>/dev/null) || exit 1
printf '%s\\n' "$settings" | sed -n 's/^\\(system\\|extra-platforms\\) = /\\1 /p'
builders=$(printf '%s\\n' "$settings" | sed -n 's/^builders = //p')
case $builders in @*) builders=$(cat "${builders#@}" 2>/dev/null) ;; esac
printf '%s\\n' "$builders" | tr ';' '\\n' | sed -n '/^[[:space:]]*#/!s/^/builder /p'
"""
"""`show-config` is what Nix has said since 2.4; newer ones call it `config show`."""


async def why_not(runner: QueryRunner, program: str, system: str) -> tuple[str, str]:
    """Why nothing here builds for that system, and the ways out; both empty where something does, or where it cannot be told."""
    try:
        result = await runner.query(workstation(), Query.script("builders", _ASK, program))
    except RemoteError:
        return "", ""
    if result.code:
        return "", ""
    said = platforms(result.out.splitlines())
    own = said.get("system", frozenset())
    if not own or any(system in systems for systems in said.values()):
        return "", ""
    text = f"nothing here builds for {system}: this workstation is {', '.join(sorted(own))}, and no builder of nix.conf is for it"
    ways = (
        'build it on the unit itself (--build-on unit, or build_on = "unit" in [system] of unit.toml)',
        "name a machine of that kind in `builders` of nix.conf",
        "let this one emulate it (binfmt, and extra-platforms in nix.conf)",
    )
    return text, "; ".join(ways)


def platforms(lines: list[str]) -> dict[str, frozenset[str]]:
    """For what can be built, by who does it: `system`, `extra-platforms`, and each builder by its address.

    A builder that names no systems is for that of the workstation.
    """
    found: dict[str, frozenset[str]] = {}
    for line in lines:
        key, _, rest = line.partition(" ")
        words = rest.split()
        if key in {"system", "extra-platforms"}:
            found[key] = frozenset(words)
        elif key == "builder" and words:
            named = words[1] if len(words) > 1 and words[1] != "-" else ""
            found[words[0]] = frozenset(named.split(",")) if named else frozenset()
    return found
