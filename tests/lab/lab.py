"""A lab: hosts on a network of their own with an image registry, up as long as a `with` block lasts."""

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from . import cgroup, files, images, network, setup
from .host import Host
from .plan import LAB_DIR, Plan, Stack
from .registry import Registry
from .shell import LabError, run, write

HAND_SLOT = 0  # the lab a developer starts by hand; tests take the others
TEST_SLOTS = range(1, 10)

SSH_CONFIG = """\
Host *
  User root
  IdentityFile {folder}/id
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  BatchMode yes
  ConnectTimeout 5
  ServerAliveInterval 2
  ServerAliveCountMax 3
  LogLevel ERROR
"""

# A line that loses packets may be silent for longer than what the keepalives above allow (3 x 2 s), which ends ssh.
PATIENT = ("-o", "ConnectTimeout=30", "-o", "ServerAliveInterval=0")


class Lab:
    """So many hosts of one stack, named h1, h2 and on.

    Without a slot it takes a free one, so labs of several test runs stand beside each other.
    """

    def __init__(
        self, stack: Stack = "bookworm", hosts: int = 3, *, slot: int | None = None, docker_disk: int | None = None
    ) -> None:
        self._claim = _claim_any() if slot is None else claim(slot)
        number = int(self._claim.getsockname().rpartition(b"-")[2])
        self.plan = Plan(number, stack, docker_disk)
        self.stack = stack
        self.registry = Registry(self.plan)
        self.hosts = [Host(self.plan, f"h{count}") for count in range(1, hosts + 1)]

    @property
    def ssh_dir(self) -> Path:
        """The client's side of ssh: `id`, `known_hosts` and a `config` that names the hosts."""
        return self.plan.folder / "ssh"

    def __enter__(self) -> Self:
        try:
            self.up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.down()

    def up(self) -> None:
        """Start the registry and every host, and wait until their services answer."""
        setup.ensure(self.stack)
        cgroup.check()
        clear(self.plan)
        self.plan.save()
        self.ssh_dir.mkdir(parents=True)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", self.ssh_dir / "id")
        network.up(self.plan)
        for host in self.hosts:
            files.make(self.plan, host.name)
            network.add_host(self.plan, host.name)
            host.start()
        self._write_ssh()
        self.registry.start()
        for host in self.hosts:
            host.wait_ready()

    def down(self) -> None:
        """End the lab and leave nothing of it behind, in whatever state it is; the slot is free again."""
        clear(self.plan)
        self._claim.close()

    def release(self) -> None:
        """Let the lab outlive this process."""
        self._claim.close()

    def host(self, name: str) -> Host:
        for host in self.hosts:
            if host.name == name:
                return host
        raise LabError(f"no host {name}; there are {', '.join(host.name for host in self.hosts)}")

    def ssh(
        self, host: str, command: str, *options: str, user: str = "root", check: bool = True, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in band: with the client key, and known_hosts held to strictly."""
        target = f"{user}@{host}"
        busy = ("-o", "ServerAliveCountMax=10")  # a host of a busy machine may be silent for longer than 6 s
        return run("ssh", "-F", self.ssh_dir / "config", *options, *busy, target, command, check=check, timeout=timeout)

    def image(
        self, name: str, tag: str, *, text: str = "", health: images.Health = "ok", also: Sequence[str] = (),
        oneshot: bool = False, filler_mib: int = 0, seed: int = 0,
    ) -> str:  # fmt: skip
        """Make an image and push it, under the tags in `also` too; returns registry/name@digest."""
        image = images.Image(name, tag, text, health, oneshot, filler_mib, seed)
        return images.push(image, self.registry.address, also)

    def reset(self) -> None:
        """Take back every fault of every host and of the registry."""
        self.registry.start()
        for host in self.hosts:
            host.reset()

    def _write_ssh(self) -> None:
        known, config = "", ""
        for host in self.hosts:
            key = self.plan.home(host.name) / "upper/etc/ssh/ssh_host_ed25519_key.pub"
            known += f"{host.name},{host.address} {key.read_text()}"
            config += f"Host {host.name}\n  HostName {host.address}\n"
        write(self.ssh_dir / "known_hosts", known)
        write(self.ssh_dir / "config", config + SSH_CONFIG.format(folder=self.ssh_dir))


def attach() -> Lab:
    """The lab that was started by hand, with its hosts as they are."""
    try:
        plan = Plan.load(HAND_SLOT)
    except FileNotFoundError:
        raise LabError("no lab was started by hand") from None
    return Lab(plan.stack, len(plan.host_names()), slot=HAND_SLOT, docker_disk=plan.docker_disk)


def claim(slot: int) -> socket.socket:
    """Hold a slot for this process alone; the kernel gives it back whichever way the process ends."""
    holder = socket.socket(socket.AF_UNIX)
    try:
        holder.bind(f"\0clavel-lab-{slot}")
    except OSError:
        holder.close()
        raise LabError(f"lab slot {slot} is in use by another process") from None
    return holder


def _claim_any() -> socket.socket:
    for slot in TEST_SLOTS:
        with contextlib.suppress(LabError):
            return claim(slot)
    raise LabError("every lab slot is in use")


def clear(plan: Plan) -> None:
    """Remove whatever a lab of this name has left: processes, control groups, namespaces, files."""
    cgroup.kill_all(plan.name)
    cgroup.remove(plan.name)
    network.down(plan)
    if plan.folder.exists():
        shutil.rmtree(plan.folder)
    with contextlib.suppress(OSError):  # other labs may have folders there
        LAB_DIR.rmdir()


def clear_all() -> list[str]:
    """Clear every lab that no living process holds: the one started by hand, and what killed runs left."""
    kept = []
    for slot in (HAND_SLOT, *TEST_SLOTS):
        try:
            held = claim(slot)
        except LabError:
            kept.append(f"lab{slot}")
            continue
        with held:
            clear(Plan(slot))
    return kept
