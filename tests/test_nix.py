"""What `nix/` holds is what it says: unit files that are hardened, modules that say the same, a property list that can be read."""

from __future__ import annotations

import plistlib
import re
from configparser import ConfigParser
from pathlib import Path

import pytest

NIX = Path(__file__).parent.parent / "nix"
SAME = (
    "Restart", "RestartSec", "StateDirectory", "StateDirectoryMode", "TimeoutStopSec", "KillMode", "UMask", "DynamicUser",
    "ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateDevices", "ProtectClock", "ProtectControlGroups", "ProtectHostname",
    "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables", "ProtectProc", "ProcSubset", "NoNewPrivileges",
    "CapabilityBoundingSet", "LockPersonality", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID", "RemoveIPC",
    "SystemCallArchitectures", "MemoryMax", "TasksMax", "LimitNOFILE",
)  # fmt: skip


def unit(name: str) -> dict[str, str]:
    parser = ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(NIX / "units" / f"{name}.service")
    return dict(parser["Service"])


@pytest.mark.parametrize("name", ["claveld", "clavel-agent"])
def test_a_module_says_what_the_unit_file_says(name: str) -> None:
    module = (NIX / "modules" / f"{name}.nix").read_text()
    said = dict(re.findall(r"^\s+(\w+) = (.*?);$", module, re.MULTILINE))
    plain = {"true": "yes", "false": "no"}
    for key, value in unit(name).items():
        if key in SAME:
            assert plain.get(said[key], said[key].strip('"')) == value, key
    assert set(SAME) & {*unit(name)} == set(SAME) & {*said}


def test_launchd_starts_the_agent_again_and_leaves_its_jobs_alone() -> None:
    said = plistlib.loads((NIX / "units/org.clavel.agent.plist").read_bytes())
    assert said["ProgramArguments"][1:] == ["run"]
    assert said["KeepAlive"]
    assert said["AbandonProcessGroup"]
    assert "AbandonProcessGroup = true" in (NIX / "modules/clavel-agent-darwin.nix").read_text()
