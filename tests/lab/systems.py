"""NixOS-shaped systems for the lab's hosts, and a workstation with a Nix store of its own that builds and copies them."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from .console import Console
from .flakes import forget, git
from .host import Host
from .lab import Lab
from .plan import TRIXIE_TREE
from .shell import write

OWN = Path(__file__).parent / "nixos"
JUDGE = Path(__file__).parents[3] / "shared/lab/fleet"
"""Somebody else's flake of the same shape, where it is there: only its hosts.nix is written by the tests."""
CLOSURES = Path(__file__).parents[2] / "nix/closures"
PROFILE = "/nix/var/nix/profiles/system"
FIRST = "24.11.1"
QUICK = {"confirm_seconds": 40, "check_seconds": 10, "grace_seconds": 1}
NIX_CONF = """\
sandbox = false
build-users-group =
substituters =
flake-registry = {folder}/registry.json
max-jobs = 2
"""


@dataclass
class Fleet:
    """Three units, h1 to h3, whose systems come from one flake."""

    lab: Lab
    folder: Path
    flake: Path
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.console = Console(self.lab, self.folder)
        self.repository = self.folder / "systems"
        shutil.copytree(self.flake, self.repository)
        shutil.copytree(CLOSURES / "oci", self.repository / "oci")
        git(self.repository, "init", "-q")
        self._make_nix()
        for host in self.lab.hosts:
            self.unit(host.name)
            self.settings[host.name] = {"version": FIRST, "motd": host.name}
        self.caches({})
        self.commit()

    def _make_nix(self) -> None:
        """`nix` and `nix-store` of the hosts' own version, in a mount namespace where /nix is a folder of ours."""
        for name in ("nix", "conf", "bin"):
            (self.folder / name).mkdir(parents=True)
        Path("/nix").mkdir(exist_ok=True)
        write(self.folder / "registry.json", '{"flakes": [], "version": 2}\n')
        write(self.folder / "conf/nix.conf", NIX_CONF.format(folder=self.folder))
        for name in ("nix", "nix-store"):
            real = f"/usr/bin/{name}"
            if self.lab.plan.systemd:
                libraries = f"{TRIXIE_TREE}/usr/lib/x86_64-linux-gnu:{TRIXIE_TREE}/lib/x86_64-linux-gnu"
                real = f"{TRIXIE_TREE}/lib64/ld-linux-x86-64.so.2 --library-path {libraries} --argv0 {name} {TRIXIE_TREE}/usr/bin/nix"
            lines = ("#!/bin/sh", f"export NIX_CONF_DIR={self.folder}/conf XDG_CACHE_HOME={self.folder}/cache",
                     f"exec unshare --mount sh -c 'mount --bind {self.folder}/nix /nix && exec \"$@\"' sh {real} \"$@\"")  # fmt: skip
            write(self.folder / "bin" / name, "\n".join(lines) + "\n", 0o755)
        write(self.folder / "config/clavel-tui/config.toml", f'nix = "{self.folder}/bin/nix"\n')

    @property
    def home(self) -> dict[str, str]:
        """For a console in a terminal: whose Nix is this workstation's, and not the machine's own."""
        return {"HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder / "config")}

    def nix(self, *words: str, check: bool = True, said: str = "") -> subprocess.CompletedProcess[str]:
        """Nix on the workstation, without our code."""
        features = ("--extra-experimental-features", "nix-command flakes")
        environment = os.environ | {"NIX_SSHOPTS": f"-F {self.lab.ssh_dir}/config"}
        done = subprocess.run(
            [self.folder / "bin/nix", *features, *words], env=environment, input=said, capture_output=True, text=True
        )
        assert not check or not done.returncode, f"nix {' '.join(words)}: {done.stderr}"
        return done

    # ---- the repository

    def unit(self, host: str, **settings: object) -> None:
        """Declare a unit; ``system``: what differs from QUICK."""
        system = {**QUICK, **dict(settings.pop("system", {}))}  # type: ignore[call-overload]
        self.console.unit(host, **{"type": "nixos", "system": system, **settings})

    def commit(self, **hosts: dict[str, Any]) -> str:
        """Change these hosts' settings; returns the new revision."""
        for name, changed in hosts.items():
            self.settings[name] = {**self.settings.get(name, {}), **changed}
        write(self.repository / "hosts.json", json.dumps(self.settings))
        write(self.repository / "hosts.nix", "builtins.fromJSON (builtins.readFile ./hosts.json)\n")
        git(self.repository, "add", "-A")
        git(self.repository, "-c", "user.name=lab", "-c", "user.email=lab@example.org", "commit", "-qm", "lab", "--allow-empty")
        return git(self.repository, "rev-parse", "HEAD").strip()

    def caches(self, caches: dict[str, str], repository: Path | None = None) -> None:
        """Write fleet.toml, with these substituters and the public key of each, and another clone as the source."""
        said = [f"substituters = {json.dumps([*caches])}", f"substituters-public-keys = {json.dumps([*caches.values()])}"]
        source = ("[sources.systems]", f'url = "git+file://{repository or self.repository}"')
        write(self.console.hosts / "fleet.toml", "\n".join(['name = "lab"', *(said if caches else []), *source]) + "\n")

    def new(self, host: str, version: str, **changed: Any) -> str:  # noqa: ANN401  Nix takes any of JSON
        """A new version of one host, evaluated into a Deployment; returns its store path."""
        self.commit(**{host: {"version": version, **changed}})
        said = self.console.run("eval", "--json").ends(0).json
        return next(one["nar_id"] for one in said["units"] if one["unit"] == host)

    def built(self, host: str) -> str:
        """The store path of what the flake says now, built by Nix itself."""
        system = f"nixosConfigurations.{host}.config.system.build.toplevel"
        attribute = f"clavelUnits.{host}.toplevel" if "image" in self.settings[host] else system
        url = f"git+file://{self.repository}#{attribute}"
        self.nix("build", "--no-link", url)
        return self.nix("eval", "--raw", f"{url}.outPath").stdout

    # ---- the hosts

    def begin(self) -> dict[str, str]:
        """Each host runs its first system, put there by hand, and knows nothing of clavel-tui; returns their paths."""
        self.built(self.lab.hosts[0].name)  # an empty store is made by one Nix alone
        with ThreadPoolExecutor(len(self.lab.hosts)) as threads:
            return dict(threads.map(self._begin, self.lab.hosts))

    def _begin(self, host: Host) -> tuple[str, str]:
        path = self.built(host.name)
        self.nix("copy", "--to", f"ssh://{host.name}", path)
        host.exec(f"rm -rf /var/lib/clavel /nix/var/nix/gcroots/clavel {PROFILE}-*-link {PROFILE} /etc/static.d")
        host.exec(f"nix-env -p {PROFILE} --set {path} && {path}/bin/switch-to-configuration switch")
        host.exec(f"ln -sfn {path} /run/booted-system")
        if self.lab.plan.systemd:  # else what a fault left failed would make the first system no good one
            host.exec("systemctl reset-failed")
        return host.name, path

    def change(self, verb: str, *words: str) -> Any:  # noqa: ANN401  an Answer
        """A confirmed command whose answer is JSON."""
        return self.console.run(verb, *words, "--yes", "--json")

    def forget(self) -> None:
        """A store's files are read-only."""
        forget(self.folder)


def made(request: pytest.FixtureRequest, folder: Path) -> Iterator[Fleet]:
    """The workstation of a fixture whose parameter is a stack of hosts, and whose flake it is: ours or the judge's."""
    stack, flake = request.param
    fleet = Fleet(request.getfixturevalue(stack), folder, OWN if flake == "own" else JUDGE)
    yield fleet
    fleet.forget()


def runs(host: Host) -> str:
    """What /run/current-system is, read on the host itself."""
    return host.exec("readlink -f /run/current-system").stdout.strip()


def profile(host: Host) -> str:
    """What the system profile names, read on the host itself."""
    return host.exec(f"readlink -f {PROFILE}").stdout.strip()


def boots(host: Host) -> str:
    """What the boot loader would start."""
    return host.exec("sed -n 's/^default //p' /boot/loader/loader.conf").stdout.strip()
