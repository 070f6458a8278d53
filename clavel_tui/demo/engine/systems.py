"""The demo's systems: what a generation's number stands for. Paths, packages and versions follow from the unit's name and it."""

from __future__ import annotations

import fcntl
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

ALPHABET = "0123456789abcdfghijklmnpqrsvwxyz"
_NAME = re.compile(r"[a-z0-9]{32}-(?:nixos-system-(?P<unit>[\w-]+)|darwin-system)-25\.11\.2026(?P<number>\d{4})\.\w{7}")
SYSTEM_BYTES = 21_000
PACKAGES: tuple[tuple[str, str, int, int], ...] = (
    ("glibc", "2.40-{}", 31_400, 40),
    ("systemd", "258.{}", 18_900, 9),
    ("openssh", "10.{}p1", 5_600, 11),
    ("openssl", "3.5.{}", 7_300, 6),
    ("curl", "8.1{}.0", 1_400, 4),
    ("docker", "28.{}.2", 96_000, 8),
    ("git", "2.5{}.1", 41_000, 7),
    ("nginx", "1.28.{}", 2_100, 5),
    ("python3", "3.13.{}", 112_000, 10),
    ("zlib", "1.3.{}", 900, 13),
)
"""(name, version with a place for its number, KiB, after how many generations there is a new one)"""
KERNEL = ("linux", "6.12.{}", 118_000, 3)
SWITCH = """\
#!/bin/sh
# The demo's own: it moves the link to what runs, and says what a real one would.
here=$(cd "${0%/*}/.." && pwd -P)
case $1 in
dry-activate)
    echo "would reload the following units: dbus.service"
    echo "would restart the following units: nginx.service, sshd.service"
    ;;
test | switch)
    echo "stopping the following units: nginx.service"
    echo "activating the configuration..."
    sleep 0.6
    echo "setting up /etc..."
    ln -sfn "$here" "$CLAVEL_ROOT/run/current-system"
    echo "restarting the following units: sshd.service"
    sleep 0.4
    echo "starting the following units: nginx.service"
    ;;
boot) echo "updating the boot menu..." ;;
esac
"""
ACTIVATE = """\
#!/bin/sh
# The demo's own.
here=$(cd "${0%/*}" && pwd -P)
echo "setting up /Applications/Nix Apps..."
sleep 0.6
ln -sfn "$here" "$CLAVEL_ROOT/run/current-system"
"""


def store_name(unit: str, darwin: bool, number: int) -> str:  # noqa: FBT001  one fact of a unit
    """The name of a system's generation in the store."""
    digest = hashlib.sha256(f"{unit} {number}".encode()).digest()
    kind = f"darwin-system-25.11.2026{number:04d}" if darwin else f"nixos-system-{unit}-25.11.2026{number:04d}"
    return f"{_word(digest)}-{kind}.{digest.hex()[:7]}"


def _word(digest: bytes) -> str:
    return "".join(ALPHABET[byte % 32] for byte in digest)


def closure(path: str) -> dict[str, int]:
    """What a store path needs, itself included, with sizes in bytes; of anything but a system only itself."""
    found = _NAME.fullmatch(path.rpartition("/")[2])
    if not found:
        return {path: _size(path)}
    number = int(found["number"])
    packages = PACKAGES if found["unit"] is None else (*PACKAGES, KERNEL)
    needs = [_package(name, version.format((number + turn) // every)) for turn, (name, version, _, every) in enumerate(packages)]
    return {path: SYSTEM_BYTES} | {need: _size(need) for need in needs}


def _package(name: str, version: str) -> str:
    return f"/nix/store/{_word(hashlib.sha256(f'{name} {version}'.encode()).digest())}-{name}-{version}"


def _size(path: str) -> int:
    """In bytes; a newer version is a little larger or smaller than the one before."""
    name = path[len("/nix/store/") + 33 :]
    kib = next((kib for package, _, kib, _ in (*PACKAGES, KERNEL) if name.startswith(f"{package}-")), 4)
    return kib * 1024 + hashlib.sha256(name.encode()).digest()[0] * 700


class Store:
    """The store of a machine, which is a folder. What is valid there stands in one file, as real Nix has it in a database."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._list = root / "nix/valid"

    def valid(self) -> set[str]:
        """All valid paths."""
        return set(self._list.read_text(encoding="utf-8").split()) if self._list.exists() else set()

    def add(self, paths: Iterable[str]) -> None:
        """These are here, with all that they need; those that are systems can be run."""
        self._list.parent.mkdir(parents=True, exist_ok=True)
        with self._list.with_name("lock").open("w") as lock:  # units are built and copied to side by side
            fcntl.flock(lock, fcntl.LOCK_EX)
            known = self.valid()
            for path in paths:
                known |= closure(path).keys()
                if _NAME.fullmatch(path.rpartition("/")[2]):
                    self._write(path)
            new = self._list.with_name("valid.new")
            new.write_text("\n".join(sorted(known)) + "\n", encoding="utf-8")
            new.replace(self._list)

    def _write(self, path: str) -> None:
        folder = self.root / path[1:]
        if folder.exists():
            return
        darwin = "-darwin-system-" in path
        program = folder / ("activate" if darwin else "bin/switch-to-configuration")
        program.parent.mkdir(parents=True)
        program.write_text(ACTIVATE if darwin else SWITCH, encoding="utf-8")
        program.chmod(0o755)
        (folder / ("darwin-version" if darwin else "nixos-version")).write_text("25.11\n", encoding="utf-8")
        kernel = next((part for part in closure(path) if "-linux-6" in part), "")
        if kernel:
            (folder / "kernel").symlink_to(f"{kernel}/bzImage")
