"""A unit's state folder on this machine, and the supervisor run in it by a chosen shell with chosen tools."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from clavel_tui.remote.bundle import Bundle, assignments
from clavel_tui.unit import script

SHELLS = {"dash": ("dash",), "busybox": ("busybox", "sh"), "bash": ("bash", "--posix")}
COMMON = [
    "cat",
    "chgrp",
    "chmod",
    "chown",
    "cmp",
    "comm",
    "cp",
    "cut",
    "date",
    "dd",
    "df",
    "env",
    "find",
    "grep",
    "head",
    "id",
    "ln",
    "ls",
    "mkdir",
    "mktemp",
    "mv",
    "nohup",
    "od",
    "rm",
    "rmdir",
    "sed",
    "sh",
    "sleep",
    "sort",
    "sync",
    "tail",
    "tar",
    "touch",
    "tr",
    "wc",
]
TOOLS = {
    "linux": (*COMMON, "sha256sum", "flock", "setsid", "timeout"),
    "darwin": (*COMMON, "perl", "shasum"),
    "busybox": (*COMMON, "sha256sum", "flock", "setsid", "timeout"),
    "no-lock": (*COMMON, "sha256sum", "setsid"),
}
"""What each kind of machine has; "darwin" has neither flock nor setsid."""
APPLETS = {*COMMON, "sha256sum", "setsid", "timeout"} - {"chgrp", "comm"}
"""What busybox has of its own; Debian builds it without flock."""

BODY = """\
# shellcheck shell=sh
job_main() { eval "$main"; }
job_mend() { echo "$id" >>"$marks/mended"; }
"""
HOLD = 'echo $$ >"$marks/$id.pid"; remember phase=holding; until [ -e "$marks/go" ]; do sleep 0.05; done; finish succeeded done'
"""The body of a job that tells its process and waits for the test."""


def wait_until(what: str, met: Callable[[], object], timeout: float = 15) -> None:
    """Wait for a condition, and fail by its name."""
    end = time.monotonic() + timeout
    while not met():
        assert time.monotonic() < end, f"{what}: not within {timeout:g} s"
        time.sleep(0.02)


def scripts_of(folder: Path | None) -> Callable[[str], str]:
    """The scripts of the package, or those of a folder that holds changed ones."""
    return (lambda name: (folder / name).read_text()) if folder else script


@dataclass
class Seen:
    """What a look at a job answered: its log, the last word, the result."""

    log: bytes
    word: str
    result: dict[str, str]

    @property
    def outcome(self) -> str:
        return self.result.get("outcome", "")


@dataclass
class Supervisor:
    """One unit. ``source``: where the scripts are taken from, for mutants."""

    folder: Path
    shell: str = "dash"
    tools: str = "linux"
    source: Path | None = None
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.state, self.marks, self.tmp = (self.folder / name for name in ("state", "marks", "tmp"))
        for path in (self.state, self.marks, self.tmp):
            path.mkdir(mode=0o700)
        self.text = scripts_of(self.source)
        self._make_tools()
        self.as_sh = self.folder / "sh"
        self.as_sh.write_text(f'#!/bin/sh\nexec {" ".join(self.argv0)} "$@"\n')
        self.as_sh.chmod(0o755)

    @property
    def argv0(self) -> list[str]:
        program, *words = SHELLS[self.shell]
        return [str(shutil.which(program)), *words]

    def _make_tools(self) -> None:
        self.bin = self.folder / "bin"
        self.bin.mkdir()
        for name in TOOLS[self.tools]:
            applet = self.tools == "busybox" and name in APPLETS
            found = shutil.which("busybox" if applet else name)
            assert found, f"this machine has no {name}"
            (self.bin / name).symlink_to(found)

    @property
    def environment(self) -> dict[str, str]:
        """No variable of the developer's own gets in."""
        return {
            "PATH": str(self.bin), "CLAVEL_STATE": str(self.state), "LC_ALL": "C", "TMPDIR": str(self.tmp),
            "CLAVEL_NIX_LOCK": str(self.folder / "no-nix"), **self.env,
        }  # fmt: skip

    # ---- running scripts

    def spawn(self, text: str, *args: str, **options: object) -> "subprocess.Popen[bytes]":
        """Start a script as the console's transport does: its text as one argument."""
        return subprocess.Popen(
            [*self.argv0, "-c", text, "clavel", *args],
            env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options,
        )  # fmt: skip

    def sh(self, text: str, *args: str, stdin: bytes = b"", **options: object) -> "subprocess.CompletedProcess[bytes]":
        """Run a script to its end."""
        with self.spawn(text, *args, **options) as process:
            out, err = process.communicate(stdin, timeout=30)
        return subprocess.CompletedProcess(args, process.returncode, out, err)

    @property
    def job_text(self) -> str:
        return self.text("lib.sh") + self.text("job.sh")

    def job(self, *args: str, **options: object) -> str:
        """One verb of job.sh; it must end well."""
        done = self.sh(self.job_text, *args, **options)
        assert done.returncode == 0, done
        return done.stdout.decode()

    # ---- jobs

    def bundle(self, main: str, ident: str = "j1", params: Mapping[str, str] | None = None) -> Bundle:
        """A job whose body runs ``main``."""
        said = {"main": main, "marks": str(self.marks), **(params or {})}
        job = self.text("job.sh")
        assert '/bin/sh "$launch_sh"' in job
        files = {
            "job.sh": job.replace('/bin/sh "$launch_sh"', f'{self.as_sh} "$launch_sh"'),
            "lib.sh": self.text("lib.sh"),
            "body.sh": BODY,
            "owner": f"job={ident}\noperator=anna@desk\nreason=it's time\n",
        }
        return Bundle({name: (text.encode(), 0o700) for name, text in files.items()} | {"params": (assignments(said), 0o600)})

    def put(self, bundle: Bundle) -> Path:
        """The bundle as it lies after it was put: a folder of its own each time."""
        folder = self.tmp / f"put.{time.monotonic_ns()}"
        for name, (content, mode) in {**bundle.files, "SUMS": (bundle.sums(), 0o600)}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
            (folder / name).chmod(mode)
        return folder

    def start(self, main: str, ident: str = "j1", **options: object) -> str:
        """Put and start a job."""
        bundle = self.bundle(main, ident)
        return self.job("start", ident, str(self.put(bundle)), bundle.sum(), **options)

    def follow(self, ident: str = "j1", offset: int = 0, seconds: int = 20) -> Seen:
        """Its log from a byte on, and where the look ended."""
        done = self.sh(self.job_text, "follow", ident, str(offset), str(seconds))
        assert done.returncode == 0, done
        return _seen(done.stdout)

    def settle(self, ident: str = "j1", born: str | None = None) -> Seen:
        """What became of it."""
        return _seen(self.job("settle", ident, self.born if born is None else born).encode())

    def ran(self, main: str, ident: str = "j1", **options: object) -> Seen:
        """Start a job and follow it to its end."""
        self.start(main, ident, **options)
        return self.follow(ident)

    @property
    def born(self) -> str:
        file = self.state / "born"
        return file.read_text().strip() if file.exists() else ""

    def of(self, name: str, ident: str = "j1") -> Path:
        """A file of a job's folder."""
        return self.state / "jobs" / ident / name

    def mark(self, name: str) -> str:
        """What a job's body left for the test; empty where it left nothing."""
        file = self.marks / name
        return file.read_text() if file.exists() else ""

    # ---- a job that waits

    def hold(self, ident: str = "j1") -> int:
        """Start a job that holds the lock until ``let_go``; its process."""
        self.start(HOLD, ident)
        wait_until(f"{ident} runs", lambda: self.mark(f"{ident}.pid").endswith("\n") and self.of("state", ident).exists())
        wait_until(f"{ident} holds", lambda: "holding" in self.of("state", ident).read_text())
        return int(self.mark(f"{ident}.pid"))

    def let_go(self) -> None:
        (self.marks / "go").touch()

    def kill(self, ident: str = "j1") -> None:
        """Kill a waiting job without a word, and wait until the kernel has freed its locks."""
        os.kill(int(self.mark(f"{ident}.pid")), signal.SIGKILL)
        time.sleep(0.15)  # its `sleep 0.05` is the last that holds them

    def end(self) -> None:
        """Leave no process behind."""
        self.let_go()
        for file in self.marks.glob("*.pid"):
            with suppress(ProcessLookupError, ValueError):
                os.kill(int(file.read_text()), signal.SIGKILL)


def _seen(raw: bytes) -> Seen:
    log, mark, rest = (b"\n" + raw).rpartition(b"\n= ")
    if not mark:
        return Seen(raw, "", {})
    word, *lines = rest.decode().splitlines()
    return Seen((log + b"\n")[1:] if log else b"", word, dict(line.partition("=")[::2] for line in lines))
