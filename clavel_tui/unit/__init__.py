"""What runs on the far side: POSIX sh as package data. The console, the agent and nix/ use the very same files."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def script(name: str) -> str:
    """The text of one script of this folder, such as ``job.sh`` or ``probe/host.sh``."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def job_files(body: str, *libraries: str) -> dict[str, tuple[bytes, int]]:
    """The scripts of a job whose body is ``body``: name there → (text, mode)."""
    names = {name: name for name in ("job.sh", "lib.sh", *libraries)} | {"body.sh": body}
    return {name: (script(source).encode(), 0o700) for name, source in names.items()}
