"""The process that stands for a host's hardware: boots it, and boots it again when it asks to.

In a pid namespace reboot(2) ends pid 1 with SIGHUP (restart) or SIGINT (halt); a power cut is a
SIGKILL to pid 1 from outside, upon which the kernel ends all other processes of the host.
"""

import os
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

from . import cgroup, network
from .boot import boot
from .plan import Plan
from .shell import (
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWTIME,
    CLONE_NEWUTS,
    PR_SET_PDEATHSIG,
    enter_netns,
    libc,
)

FIRMWARE_SECONDS = 0.3
RESTART = int(signal.SIGHUP)


def keep(plan: Plan, host: str) -> None:
    """Keep a host running until it halts, crashes or loses its power."""
    while True:
        network.plug(plan, host)
        end = _boot_once(plan, host)
        network.unplug(plan, host)
        (plan.home(host) / "init.pid").unlink(missing_ok=True)
        print(f"{host}: pid 1 ended with {end}", flush=True)
        if end != RESTART:
            return
        time.sleep(FIRMWARE_SECONDS)


def _boot_once(plan: Plan, host: str) -> int:
    """Boot in a child, since a process can make a new pid namespace for its children only once."""
    child = os.fork()
    if child == 0:
        libc("prctl", PR_SET_PDEATHSIG, int(signal.SIGKILL))
        _make_host(plan, host)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _make_host(plan: Plan, host: str) -> NoReturn:
    """Make the namespaces, fork their pid 1, and end with the number of the signal that ended it."""
    cgroup.join(plan.name, host)
    enter_netns(plan.netns(host))
    libc("unshare", CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID)
    _reset_uptime()
    pid = os.fork()
    if pid == 0:
        libc("prctl", PR_SET_PDEATHSIG, int(signal.SIGKILL))  # no host without its keeper
        os.setsid()
        boot(plan, host)
    (plan.home(host) / "init.pid").write_text(str(pid))
    status = os.waitpid(pid, 0)[1]
    os._exit(os.WTERMSIG(status) if os.WIFSIGNALED(status) else 100)


def _reset_uptime() -> None:
    libc("unshare", CLONE_NEWTIME)
    up = int(float(Path("/proc/uptime").read_text().split()[0]))
    Path("/proc/self/timens_offsets").write_text(f"boottime -{up} 0\nmonotonic -{up} 0\n")


if __name__ == "__main__":
    keep(Plan.load(int(sys.argv[1])), sys.argv[2])
