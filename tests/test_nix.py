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


def test_launchd_runs_claveld_as_a_user_of_its_own() -> None:
    said = plistlib.loads((NIX / "units/org.clavel.claveld.plist").read_bytes())
    assert said["ProgramArguments"][1:] == ["serve"]
    module = (NIX / "modules/claveld-darwin.nix").read_text()
    for key in ("UserName", "Umask", "ExitTimeOut", "KeepAlive", "RunAtLoad", "StandardErrorPath", "StandardOutPath"):
        value = str(said[key]).lower() if isinstance(said[key], bool) else str(said[key])
        assert re.search(rf'^ +{key} = "?{re.escape(value)}"?;', module, re.MULTILINE), key
    assert said["SoftResourceLimits"] == said["HardResourceLimits"] == {"NumberOfFiles": int(unit("claveld")["LimitNOFILE"])}
    assert said["Umask"] == int(unit("claveld")["UMask"], 8)


@pytest.mark.parametrize("option", ["fleet", "listen", "plainHttp", "tlsCertificate", "tlsKey", "nats"])
def test_both_modules_of_claveld_have_its_options(option: str) -> None:
    for name in ("claveld", "claveld-darwin"):
        assert re.search(rf"^ +{option} = lib.mkOption", (NIX / "modules" / f"{name}.nix").read_text(), re.MULTILINE), name
