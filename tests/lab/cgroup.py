"""Control groups (version 1): one a host, in every hierarchy, and one for the lab's own helpers.

They are how a host is frozen and limited, and how every process of a lab is found at its end,
whatever became of pid files and parents.
"""

import os
import signal
import time
from pathlib import Path

from .shell import LabError, reap

ROOT = Path("/sys/fs/cgroup")
HELPERS = "helpers"


def hierarchies() -> list[str]:
    """The version 1 hierarchies mounted on this machine."""
    return sorted(
        path.name for path in ROOT.iterdir()
        if path.name != "unified" and not path.is_symlink() and (path / "cgroup.procs").exists()
    )  # fmt: skip


def check() -> None:
    """Refuse a machine whose control groups the lab cannot use."""
    missing = {"freezer", "memory", "devices"} - set(hierarchies())
    if missing:
        raise LabError(f"the lab needs cgroup v1 hierarchies; this machine has none for {', '.join(sorted(missing))}")


def join(lab: str, host: str) -> None:
    """Move this process, and so all it will start, into a host's groups."""
    for hierarchy in hierarchies():
        group = ROOT / hierarchy / lab / host
        group.mkdir(parents=True, exist_ok=True)
        if hierarchy == "cpuset":
            _allow_all_cpus(group)
        (group / "cgroup.procs").write_text("0")


def _allow_all_cpus(group: Path) -> None:
    # A new cpuset allows nothing, and no process may enter it, until it is told otherwise.
    for name in ("cpuset.cpus", "cpuset.mems"):
        for level in (group.parent, group):
            (level / name).write_text((ROOT / "cpuset" / name).read_text())


def adopt(lab: str, pid: int) -> None:
    """Put a helper process (keeper, relay, registry) where the end of the lab will find it."""
    group = ROOT / "freezer" / lab / HELPERS
    group.mkdir(parents=True, exist_ok=True)
    (group / "cgroup.procs").write_text(str(pid))


def freeze(lab: str, host: str) -> None:
    """Stop every process of a host between two instructions; its kernel still answers."""
    (ROOT / "freezer" / lab / host / "freezer.state").write_text("FROZEN")


def thaw(lab: str, host: str) -> None:
    """Let a frozen host go on."""
    state = ROOT / "freezer" / lab / host / "freezer.state"
    if state.exists():
        state.write_text("THAWED")


def limit_memory(lab: str, host: str, mib: int | None) -> None:
    """Bound a host's memory; past it the kernel's OOM killer chooses a process. None lifts the bound."""
    limit = ROOT / "memory" / lab / host / "memory.limit_in_bytes"
    if not limit.exists():
        return
    try:
        limit.write_text(str(-1 if mib is None else mib << 20))
    except OSError as error:  # what is in use and cannot be reclaimed is more than that
        raise LabError(f"{host} cannot be limited to {mib} MiB: {error}") from error


def processes(lab: str) -> list[int]:
    """Every process of a lab: those of its hosts and its helpers."""
    found: list[int] = []
    for group in _tree(ROOT / "freezer" / lab):
        try:
            found += [int(line) for line in (group / "cgroup.procs").read_text().split()]
        except OSError:  # the group was removed meanwhile
            continue
    return found


def kill_all(lab: str, timeout: float = 20) -> None:
    """Kill every process of a lab, frozen ones too, until none is left."""
    end = time.monotonic() + timeout
    while pids := processes(lab):
        if time.monotonic() > end:
            raise LabError(f"{lab}: processes {pids} do not end")
        _kill_once(lab, pids)
        reap()
        time.sleep(0.02)


def _kill_once(lab: str, pids: list[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    # A frozen process takes its signal only when thawed; `docker pause` freezes below the host's group.
    for group in _tree(ROOT / "freezer" / lab):
        try:
            (group / "freezer.state").write_text("THAWED")
        except OSError:
            continue


def remove(lab: str, timeout: float = 10) -> None:
    """Remove the groups of a lab, which must hold no process any more."""
    for hierarchy in hierarchies():
        end = time.monotonic() + timeout
        top = ROOT / hierarchy / lab
        while top.exists():
            for group in _tree(top):
                _remove_one(group)
            if top.exists() and time.monotonic() > end:
                raise LabError(f"{top} cannot be removed")


def _remove_one(group: Path) -> None:
    try:
        group.rmdir()
    except FileNotFoundError:
        pass
    except OSError:  # it stays busy for a moment after its last process is gone
        time.sleep(0.01)


def _tree(top: Path) -> list[Path]:
    """A group and those below it, deepest first; os.walk does not mind groups that vanish meanwhile."""
    return [Path(folder) for folder, _, _ in os.walk(top, topdown=False)]
