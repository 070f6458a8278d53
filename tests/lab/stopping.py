"""A console that stops at one boundary of its journal: killed there, or held until the test lets it go on.

Started as ``python -m tests.lab.stopping BOUNDARY kill|wait FOLDER -- WORDS OF THE COMMAND LINE``.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from clavel_tui.cli.parser import build
from clavel_tui.settings import Settings
from clavel_tui.wiring import Wiring, run_verb

from .console import Console

ROOT = Path(__file__).resolve().parents[2]


def stopping(console: Console, boundary: str, way: str, folder: Path, *words: str) -> "subprocess.Popen[str]":
    """Start a command of that console; it stops at the boundary."""
    folder.mkdir(parents=True)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "tests.lab.stopping", boundary, way, str(folder), "--", *console._argv(*words)[1:]],
        env=console.environ(ROOT), text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def main(boundary: str, way: str, folder: str, *words: str) -> int:
    """Run one command; ``FOLDER/there`` says that the boundary was reached, ``FOLDER/go`` lets it go on."""

    def checkpoint(name: str) -> None:
        if name != boundary or Path(folder, "there").exists():
            return
        Path(folder, "there").touch()
        if way == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        while not Path(folder, "go").exists():
            time.sleep(0.02)

    args = build().parse_args(words)
    return run_verb(args, Wiring(Settings.of(args), checkpoint))


if __name__ == "__main__":
    sys.exit(main(*(word for word in sys.argv[1:] if word != "--")))
