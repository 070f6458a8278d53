"""Puts the helper on a unit: what a login without root's rights may do there. See unit/helper.sh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.unit import Elevate, Unit
from clavel_tui.nix.system_job import LIBRARIES
from clavel_tui.nix.system_look import look_text
from clavel_tui.nix.workshop import DRY_ACTIVATE
from clavel_tui.operations.parts import Parts
from clavel_tui.probe.ask import helper_text
from clavel_tui.remote.helper import HELPER, HelperFiles, HelperInstaller
from clavel_tui.remote.ssh import GUARDED, SAY
from clavel_tui.remote.target import Target
from clavel_tui.unit import job_files, script

NIXOS = """\
sudoers is NixOS's own to write: put this into the configuration of {unit} and deploy it once as root:
  security.sudo.extraRules = [ {{
    users = [ "{login}" ];
    commands = [ {{ command = "{program}"; options = [ "NOPASSWD" ]; }} ];
  }} ];"""


def helper_files() -> HelperFiles:
    """What this version of clavel-tui puts there."""
    job = script("lib.sh") + script("job.sh")
    return HelperFiles(
        program=script("helper.sh"),
        libraries={name: script(name) for name in ("lib.sh", "vetted.sh")},
        guard=GUARDED,
        say=SAY,
        texts={"probe": helper_text(), "job": job, "system_look": look_text(), "dry-activate": DRY_ACTIVATE},
        kinds={"system": job_files("system.sh", *LIBRARIES), "machine": job_files("machine.sh")},
    )


async def install(parts: Parts, installer: HelperInstaller, unit: Unit, login: str, root: str) -> Sequence[str]:
    """Puts it on the unit for ``login``. ``root``: the login to do so with, where it is not the unit's own.

    Returns what was done, and what is left to do, a line each.

    Raises:
        RefusedError: there is nobody to do it with.
        RemoteError: it could not be put.
    """
    target = _installing(parts.target(unit), unit, root)
    said = await installer.install(target, helper_files().bundle(target), login)
    lines = [f"{HELPER}/clavel-unit is on {unit.name}"]
    if said[-1:] == ["nixos"]:
        lines += NIXOS.format(unit=unit.name, login=login, program=f"{HELPER}/clavel-unit").splitlines()
    else:
        lines.append(f"{said[-1]} lets {login} run it as root, and nothing else")
    if unit.elevate is not Elevate.HELPER:
        lines.append(f'then say in unit.toml of {unit.name}: user = "{login}" and elevate = "helper"')
    return lines


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
