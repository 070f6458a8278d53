"""Every shell and every set of tools that a unit may have."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .supervisor import Supervisor
from .systems import SystemUnit

MACHINES = ("dash-linux", "bash-linux", "bash-darwin", "busybox-busybox")  # Debian, NixOS, macOS, Alpine


@pytest.fixture(params=MACHINES)
def unit(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Supervisor]:
    """A unit that never had a job, on each kind of machine in turn."""
    shell, tools = request.param.split("-")
    if "busybox" in (shell, tools) and not shutil.which("busybox"):
        pytest.skip("this machine has no busybox")
    yield from _unit(tmp_path, shell, tools)


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Supervisor]:
    """A unit on the plainest machine, for what does not depend on the shell."""
    yield from _unit(tmp_path, "dash", "linux")


@pytest.fixture
def web(unit: Supervisor) -> SystemUnit:
    """On each kind of machine."""
    return SystemUnit(unit)


@pytest.fixture
def plain(one: Supervisor) -> SystemUnit:
    """On the plainest one."""
    return SystemUnit(one)


def _unit(folder: Path, shell: str, tools: str) -> Iterator[Supervisor]:
    made = Supervisor(folder, shell, tools)
    yield made
    made.end()
