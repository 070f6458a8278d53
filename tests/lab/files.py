"""What the disk of a host holds before its first boot: settings, users, services."""

import hashlib
import json
import os
import re
from pathlib import Path

from .plan import Plan
from .shell import link, run, write

# Kept over a reboot, each a plain folder: the engine's storage cannot lie on the overlay of the root,
# and the Nix store should not.
KEPT = ("nix", "root", "home", "tmp", "srv", "boot")
KEPT_BOOKWORM = (*KEPT, "var")
KEPT_TRIXIE = (*KEPT, "var/lib/docker", "var/lib/containerd")

# Folders of /etc of which nothing of the tree below may show through.
OWN_ETC = ("ssh", "nix", "docker", "sudoers.d")

CLERK_PASSWORD = "lab-secret"
# The above as `openssl passwd -6` writes it; fixed, so that a host's disk is the same each time.
CLERK_HASH = "$6$clavel$g4.K7W/Dt284tTuuyZQuLvwzC2djM1JIrClz78bkT7i2bOEopZhMok9OPC/w1B0JYp8fh3oKVDGqKtMOwV8FN0"

USERS = {"deploy": 1501, "ops": 1502, "clerk": 1503}

SSHD_CONFIG = """\
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile .ssh/authorized_keys /etc/ssh/authorized_keys.d/%u
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
UseDNS no
MaxStartups 100
MaxSessions 100
Subsystem sftp internal-sftp
PidFile /run/sshd-listener.pid
"""

# OpenSSH 9.8 and later shut out an address whose connections fail; all tests come from one address.
NO_PENALTIES = "PerSourcePenalties no\n"

SUDOERS = """\
Defaults lecture=never
Defaults secure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
root ALL=(ALL:ALL) ALL
ops ALL=(ALL:ALL) NOPASSWD: ALL
clerk ALL=(ALL:ALL) ALL
@includedir /etc/sudoers.d
"""

PAM_SUDO = """\
auth required pam_unix.so nodelay
account required pam_unix.so
session required pam_unix.so
"""

NIX_CONF = """\
experimental-features = nix-command flakes
build-users-group =
sandbox = false
trusted-users = root
substituters =
flake-registry = /etc/nix/no-registry.json
max-jobs = 1
"""

# busybox init starts a service anew a second after it ended.
INITTAB = """\
::sysinit:/etc/rc.boot
::respawn:/etc/rc.service sshd /usr/sbin/sshd -D -e
::respawn:/etc/rc.service nix-daemon /usr/bin/nix-daemon
::respawn:/etc/rc.service dockerd /usr/sbin/dockerd -p /run/docker.pid
::shutdown:/etc/rc.shutdown
"""

RC_SERVICE = """\
#!/bin/sh
# rc.service NAME COMMAND...: run a service with a log and a pid file; /run/NAME.off holds it back.
name=$1; shift
while [ -e "/run/$name.off" ]; do sleep 0.1; done
echo $$ >"/run/$name.pid"
exec "$@" >>"/var/log/$name.log" 2>&1
"""

# As NixOS does at boot: note which system was booted, and activate it.
RC_BOOT = """\
#!/bin/sh
mkdir -p /var/log /run/sshd /run/lock
exec >>/var/log/boot.log 2>&1
system=/nix/var/nix/profiles/system
if [ -e "$system" ]; then
    ln -sfn "$(readlink -f "$system")" /run/booted-system
    ln -sfn "$(readlink -f "$system")" /run/current-system
    [ ! -x "$system/activate" ] || "$system/activate" boot
fi
exit 0
"""

# The engine stops its containers before init ends everything else.
RC_SHUTDOWN = """\
#!/bin/sh
touch /run/dockerd.off
pid=$(cat /run/docker.pid) && kill "$pid" || exit 0
for _ in $(seq 50); do
    kill -0 "$pid" 2>/dev/null || exit 0
    sleep 0.1
done
"""

UNITS = {
    "lab-boot.service": """\
[Unit]
Before=ssh.service docker.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/etc/rc.boot
""",
    "ssh.service": """\
[Unit]
StartLimitIntervalSec=0
[Service]
ExecStart=/usr/sbin/sshd -D -e
KillMode=process
Restart=always
RestartSec=1
""",
    "nix-daemon.service": """\
[Unit]
StartLimitIntervalSec=0
[Service]
ExecStart=/usr/bin/nix-daemon
KillMode=process
Restart=always
RestartSec=1
""",
    "docker.service": """\
[Unit]
StartLimitIntervalSec=0
[Service]
Type=notify
ExecStart=/usr/sbin/dockerd -p /run/docker.pid
Delegate=yes
KillMode=process
Restart=always
RestartSec=1
""",
}

# What Debian's packages would start besides, and what has no meaning in a namespace.
MASKED = (
    "ssh.socket",
    "sshd.service",
    "docker.socket",
    "containerd.service",
    "nix-daemon.socket",
    "systemd-udevd.service",
    "systemd-logind.service",
    "dbus-org.freedesktop.login1.service",
    "getty.target",
    "console-getty.service",
    "systemd-networkd.service",
    "systemd-resolved.service",
    "systemd-timesyncd.service",
    "systemd-binfmt.service",
    "systemd-sysctl.service",
    "systemd-pstore.service",
    "systemd-modules-load.service",
    "proc-sys-fs-binfmt_misc.automount",
    "dev-hugepages.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "sys-kernel-config.mount",
    "sys-fs-fuse-connections.mount",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "systemd-tmpfiles-clean.timer",
)


def make(plan: Plan, host: str) -> None:
    """Write a host's disk; its first boot will find nothing missing."""
    home = plan.home(host)
    etc = home / "upper/etc"
    _make_folders(plan, home, etc)
    _write_ssh(plan, host, etc)
    _write_engines(plan, etc)
    _write_identity(plan, host, etc)
    _write_users(plan, home, etc)
    _write_services(plan, etc)


def _make_folders(plan: Plan, home: Path, etc: Path) -> None:
    kept = KEPT_TRIXIE if plan.systemd else KEPT_BOOKWORM
    inside = (*kept, *(() if plan.systemd else ("var/log", "var/tmp", "var/lib")))
    for folder in (*(f"disk/{name}" for name in inside), "work", "root"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    for folder in ("disk/tmp", *(() if plan.systemd else ("disk/var/tmp",))):
        (home / folder).chmod(0o1777)
    (home / "disk/root").chmod(0o700)
    if not plan.systemd:
        link(home / "disk/var/run", "/run")
    for name in OWN_ETC:
        (etc / name).mkdir(parents=True, exist_ok=True)
        os.setxattr(etc / name, "trusted.overlay.opaque", b"y")


def _write_ssh(plan: Plan, host: str, etc: Path) -> None:
    key = etc / "ssh/ssh_host_ed25519_key"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", host, "-f", key)
    write(etc / "ssh/sshd_config", SSHD_CONFIG + (NO_PENALTIES if plan.systemd else ""))
    allowed = (plan.folder / "ssh/id.pub").read_text()
    for user in ("root", *USERS):  # where NixOS keeps them
        write(etc / "ssh/authorized_keys.d" / user, allowed)


def _write_engines(plan: Plan, etc: Path) -> None:
    settings = {
        "insecure-registries": [plan.registry],
        "storage-driver": "overlay2",
        # Small pools, none of them near the lab's own networks.
        "bip": "172.30.0.1/24",
        "default-address-pools": [{"base": "172.30.128.0/17", "size": 24}],
        "log-opts": {"max-size": "1m", "max-file": "2"},
        # Five are the default, 5 to 25 seconds apart: a registry that is gone would be asked for more than a minute.
        "max-download-attempts": 2,
    }
    write(etc / "docker/daemon.json", json.dumps(settings, indent=1))
    write(etc / "nix/nix.conf", NIX_CONF)
    write(etc / "nix/no-registry.json", '{"flakes": [], "version": 2}\n')


def _write_identity(plan: Plan, host: str, etc: Path) -> None:
    write(etc / "hostname", f"{host}\n")
    write(etc / "machine-id", hashlib.md5(plan.netns(host).encode()).hexdigest() + "\n")
    write(etc / "resolv.conf", "")
    names = "".join(f"{plan.address(f'h{number}')} h{number}\n" for number in range(1, 41))
    write(etc / "hosts", f"127.0.0.1 localhost\n{names}")


def _write_users(plan: Plan, home: Path, etc: Path) -> None:
    """Three logins besides root: `deploy` has docker, `ops` sudo, `clerk` sudo with a password."""
    passwd, group = ((plan.base / "etc" / name).read_text() for name in ("passwd", "group"))
    for user, number in USERS.items():
        passwd += f"{user}:x:{number}:{number}::/home/{user}:/bin/bash\n"
        group += f"{user}:x:{number}:\n"
        (home / "disk/home" / user).mkdir()
        os.chown(home / "disk/home" / user, number, number)
    write(etc / "passwd", passwd)
    write(etc / "group", re.sub(r"(?m)^(docker:x:\d+:).*$", r"\1deploy", group))
    # "*" allows a login by key; "!" would read as a locked account.
    hashes = {"root": "*", "sshd": "*", **dict.fromkeys(USERS, "*"), "clerk": CLERK_HASH}
    write(etc / "shadow", "".join(f"{user}:{text}:19000:0:99999:7:::\n" for user, text in hashes.items()), 0o640)
    write(etc / "sudoers", SUDOERS, 0o440)
    write(etc / "pam.d/sudo", PAM_SUDO)


def _write_services(plan: Plan, etc: Path) -> None:
    write(etc / "rc.boot", RC_BOOT, 0o755)
    if not plan.systemd:
        write(etc / "inittab", INITTAB)
        write(etc / "rc.service", RC_SERVICE, 0o755)
        write(etc / "rc.shutdown", RC_SHUTDOWN, 0o755)
        return
    units = etc / "systemd/system"
    for name, text in UNITS.items():
        write(units / name, text)
        link(units / "multi-user.target.wants" / name, f"/etc/systemd/system/{name}")
    for name in MASKED:
        link(units / name, "/dev/null")
    link(units / "default.target", "/lib/systemd/system/multi-user.target")
