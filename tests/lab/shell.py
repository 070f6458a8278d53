"""Small helpers every part of the lab needs: commands, files, background processes, namespaces."""

import ctypes
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

CLONE_NEWTIME = 0x00000080
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)

# Kept so that children which ended can be reaped by the process that started them.
_children: list[subprocess.Popen[bytes]] = []


class LabError(RuntimeError):
    """A step of the lab failed; the text says which and how."""


def run(
    *command: object, check: bool = True, text: str | None = None, timeout: float | None = 120
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with `text` as its input; its output is in the error when it fails."""
    argv = [str(part) for part in command]
    done = subprocess.run(argv, text=True, capture_output=True, check=False, timeout=timeout, input=text or "")
    if check and done.returncode:
        raise LabError(f"{shlex.join(argv)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file of the given mode, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def link(path: Path, target: str) -> None:
    """Make a symbolic link, in place of whatever bore that name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not, however long its parent leaves it lying."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def read_pid(path: Path) -> int | None:
    """The process a pid file names, if it still runs."""
    try:
        pid = int(path.read_text())
    except (OSError, ValueError):
        return None
    return pid if alive(pid) else None


PATIENCE = 3
"""Two cores that do much else at once. A test that passes never waits so long, and speed is the benches' affair."""


def wait_for(what: str, met: Callable[[], bool], timeout: float = 20) -> None:
    """Wait until a condition holds, and fail by its name when it does not in time: ``timeout`` s on a machine of its own.

    It is looked at less and less often: most conditions start processes on a host, which would take the time of
    those that are waited for.
    """
    end = time.monotonic() + timeout * PATIENCE
    pause = 0.02
    while not met():
        if time.monotonic() > end:
            raise LabError(f"{what}: not within {timeout * PATIENCE:g} s")
        time.sleep(pause)
        pause = min(1.3 * pause, 0.25)


def spawn(log: Path, *command: object) -> int:
    """Start a background process in a session of its own, so that no terminal ends it."""
    with log.open("ab") as out:
        child = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    _children.append(child)
    return child.pid


def spawn_module(log: Path, module: str, *arguments: object) -> int:
    """Start a module of this package in the background, under whatever name the package was imported."""
    package = __package__ or "lab"
    root = Path(__file__).resolve().parents[package.count(".") + 1]
    return spawn(log, "env", f"PYTHONPATH={root}", sys.executable, "-m", f"{package}.{module}", *arguments)


def reap() -> None:
    """Collect the exit codes of background processes that ended."""
    _children[:] = [child for child in _children if child.poll() is None]


def libc(function: str, *arguments: object) -> None:
    """Call a function of the C library that Python has no name for."""
    if getattr(_libc, function)(*arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}{arguments}: {os.strerror(number)}")


def enter_netns(name: str) -> None:
    """Move this process into a named network namespace.

    `ip netns exec` would do, but it also lays a fresh /sys on top, without the control groups.
    """
    with Path("/run/netns", name).open() as handle:
        libc("setns", handle.fileno(), CLONE_NEWNET)
