"""A system that would come up without its secrets is not activated. The texts are those that sops-nix and agenix generate."""

import json
from pathlib import Path

from .systems import HASH, SystemUnit

KEY = "/var/lib/sops-nix/key.txt"
SSH = "/etc/ssh/ssh_host_ed25519_key"


def put(web: SystemUnit, file: str) -> None:
    there = Path(f"{web.root}{file}")
    there.parent.mkdir(parents=True, exist_ok=True)
    there.touch()


def sops(web: SystemUnit, version: str, *, users: bool = False, more: str = "", **said: object) -> str:
    """A system whose activation hands a manifest to sops-install-secrets."""
    path = web.system(version)
    manifest = f"/nix/store/{HASH}-manifest{'-for-users' if users else ''}.json"
    told = {"ageKeyFile": None, "ageSshKeyPaths": [], "gnupgHome": None, "sshKeyPaths": [], "userMode": False, **said}
    (web.root / manifest[1:]).write_text(json.dumps(told, separators=(",", ":"), sort_keys=True))
    line = f"/nix/store/{HASH}-sops-install-secrets-0.0.1/bin/sops-install-secrets {manifest} || exit 1"
    (web.root / path[1:] / "activate").write_text(f"#!/bin/sh\n{more}\n  [ -e /run/current-system ] || echo\n  {line}\n")
    return path


def test_a_key_that_sops_looks_for_is_not_there(web: SystemUnit) -> None:
    wanted = sops(web, "2", ageKeyFile=KEY)
    seen = web.deploy(wanted)
    assert (seen.outcome, web.runs) == ("refused", "1")
    assert f"it needs secrets that are not on this unit: {KEY}; put them there first" in seen.result["text"]
    assert web.told == []
    put(web, KEY)
    assert web.deploy(wanted, "j2").outcome == "succeeded"


def test_any_of_its_ssh_keys_is_enough(web: SystemUnit) -> None:
    wanted = sops(web, "2", users=True, ageSshKeyPaths=["/persist/key", SSH])
    assert f"/persist/key or {SSH}" in web.deploy(wanted).result["text"]
    put(web, SSH)
    assert web.deploy(wanted, "j2").outcome == "succeeded"


def test_a_key_that_the_activation_makes_is_not_missed(plain: SystemUnit) -> None:
    assert plain.deploy(sops(plain, "2", more=f"age-keygen -o {KEY}", ageKeyFile=KEY)).outcome == "succeeded"


def test_agenix_says_its_keys_in_its_script(web: SystemUnit) -> None:
    path = web.system("2")
    lines = [f"test -f {key} || echo '[agenix] WARNING: config.age.identityPaths entry {key} not present!'" for key in (SSH, KEY)]
    (web.root / path[1:] / "activate").write_text("\n".join(lines) + "\n")
    assert f"{SSH} or {KEY}" in web.deploy(path).result["text"]
    put(web, KEY)
    assert web.deploy(path, "j2").outcome == "succeeded"


def test_files_that_the_fleet_names_must_all_be_there(web: SystemUnit) -> None:
    put(web, "/etc/secret-vars/a.tar.gz")
    seen = web.deploy(web.system("2"), secrets="/etc/secret-vars/a.tar.gz /etc/wireguard.key")
    assert "on this unit: /etc/wireguard.key; put" in seen.result["text"]
    assert web.runs == "1"


def test_what_the_running_one_lacks_too_is_only_said(plain: SystemUnit) -> None:
    sops(plain, "1", ageKeyFile=KEY)
    seen = plain.deploy(sops(plain, "2", ageKeyFile=KEY))
    assert seen.outcome == "succeeded"
    assert f"not there, as little as for what runs now: {KEY}".encode() in seen.log


def test_who_knows_better_can_say_so(plain: SystemUnit) -> None:
    assert plain.deploy(sops(plain, "2", ageKeyFile=KEY), check_secrets="0").outcome == "succeeded"
