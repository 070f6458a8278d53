"""The demo's repository, hosts/ with a folder a unit, and the SSH files with which its units are reached."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from clavel_tui.demo.fleet import DemoUnit
from clavel_tui.remote.serve import SshServers

DOMAIN = "demo"


def write_hosts(units: Sequence[DemoUnit], hosts: Path, root: Path) -> None:
    """fleet.toml, and unit.toml with the stacks' files for each unit."""
    hosts.mkdir()
    (hosts / "fleet.toml").write_text('name = "demo"\n', encoding="utf-8")
    for unit in units:
        folder = hosts / unit.name
        folder.mkdir()
        (folder / "unit.toml").write_text(_unit_toml(unit, root / unit.name), encoding="utf-8")
        for stack in unit.stacks:
            source = folder / "compose" / stack.name
            source.mkdir(parents=True)
            for name, text in stack.files.items():
                (source / name).write_text(text, encoding="utf-8")
                (source / name).chmod(0o644)


def _unit_toml(unit: DemoUnit, folder: Path) -> str:
    said: dict[str, object] = {
        "name": unit.name,
        "type": unit.kind,
        "arch": unit.arch,
        "address": f"{unit.name}.{DOMAIN}",
        "expected": "sometimes" if unit.kind == "darwin" else "always",
        "tags": list(unit.tags),
        "tools": [str(folder / "bin")],
        "state": str(folder / "var/lib/clavel"),
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in said.items()]
    if unit.metadata:
        lines += ["", "[metadata]", *(f"{key} = {json.dumps(value)}" for key, value in unit.metadata.items())]
    for stack in unit.stacks:
        path = json.dumps(str(folder / "srv" / stack.name))
        lines += ["", f"[stacks.{stack.name}]", f"path = {path}", "grace_seconds = 1", stack.settings.rstrip()]
    lines += ["", "[[checks]]", 'systemd = "docker.service"'] if unit.services else []
    return "\n".join(lines) + "\n"


def write_ssh(config: Path, known_hosts: Path, identity: Path, ports: Mapping[str, int], servers: SshServers) -> None:
    """A host a unit, so that `ssh -F` reaches it as well."""
    blocks = [
        f"Host {name}.{DOMAIN}\n  HostName 127.0.0.1\n  Port {port}\n  User root\n  HostKeyAlias {name}.{DOMAIN}\n"
        f"  IdentityFile {identity}\n  IdentitiesOnly yes\n  UserKnownHostsFile {known_hosts}\n"
        for name, port in ports.items()
    ]
    config.write_text("\n".join(blocks), encoding="utf-8")
    known_hosts.write_text(servers.known_hosts({name: f"{name}.{DOMAIN}" for name in ports}), encoding="utf-8")
    identity.touch(mode=0o600)
    identity.write_bytes(servers.identity)
