"""What an agent remembers beside its journal: whether it is held, and which orders it has heard."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from pydantic import Field, ValidationError

from clavel_tui.domain.model import Model
from clavel_tui.domain.unit import Unit


class Memory(Model):
    """``held``: by whom and why; ``heard``: the number of the last order for each ref; ``released``: see deciding."""

    held: str = ""
    heard: dict[str, int] = Field(default_factory=dict)
    released: dict[str, str] = Field(default_factory=dict)


def quarantine(ref: str, stack: str) -> str:
    """What `released` calls that of a stack that comes with a ref, or where none is named that of the ref itself."""
    return f"{ref}/{stack}" if stack else ref


def quarantines(refs: Iterable[str], unit: Unit) -> dict[str, str]:
    """What `released` says where all of them are to end."""
    stacks = ["", *(stack.name for stack in unit.stacks)]
    return {quarantine(ref, stack): "*" for ref in refs for stack in stacks}


def load(file: Path) -> Memory:
    """What stands in the file; a file that is not there, or is torn, is an empty one."""
    try:
        return Memory.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return Memory()


def change(file: Path, made: Callable[[Memory], Memory]) -> Memory:
    """One change at a time, whole or not at all: `clavel-agent hold` writes here beside the daemon."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        memory = made(load(file))
        new = file.with_suffix(".new")
        with new.open("w", encoding="utf-8") as out:
            out.write(memory.model_dump_json())
            out.flush()
            os.fsync(out.fileno())
        new.replace(file)
        return memory
