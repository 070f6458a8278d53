"""The console as a test runs it in a terminal: asked by SIGUSR1, it writes down what each of its threads and tasks waits for."""

import asyncio
import faulthandler
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from clavel_tui.wiring import main

IDLE = " _get_message\n"
"""A widget that nobody has told anything: there are hundreds."""


def chain(task: asyncio.Task[object]) -> Iterator[str]:
    """Where a task stands, from the outermost coroutine to the one that waits: Task.get_stack knows the outermost alone."""
    waits: object = task.get_coro()
    while waits is not None:
        if frame := getattr(waits, "cr_frame", None) or getattr(waits, "gi_frame", None):
            yield f"    {frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}"
        waits = getattr(waits, "cr_await", None) or getattr(waits, "gi_yieldfrom", None)


def watch(path: Path) -> None:
    """From now on SIGUSR1 fills that file, which holds the process's number until then."""

    def write(*_: object) -> None:
        with path.open("w") as file:
            faulthandler.dump_traceback(file, all_threads=True)
            try:
                tasks = asyncio.all_tasks()
            except RuntimeError as error:  # no loop runs
                file.write(f"{error}\n")
            else:
                file.writelines(told for task in tasks if IDLE not in (told := "\n".join((task.get_name(), *chain(task), ""))))
            file.write("end\n")

    path.write_text(f"{os.getpid()}\n")
    signal.signal(signal.SIGUSR1, write)


if __name__ == "__main__":
    watch(Path(sys.argv.pop(1)))
    sys.exit(main())
