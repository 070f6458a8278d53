"""Puts the helper on a unit: what a login without root's rights may do there. See unit/helper.sh."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.text import clean
from clavel_tui.domain.unit import Elevate, Unit
from clavel_tui.nix.here import workstation
from clavel_tui.nix.system_job import LIBRARIES
from clavel_tui.nix.system_look import look_text
from clavel_tui.nix.workshop import DRY_ACTIVATE
from clavel_tui.operations.parts import Parts
from clavel_tui.probe.ask import helper_text
from clavel_tui.remote.effects import Query
from clavel_tui.remote.helper import HELPER, HelperFiles, HelperInstaller
from clavel_tui.remote.ssh import GUARDED, SAY
from clavel_tui.remote.target import Target
from clavel_tui.unit import job_files, script

_KEY = re.compile(r"[A-Za-z0-9._-]+:[A-Za-z0-9+/]{43}=")
_PUBLIC = '"$1" --extra-experimental-features nix-command key convert-secret-to-public <"$2"'
NIXOS = """\
sudoers is NixOS's own to write: put this into the configuration of {unit} and deploy it once as root:
  security.sudo.extraRules = [ {{
    users = [ "{login}" ];
    runAs = "root";
    commands = [ {{ command = "{program}"; options = [ "NOPASSWD" ]; }} ];
  }} ];"""


def helper_files() -> HelperFiles:
    """What this version of clavel-tui puts there."""
    job = script("lib.sh") + script("job.sh")
    return HelperFiles(
        start=script("helper_start.sh"),
        libraries={name: script(name) for name in ("helper.sh", "lib.sh", "vetted.sh")},
        guard=GUARDED,
        say=SAY,
        texts={"probe": helper_text(), "job": job, "system_look": look_text(), "dry-activate": DRY_ACTIVATE},
        kinds={"system": job_files("system.sh", *LIBRARIES), "machine": job_files("machine.sh")},
    )


async def install(
    parts: Parts, installer: HelperInstaller, unit: Unit, login: str, root: str, keys: Sequence[str]
) -> Sequence[str]:
    """Puts it on the unit for ``login``. ``root``: the login to do so with, where it is not the unit's own.

    ``keys``: the public halves of those by which a system may be signed; none: that of the workstation's signing key.

    Returns what was done, and what is left to do, a line each.

    Raises:
        RefusedError: there is nobody to do it with.
        RemoteError: it could not be put.
    """
    target = _installing(parts.target(unit), unit, root)
    trusted = list(keys) or [await _own_key(parts)]
    if bad := next((key for key in trusted if not _KEY.fullmatch(key)), None):
        raise RefusedError(f"{bad} is no public key of Nix", "it is NAME:, and 44 letters in base64")
    said = await installer.install(target, helper_files().bundle(target, " ".join(trusted)), login)
    lines = [f"{HELPER}/clavel-unit is on {unit.name}, for systems signed by {', '.join(k.partition(':')[0] for k in trusted)}"]
    if said[-1:] == ["nixos"]:
        lines += NIXOS.format(unit=unit.name, login=login, program=f"{HELPER}/clavel-unit").splitlines()
    else:
        lines.append(f"{said[-1]} lets {login} run it as root, and nothing else")
    if unit.elevate is not Elevate.HELPER:
        lines.append(f'then say in unit.toml of {unit.name}: user = "{login}" and elevate = "helper"')
    return lines


async def _own_key(parts: Parts) -> str:
    file = parts.workshop.signing_key if parts.workshop else ""
    if not file:
        text = "nothing says by which key a system has to be signed"
        raise RefusedError(text, "say --key NAME:BASE64, or signing_key in the config file")
    query = Query.script("nix key", _PUBLIC, parts.nix, file, elevated=False)
    result = await parts.runner.query(workstation(), query)
    if result.code:
        raise RefusedError(f"the signing key {file} cannot be read: {clean(result.err.strip())}")
    return result.out.strip()


def _installing(target: Target, unit: Unit, root: str) -> Target:
    """A connection of its own, with a login that is root or becomes it."""
    if root:
        return replace(target, user=root, elevate="none" if root == "root" else "sudo", apart="helper")
    if unit.elevate is Elevate.HELPER:
        raise RefusedError(
            f"{unit.user or 'the login'} on {unit.name} may not put it there",
            "name a login that may become root: --as root",
        )
    return replace(target, apart="helper")
