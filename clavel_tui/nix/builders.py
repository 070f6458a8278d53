"""Whether a workstation can build for a unit at all: asked before anything is begun, and not found out after an hour."""

from __future__ import annotations

from clavel_tui.nix.here import nix_store, workstation
from clavel_tui.remote.effects import Query
from clavel_tui.remote.errors import RemoteError
from clavel_tui.remote.runner import QueryRunner

_ASK = """\
todo=$("$2" --realise --dry-run "$3" 2>&1) || exit 1
case $todo in *"will be built"*) ;; *) exit 1 ;; esac
printf 'wanted %s\\n' "$("$2" --query --binding system "$3" 2>/dev/null)"
settings=$("$1" --extra-experimental-features nix-command show-config 2>/dev/null) ||
    settings=$("$1" --extra-experimental-features nix-command config show 2>/dev/null) || exit 1
printf '%s\\n' "$settings" | sed -n 's/^\\(system\\|extra-platforms\\) = /\\1 /p'
builders=$(printf '%s\\n' "$settings" | sed -n 's/^builders = //p')
case $builders in @*) builders=$(cat "${builders#@}" 2>/dev/null) ;; esac
printf '%s\\n' "$builders" | tr ';' '\\n' | sed -n '/^[[:space:]]*#/!s/^/builder /p'
"""
"""What a cache has needs no builder, and what is cross-compiled is built by another system than it runs on: the derivation says.

`show-config` is what Nix has said since 2.4; newer ones call it `config show`."""


ASK_S = 60.0
"""Caches are asked over the network."""


async def why_not(runner: QueryRunner, program: str, drv: str) -> tuple[str, str]:
    """Why nothing here builds that derivation, and the ways out; both empty where something does, or where it cannot be told."""
    try:
        result = await runner.query(
            workstation(), Query.script("builders", _ASK, program, nix_store(program), drv, timeout=ASK_S)
        )
    except RemoteError:
        return "", ""
    if result.code:
        return "", ""
    said = platforms(result.out.splitlines())
    own, wanted = said.get("system", frozenset()), said.pop("wanted", frozenset())
    if not own or not wanted or wanted == {"builtin"} or any(wanted <= systems for systems in said.values()):
        return "", ""
    system = ", ".join(wanted)
    text = f"nothing here builds for {system}: this workstation is {', '.join(sorted(own))}, and no builder of nix.conf is for it"
    ways = (
        'build it on the unit itself (--build-on unit, or build_on = "unit" in [system] of unit.toml)',
        "name a machine of that kind in `builders` of nix.conf",
        "let this one emulate it (binfmt, and extra-platforms in nix.conf)",
    )
    return text, "; ".join(ways)


def platforms(lines: list[str]) -> dict[str, frozenset[str]]:
    """Systems, by who builds for them: `system`, `extra-platforms`, each builder's address; and `wanted` by the derivation.

    A builder that names no systems is for that of the workstation.
    """
    found: dict[str, frozenset[str]] = {}
    for line in lines:
        key, _, rest = line.partition(" ")
        words = rest.split()
        if key in {"wanted", "system", "extra-platforms"}:
            found[key] = frozenset(words)
        elif key == "builder" and words:
            named = words[1] if len(words) > 1 and words[1] != "-" else ""
            found[words[0]] = frozenset(named.split(",")) if named else frozenset()
    return found
