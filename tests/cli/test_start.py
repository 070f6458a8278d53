"""What has to be imported before something is seen: the heavy parts come behind the first paint."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

CHECK = """
import json, os, sys
from clavel_tui import wiring
from clavel_tui.tui import splash

HEAVY = ("asyncssh", "cryptography", "aiosqlite", "textual", "pydantic")
found = {}

def loaded():
    return [name for name in HEAVY if name in sys.modules]

draw = splash.draw
def drawn(frame):
    found["kept frame"] = loaded()
    return draw(frame)
splash.draw = drawn
sys.stdin.isatty = sys.stdout.isatty = lambda: True

def first_paint():
    from textual.app import App
    display, run = App._display, App.run_async
    def painted(self, screen, renderable):
        display(self, screen, renderable)
        if self._running and screen.is_current:
            found["panes"] = loaded()
            print("FOUND" + json.dumps(found), file=sys.__stderr__, flush=True)
            os._exit(0)
    App._display = painted
    App.run_async = lambda self: run(self, headless=True)

fleet = wiring.Wiring.fleet
def opened(self):
    answer = fleet(self)
    first_paint()
    return answer
wiring.Wiring.fleet = opened
wiring.main()
"""


def test_what_is_imported_before_the_first_paint(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    (hosts / "nas").mkdir(parents=True)
    (hosts / "fleet.toml").write_text('name = "home"\n')
    (hosts / "nas" / "unit.toml").write_text(
        'name = "nas"\ntype = "linux"\narch = "x86_64-linux"\naddress = "127.0.0.1"\nport = 1\n'
    )
    argv = [sys.executable, "-c", CHECK, "--fleet", str(hosts), "--db", str(tmp_path / "journal.db")]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    (said,) = [line for line in done.stderr.splitlines() if line.startswith("FOUND")] or [done.stderr]
    found = json.loads(said.removeprefix("FOUND"))
    assert found["kept frame"] == []
    assert "asyncssh" not in found["panes"]
    assert "textual" in found["panes"]
