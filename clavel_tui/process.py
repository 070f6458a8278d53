"""Names of processes in the journal, so that one that is dead is told from one that goes on."""

from __future__ import annotations

import getpass
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clavel_tui.domain.operation import Origin


def user_name() -> str:
    """Who runs this; a number where nobody knows a name, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def current_folder() -> Path:
    """Where we are.

    Raises:
        RefusedError: it has been removed meanwhile.
    """
    try:
        return Path.cwd()
    except FileNotFoundError as error:
        from clavel_tui.domain.errors import RefusedError

        raise RefusedError("the current folder is gone", "go into another one") from error


async def origin() -> Origin:
    """By whom: of a daemon, or a console without the fleet's files: neither works from a repository."""
    from clavel_tui.domain.operation import Origin

    return Origin(operator=user_name(), host=socket.gethostname())


def runner_name(pid: int) -> str:
    """Names a process so that a later one with the same number is not taken for it."""
    try:
        born = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[19]
    except OSError:
        born = "0"
    return f"{socket.gethostname()}:{pid}:{born}"


def is_alive(runner: str) -> bool:
    """Whether the process of that name still runs; one on another machine is taken to live, since we cannot look."""
    host, _, rest = runner.partition(":")
    pid = rest.partition(":")[0]
    if host != socket.gethostname():
        return True
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        pass
    return runner_name(int(pid)) == runner
