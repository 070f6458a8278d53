"""A unit whose systems are folders of scripts, and whose Nix is three lines of sh: for the order of a deployment's steps.

What the tools answer here was read off the lab's hosts, where tests/lab/test_systems.py runs the same scripts with real ones.
"""

import fcntl
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from clavel_tui.nix.system_job import LIBRARIES
from clavel_tui.remote.bundle import Bundle

from .supervisor import Seen, Supervisor, wait_until

HASH = "0123456789abcdfghijklmnpqrsvwxyz"
TOOLS = ("mkfifo", "readlink", "uname")
NIX_STORE = """\
#!/bin/sh
echo "nix-store $*" >>"$CLAVEL_ROOT/told"
shift
for path; do
    if [ -e "$CLAVEL_ROOT/collected" ] && grep -qx "$path" "$CLAVEL_ROOT/collected" || [ ! -e "$CLAVEL_ROOT$path" ]; then
        echo "error: path '$path' is not valid" >&2
        exit 1
    fi
done
"""
NIX_ENV = """\
#!/bin/sh
echo "set ${4##*/}" >>"$CLAVEL_ROOT/told"
[ ! -e "$CLAVEL_ROOT/no-set" ] || { echo "error: opening a connection to the daemon" >&2; exit 1; }
ln -sfn "$CLAVEL_ROOT$4" "$2"
"""
SWITCH = """\
#!/bin/sh
verb=$1
echo "$verb NAME" >>"$CLAVEL_ROOT/told"
[ "$verb" != boot ] || { echo NAME >"$CLAVEL_ROOT/boots"; exit 0; }
BEFORE
ln -sfn "$CLAVEL_ROOT/nix/store/NAME" "$CLAVEL_ROOT/run/current-system"
AFTER
exit CODE
"""
PARAMS = {
    "verb": "deploy", "mode": "switch", "type": "nixos", "arch": "x86_64-linux", "expect": "", "activate_s": "20",
    "check_s": "2", "grace_s": "0", "confirm_s": "0", "checks": "", "on_failure": "return", "keep_n": "3", "label": "web@2",
    "secrets": "", "check_secrets": "1", "revision": "", "now": "1000", "operator": "anna@desk", "reason": "",
}  # fmt: skip


def name(version: str) -> str:
    """The base name of a system's store path."""
    turn = int(re.sub(r"\D", "", version) or 0) % len(HASH)
    return f"{HASH[turn:]}{HASH[:turn]}-nixos-system-web-{version}"


@dataclass
class SystemUnit:
    """A unit that runs system 1; ``unit`` is its state folder and supervisor."""

    unit: Supervisor
    root: Path = field(init=False)

    def __post_init__(self) -> None:
        self.root = self.unit.folder / "root"
        for folder in ("nix/store", "run", "nix/var/nix/profiles", "nix/var/nix/gcroots", "proc/sys/kernel/random"):
            (self.root / folder).mkdir(parents=True)
        self.unit.env["CLAVEL_ROOT"] = str(self.root)
        for tool, text in {"nix-store": NIX_STORE, "nix-env": NIX_ENV}.items():
            self._program(self.unit.bin / tool, text)
        for tool in TOOLS:
            found = Path("/usr/bin", tool)
            if not (self.unit.bin / tool).exists() and found.exists():
                (self.unit.bin / tool).symlink_to(found)
        self.boot("first")
        self.system("1")
        for link in ("run/current-system", "run/booted-system", "nix/var/nix/profiles/system"):
            (self.root / link).symlink_to(self.root / "nix/store" / name("1"))

    @staticmethod
    def _program(file: Path, text: str) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)

    def boot(self, ident: str) -> None:
        """The boot id; another one is another boot."""
        (self.root / "proc/sys/kernel/random/boot_id").write_text(ident + "\n")

    def system(self, version: str, *, before: str = ":", after: str = ":", code: int = 0, arch: str = "x86_64-linux") -> str:
        """A system in the store, and what its switch does before and after it is the running one; returns its path."""
        folder = self.root / "nix/store" / name(version)
        text = SWITCH
        for word, said in {"NAME": name(version), "BEFORE": before, "AFTER": after, "CODE": str(code)}.items():
            text = text.replace(word, said)
        self._program(folder / "bin/switch-to-configuration", text)
        (folder / "nixos-version").write_text(version)
        (folder / "system").write_text(arch)
        return f"/nix/store/{name(version)}"

    # ---- deploying

    def bundle(self, target: str, ident: str, **params: str) -> Bundle:
        """The job of a deployment."""
        whole = self.unit.bundle("", ident, {**PARAMS, "target": target, **params})
        texts = {"body.sh": "system.sh", **{name: name for name in LIBRARIES}}
        return Bundle({**whole.files, **{name: (self.unit.text(source).encode(), 0o700) for name, source in texts.items()}})

    def start(self, target: str, ident: str = "j1", **params: str) -> None:
        bundle = self.bundle(target, ident, **params)
        self.unit.job("start", ident, str(self.unit.put(bundle)), bundle.sum())

    def deploy(self, target: str, ident: str = "j1", **params: str) -> Seen:
        """To its end."""
        self.start(target, ident, **params)
        return self.unit.follow(ident)

    @contextmanager
    def waiting(self, target: str, step: str, **params: str) -> Iterator[None]:
        """Started, and at that step."""
        self.start(target, **params)
        log = self.unit.of("log")
        wait_until(f"it is at {step}", lambda: log.exists() and f" step {step}\n" in log.read_text())
        yield

    def kill(self, ident: str = "j1") -> None:
        """The supervisor and all that it started, without a word."""
        folder = str(self.unit.of("", ident))
        for process in Path("/proc").iterdir():
            if process.name.isdecimal() and _works_in(process, folder):
                with suppress(ProcessLookupError):
                    os.kill(int(process.name), signal.SIGKILL)
        wait_until("its own lock is free", lambda: not _held(self.unit.of("alive", ident)))

    # ---- looking

    def _version(self, link: str) -> str:
        return (self.root / link).resolve().name.rpartition("-")[2]

    @property
    def runs(self) -> str:
        """The version that runs."""
        return self._version("run/current-system")

    @property
    def profile(self) -> str:
        """The version that the profile names."""
        return self._version("nix/var/nix/profiles/system")

    @property
    def told(self) -> list[str]:
        """What was done to the machine, in order, with versions for paths."""
        lines = (self.root / "told").read_text().splitlines() if (self.root / "told").exists() else []
        return [re.sub(r"\S*-nixos-system-web-", "", line) for line in lines if not line.startswith("nix-store")]

    @property
    def roots(self) -> list[str]:
        """The versions that our roots keep."""
        return sorted(link.name.rpartition("-")[2] for link in (self.root / "nix/var/nix/gcroots/clavel").glob("*"))

    @property
    def recorded(self) -> list[tuple[str, str]]:
        """(verdict, version) of each line that the unit remembers."""
        file = self.unit.state / "system/deployed"
        lines = file.read_text().splitlines() if file.exists() else []
        return [(line.split("\t")[1], line.split("\t")[2].rpartition("-")[2]) for line in lines]


def _held(file: Path) -> bool:
    with file.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _works_in(process: Path, folder: str) -> bool:
    try:
        return str((process / "cwd").readlink()) == folder.rstrip("/")
    except OSError:
        return False
