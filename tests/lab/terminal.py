"""A real terminal: the console in tmux, keys typed into it, and the screen as a person would see it."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from .console import PROGRAM
from .pull import ROOT
from .shell import PATIENCE


class Terminal:
    """One tmux server with one window of the given size."""

    def __init__(self, argv: Sequence[str], *, width: int = 120, height: int = 35, env: dict[str, str] | None = None) -> None:
        self._socket = f"clavel-{os.getpid()}-{id(self)}"
        self._waits = Path(tempfile.mkdtemp(prefix="clavel-"), "waits")
        watched = [f"PYTHONPATH={ROOT}", sys.executable, "-m", "tests.lab.watched", str(self._waits)]
        program = [*watched, *argv[1:]] if argv[0] == str(PROGRAM) else list(argv)
        self._argv = [*(f"{k}={v}" for k, v in (env or {}).items()), *program]
        self._size = (str(width), str(height))

    def __enter__(self) -> Self:
        width, height = self._size
        line = f"env -u COLUMNS -u LINES {shlex.join(self._argv)}; echo; echo ended with $?; sleep 600"
        self._tmux("new-session", "-d", "-x", width, "-y", height, line)
        return self

    def __exit__(self, *_: object) -> None:
        self._tmux("kill-server", check=False)
        shutil.rmtree(self._waits.parent)

    def press(self, *keys: str) -> None:
        """Type keys, by tmux's names."""
        self._tmux("send-keys", *keys)

    @property
    def screen(self) -> str:
        """What is seen now."""
        return self._tmux("capture-pane", "-p")

    @property
    def waits(self) -> str:
        """What the console's threads and tasks wait for now: whether it hangs, or has never been asked."""
        said = self._waits.read_text() if self._waits.exists() else ""
        try:
            os.kill(int(said), signal.SIGUSR1)
        except (ValueError, ProcessLookupError):
            return f"its process is not there: {said}"
        end = time.monotonic() + 5
        while time.monotonic() < end and not (said := self._waits.read_text()).endswith("end\n"):
            time.sleep(0.05)
        return said

    def until(self, *texts: str, timeout: float = 60) -> str:
        """Wait until all of the texts are seen; the screen then."""
        end = time.monotonic() + timeout * PATIENCE
        while time.monotonic() < end:
            screen = self.screen
            if all(text in screen for text in texts):
                return screen
            time.sleep(0.05)
        raise AssertionError(f"never saw {texts}; the screen is\n{self.screen}\n{self.waits}")

    def until_gone(self, text: str, timeout: float = 60) -> None:
        """Wait until that is not seen any more."""
        end = time.monotonic() + timeout * PATIENCE
        while text in self.screen:
            assert time.monotonic() < end, f"{text} is still there; the screen is\n{self.screen}\n{self.waits}"
            time.sleep(0.05)

    def until_still(self, pause: float) -> None:
        """Wait so long for an answer to begin, then until the screen stands still; two seconds at most, for one that ticks."""
        time.sleep(pause)
        end = time.monotonic() + 2
        seen = self.screen
        while time.monotonic() < end:
            time.sleep(0.05)
            seen, before = self.screen, seen
            if seen == before:
                return

    def _tmux(self, *words: str, check: bool = True) -> str:
        done = subprocess.run(
            ["tmux", "-L", self._socket, "-f", "/dev/null", *words], capture_output=True, text=True, check=check
        )
        return done.stdout
