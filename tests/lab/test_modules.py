"""The modules under `nix/` are evaluated by Nix, and what they write for a daemon is read by that daemon's own reader."""

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from clavel_tui.claveld.config import Config, read
from clavel_tui.domain.unit import Unit
from clavel_tui.inventory.load import load_agent
from clavel_tui.inventory.schema import ClaveldTable
from clavel_tui.nix.messages import OWNER, failure

from .flakes import git
from .pull import ROOT

pytestmark = pytest.mark.lab
NOBODY = 65534
CLAVELD = {"package": "/clavel", "fleet": "/srv/fleet/hosts", "enable": True}
TLS = {"listen": "0.0.0.0:8420", "tlsCertificate": "/etc/claveld/cert.pem", "tlsKey": "/etc/claveld/key.pem"}
AGENT = {"package": "/clavel", "enable": True, "unit": "cinnabar"}
OPS, BUS = "https://ops.example.org:8420", "tls://nats.example.org:4222"


def evaluated(module: str, service: str, said: dict[str, object], system: str, more: str = "") -> Any:  # noqa: ANN401
    """What the module says, as JSON; ``more``: more arguments of modules.nix."""
    given = f"said = builtins.fromJSON (builtins.readFile /dev/stdin); system = {json.dumps(system)}; {more}"
    file = f"module = {ROOT}/nix/modules/{module}.nix; service = {json.dumps(service)};"
    expression = f"import {ROOT}/tests/lab/modules.nix {{ {file} {given} }}"
    command = ["nix-instantiate", "--eval", "--strict", "--json", "--expr", expression]
    done = subprocess.run(command, input=json.dumps(said), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def on_nixos(module: str, said: dict[str, object]) -> tuple[list[str], dict[str, Any]]:
    """The words that start it, and its service."""
    service = evaluated(module, module, said, "x86_64-linux")["systemd"]["services"][module]["serviceConfig"]
    return service["ExecStart"].split(), service


def on_darwin(module: str, said: dict[str, object], more: str = "") -> list[str]:
    daemon = evaluated(f"{module}-darwin", module, said, "aarch64-darwin", more)["launchd"]["daemons"][module]
    words: str = daemon["command"] if "command" in daemon else daemon["script"].partition("exec ")[2]
    return words.split()


def written(words: list[str], folder: Path) -> Path:
    """The file behind --config, as TOML; see modules.nix."""
    file = folder / "said.toml"
    file.write_text(tomli_w.dumps(json.loads(words[words.index("--config") + 1])))
    return file


def config_of(words: list[str], folder: Path) -> Config:
    assert (words[0], words[-1]) == ("/clavel/bin/claveld", "serve")
    return read(written(words, folder))


def unit_of(words: list[str], folder: Path) -> tuple[Unit, ClaveldTable]:
    assert (words[0], words[-1]) == ("/clavel/bin/clavel-agent", "run")
    return load_agent(written(words, folder))


def test_claveld(tmp_path: Path) -> None:
    words, _ = on_nixos("claveld", CLAVELD)
    plain = config_of(words, tmp_path)
    assert (plain.fleet, plain.listen, plain.nats) == ("/srv/fleet/hosts", "127.0.0.1:8420", None)
    assert plain.nix == "/nix-package/bin/nix"
    assert config_of(on_darwin("claveld", CLAVELD), tmp_path) == plain
    elsewhere = config_of(on_darwin("claveld", CLAVELD, "nixEnabled = false;"), tmp_path)
    assert elsewhere.nix == "/nix/var/nix/profiles/default/bin/nix"


def test_claveld_reads_a_checkout_that_is_somebody_elses() -> None:
    """The service's own first command, as a user of its own, with real git and Nix."""
    with tempfile.TemporaryDirectory(prefix="clavel-owner-") as name:
        folder, home = Path(name), Path(name, "home")
        folder.chmod(0o755)
        home.mkdir()
        os.chown(home, NOBODY, NOBODY)
        (folder / "repo").mkdir()
        (folder / "repo/flake.nix").write_text("{ outputs = _: { here = true; }; }")
        git(folder / "repo", "init", "-q")
        git(folder / "repo", "add", ".")
        git(folder / "repo", "-c", "user.name=ada", "-c", "user.email=ada@desk", "commit", "-qm", "a flake")

        def as_nobody(*words: str) -> subprocess.CompletedProcess[str]:
            env = {
                "HOME": str(home),
                "PATH": os.environ["PATH"],
                "NIX_CONFIG": "extra-experimental-features = nix-command flakes",
            }
            return subprocess.run(
                words, env=env, cwd="/", user=NOBODY, group=NOBODY, extra_groups=(), capture_output=True, text=True, check=False
            )

        evaluate = ("nix", "--store", str(home / "store"), "eval", f"git+file://{folder}/repo#here")
        refused = as_nobody(*evaluate)
        assert failure(refused.returncode, refused.stderr.splitlines())[1].endswith(OWNER)
        unit = (ROOT / "nix/units/claveld.service").read_text()
        first = next(line.partition("=-")[2] for line in unit.splitlines() if line.startswith("ExecStartPre="))
        for _ in range(2):  # at each start
            assert as_nobody(*first.split()).returncode == 0
        assert as_nobody(*evaluate).stdout == "true\n"
        words = evaluated("claveld", "claveld", CLAVELD, "x86_64-linux")["systemd"]["services"]["claveld"]["preStart"]
        assert words.removesuffix(" || true").replace("'", "").split()[1:] == first.split()[1:]


def test_claveld_whose_key_systemd_reads_as_root(tmp_path: Path) -> None:
    words, service = on_nixos("claveld", {**CLAVELD, **TLS, "nats": {"url": BUS}, "natsKey": "/etc/claveld/nkey"})
    found = config_of(words, tmp_path)
    given = dict(one.split(":") for one in service["LoadCredential"])
    assert given == {"key.pem": "/etc/claveld/key.pem", "nkey": "/etc/claveld/nkey"}
    assert found.nats
    assert {Path(found.tls_key).name, Path(found.nats.nkey_file).name} == {*given}
    there = config_of(on_darwin("claveld", {**CLAVELD, **TLS, "nats": {"url": BUS, "nkey_file": "/etc/claveld/nkey"}}), tmp_path)
    assert (there.tls_key, there.nats and there.nats.nkey_file) == ("/etc/claveld/key.pem", "/etc/claveld/nkey")


@pytest.mark.parametrize("module", ["claveld", "claveld-darwin"])
def test_a_certificate_goes_with_its_key(module: str) -> None:
    with pytest.raises(AssertionError, match="tlsCertificate and tlsKey go together"):
        evaluated(module, "claveld", {**CLAVELD, "tlsCertificate": "/etc/claveld/cert.pem"}, "x86_64-linux")


def test_an_agent(tmp_path: Path) -> None:
    more = {"system": {"confirm_seconds": 120}, "checks": [{"systemd": "nginx.service"}]}
    words, service = on_nixos("clavel-agent", {**AGENT, "url": OPS, "deployments": ["edge"], "settings": more})
    unit, claveld = unit_of(words, tmp_path)
    assert (unit.name, unit.type.value, unit.arch) == ("cinnabar", "nixos", "x86_64-linux")
    assert (unit.system.confirm_seconds, [check.line for check in unit.checks]) == (120, ["systemd nginx.service"])
    assert (claveld.url, claveld.deployments, claveld.token_file) == (OPS, ["edge"], "/etc/clavel-agent/token")
    assert service["KillMode"] == "process"
    unit, claveld = unit_of(on_darwin("clavel-agent", {**AGENT, "url": OPS}), tmp_path)
    assert (unit.type.value, unit.arch, claveld.url) == ("darwin", "aarch64-darwin", OPS)


def test_an_agent_with_stacks_on_a_broker(tmp_path: Path) -> None:
    stacks = {"web": {"source": "/srv/compose/web", "health_seconds": 60}}
    said = {**AGENT, "nats": {"url": BUS, "nkey_file": "/etc/clavel-agent/nkey"}, "stacks": stacks}
    config = evaluated("clavel-agent", "clavel-agent", said, "aarch64-linux")
    assert config["environment"]["etc"] == {"clavel/stacks/web": {"source": "/srv/compose/web"}}
    words = config["systemd"]["services"]["clavel-agent"]["serviceConfig"]["ExecStart"].split()
    unit, claveld = unit_of(words, tmp_path)
    assert [(stack.name, stack.health_seconds) for stack in unit.stacks] == [("web", 60)]
    assert (claveld.url, claveld.nats and claveld.nats.url) == ("", BUS)


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ({"url": OPS, "nats": {"url": BUS}}, "say either url or nats"),
        ({}, "say either url or nats"),
        ({"url": OPS, "tokenFile": "/nix/store/token"}, "lies in the Nix store, where everybody can read it"),
    ],
)
def test_what_an_agent_could_not_work_with_is_refused(said: dict[str, object], word: str) -> None:
    with pytest.raises(AssertionError, match=word):
        evaluated("clavel-agent", "clavel-agent", {**AGENT, **said}, "x86_64-linux")
