"""Booting, seen from inside: pid 1 of a host's fresh namespaces builds the root, enters it, becomes init."""

import os
import socket
import uuid
from pathlib import Path
from typing import NoReturn

from . import cgroup
from .files import KEPT_BOOKWORM, KEPT_TRIXIE
from .mounts import bind, detach, keep_private, mount, share
from .plan import Plan
from .setup import compose_plugin
from .shell import run, write

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "container": "lab",
}
DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "fuse", "net/tun", "kmsg")


def boot(plan: Plan, host: str) -> NoReturn:
    """Build the root and become the host's init."""
    home = plan.home(host)
    root = home / "root"
    keep_private()
    (_lay_tree if plan.systemd else _lay_machine)(home, root)
    for folder in KEPT_TRIXIE if plan.systemd else KEPT_BOOKWORM:
        bind(home / "disk" / folder, root / folder)
    if plan.docker_disk:
        mount("tmpfs", root / "var/lib/docker", f"size={plan.docker_disk}m,mode=755")
    _mount_kernel(root)
    _mount_devices(root / "dev")
    _mount_cgroups(root / "sys/fs/cgroup")
    socket.sethostname(host)
    _enter(root)
    _become_init(systemd=plan.systemd)


def _lay_machine(home: Path, root: Path) -> None:
    """Bookworm: the machine's own /usr, read-only, and its /etc below the host's."""
    mount("tmpfs", root, "mode=755,size=16m")
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        if Path("/", name).is_symlink():
            (root / name).symlink_to(Path("/", name).readlink())
    for name in ("mnt", "media", "opt"):
        (root / name).mkdir()
    bind(Path("/usr"), root / "usr", read_only=True)
    # What was put into the machine's /usr/local (another docker client, say) is not part of Debian.
    mount("tmpfs", root / "usr/local", "mode=755,size=1m")
    bind(compose_plugin(), root / "usr/local/lib/docker/cli-plugins/docker-compose")
    (root / "etc").mkdir()
    mount("overlay", root / "etc", f"lowerdir=/etc,upperdir={home}/upper/etc,workdir={home}/work")


def _lay_tree(home: Path, root: Path) -> None:
    """Trixie: a whole Debian tree, shared by all hosts, below what this one changed."""
    tree = Plan(0, "trixie").base
    mount("overlay", root, f"lowerdir={tree},upperdir={home}/upper,workdir={home}/work")


def _mount_kernel(root: Path) -> None:
    mount("proc", root / "proc")
    mount("sysfs", root / "sys")
    mount("tmpfs", root / "run", "mode=755,size=64m")
    # The kernel has one boot id for all namespaces; each boot of a host lays its own upon it.
    write(root / "run/boot-id", f"{uuid.uuid4()}\n", 0o444)
    bind(root / "run/boot-id", root / "proc/sys/kernel/random/boot_id")


def _mount_devices(dev: Path) -> None:
    mount("tmpfs", dev, "mode=755,size=1m")
    for name in DEVICES:
        if Path("/dev", name).exists():
            bind(Path("/dev", name), dev / name)
    mount("devpts", dev / "pts", "newinstance,ptmxmode=0666,mode=620,gid=5")
    mount("tmpfs", dev / "shm", "mode=1777,size=64m")
    mount("mqueue", dev / "mqueue")
    (dev / "ptmx").symlink_to("pts/ptmx")
    (dev / "fd").symlink_to("/proc/self/fd")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        (dev / name).symlink_to(f"/proc/self/fd/{number}")


def _mount_cgroups(top: Path) -> None:
    """Mount the hierarchies anew; from inside a cgroup namespace they show only the host's own groups."""
    mount("tmpfs", top, "mode=755,size=1m")
    for name in cgroup.hierarchies():
        mount("cgroup", top / name, "none,name=systemd" if name == "systemd" else name)


def _enter(root: Path) -> None:
    (root / ".old").mkdir(exist_ok=True)
    os.chdir(root)
    run("pivot_root", ".", ".old")
    os.chroot(".")
    os.chdir("/")
    detach(Path("/.old"))


def _become_init(*, systemd: bool) -> NoReturn:
    if not systemd:
        os.execve("/bin/busybox", ["init"], ENVIRONMENT)
    # In a container it leaves that to whoever made it; without it LoadCredential= shows a service nothing.
    share()
    # systemd 257 takes cgroup v1 only when told so twice; without it hosts would have no limits.
    legacy = ("systemd.unified_cgroup_hierarchy=0", "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1")
    os.execve("/lib/systemd/systemd", ["/sbin/init", "--log-target=journal", *legacy], ENVIRONMENT)
