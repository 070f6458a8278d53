"""Mounting by the system calls themselves: a host has some thirty mounts, and a process for each is slow."""

from pathlib import Path

from .shell import libc

MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE, MS_SHARED = 1, 32, 4096, 16384, 1 << 18, 1 << 20
MNT_DETACH = 2


def mount(kind: str, target: Path, options: str = "", source: str = "lab") -> None:
    """Mount a file system of a kind, making the folder it lies on."""
    target.mkdir(parents=True, exist_ok=True)
    libc("mount", source.encode(), bytes(target), kind.encode(), 0, options.encode())


def bind(source: Path, target: Path, *, read_only: bool = False) -> None:
    """Show a file or folder at a second place."""
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    libc("mount", bytes(source), bytes(target), None, MS_BIND, None)
    if read_only:
        libc("mount", None, bytes(target), None, MS_REMOUNT | MS_BIND | MS_RDONLY, None)


def keep_private() -> None:
    """Let no mount made from now on show outside this mount namespace."""
    libc("mount", None, b"/", None, MS_REC | MS_PRIVATE, None)


def share() -> None:
    """Let a mount made in one mount namespace of the host show in its others, as systemd has it on a machine."""
    libc("mount", None, b"/", None, MS_REC | MS_SHARED, None)


def detach(target: Path) -> None:
    """Take a mount out of sight; it ends with its last user."""
    libc("umount2", bytes(target), MNT_DETACH)
