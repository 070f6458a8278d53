"""claveld that is told to end while it begins anew ends: a signal that is lost there is a machine that hangs at shutdown."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

UNIT = 'name = "amber"\ntype = "nixos"\narch = "x86_64-linux"\naddress = "{}"\n'
CLAVELD = [sys.executable, "-c", "import sys; from clavel_tui.claveld_wiring import main; sys.exit(main())"]


def until_said(log: Path, process: subprocess.Popen[bytes], words: str, each_second: Callable[[], object] = list) -> None:
    for turn in range(6000):
        assert process.poll() is None, log.read_text()
        if turn % 100 == 0:
            each_second()
        if words in log.read_text():
            return
        time.sleep(0.01)
    raise AssertionError(f"it does not say {words}: {log.read_text()}")


@pytest.mark.parametrize("later", [0.0, 0.02, 0.05, 0.1, 0.2, 0.4])
@pytest.mark.parametrize("seen", [True, False])
def test_told_to_end_while_it_begins_anew(tmp_path: Path, later: float, *, seen: bool) -> None:
    """``seen``: it has noticed that its files are others; else it notices while it ends."""
    unit, log, file = tmp_path / "hosts/amber/unit.toml", tmp_path / "log", tmp_path / "claveld.toml"
    unit.parent.mkdir(parents=True)
    unit.write_text(UNIT.format("amber"))
    (tmp_path / "hosts/fleet.toml").write_text('name = "home"\n')
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = {"fleet": tmp_path / "hosts", "listen": f"127.0.0.1:{port}", "database": tmp_path / "claveld.db"}
    file.write_text("".join(f'{key} = "{value}"\n' for key, value in said.items()))
    with log.open("wb") as stream, subprocess.Popen([*CLAVELD, "--config", str(file), "serve"], stderr=stream) as process:
        try:
            until_said(log, process, "Uvicorn running")
            changing = iter(range(100))
            if seen:
                until_said(log, process, "beginning anew", lambda: unit.write_text(UNIT.format(f"amber-{next(changing)}")))
            else:
                time.sleep(0.5)  # by now the folder is watched
                unit.write_text(UNIT.format("another"))
            time.sleep(later)
            process.send_signal(signal.SIGTERM)
            process.wait(60)
        finally:
            process.kill()
