"""agent.toml: what is wrong is said with file, key, value and what to do; and an agent imports little."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from clavel_tui.agent_wiring import main

GOOD = """\
name = "amber"
type = "nixos"
arch = "x86_64-linux"
[claveld]
url = "https://claveld.example.org:8420"
token_file = "{token}"
"""


def run(tmp_path: Path, text: str, *words: str) -> int:
    (tmp_path / "agent.toml").write_text(text.format(token=tmp_path / "token"))
    return main(["--config", str(tmp_path / "agent.toml"), "--own", str(tmp_path / "own"), *words])


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (("https://", "http://"), "claveld.url is 'http://claveld.example.org:8420': would send the token in the clear: say https"),
        (("url =", "urk ="), "claveld.urk: no such key"),
        (('url = "https://claveld.example.org:8420"\n', ""), "claveld.url: is missing: say where claveld is"),
        (("token_file", 'nats = {{ url = "tls://a:1" }}\ntoken_file'), "claveld.nats: stands beside url"),
        (
            ('url = "https://claveld.example.org:8420"', 'nats = {{ url = "nats://a:1" }}'),
            "claveld.nats.url is 'nats://a:1': would send the token in the clear: say tls://",
        ),
        (("arch", "arck"), "arck"),
        (('"nixos"', '"windows"'), "type is 'windows'"),
        (("[claveld]", '[stacks.web]\npath = "srv/web"\n[claveld]'), "stacks.web.path is 'srv/web': must be an absolute folder"),
        (("[claveld]", "[claveld"), "is not TOML"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], change: tuple[str, str], word: str) -> None:
    assert run(tmp_path, GOOD.replace(*change), "run") == 2
    assert word in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "mode", "word"),
    [
        (None, 0, "put the token of `claveld agent add` there"),
        ("x\n", 0o644, "can be read by others: chmod 600"),
        ("", 0o600, "no token"),
    ],
)
def test_a_token_is_kept_as_a_key_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, mode: int, word: str
) -> None:
    if text is not None:
        (tmp_path / "token").write_text(text)
        (tmp_path / "token").chmod(mode)
    assert run(tmp_path, GOOD, "run") == 2
    assert word in capsys.readouterr().err


def test_hold_and_release_are_remembered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, GOOD, "hold", "until Monday") == 0
    assert run(tmp_path, GOOD, "status") == 0
    assert ": until Monday\n0 reports wait for claveld" in capsys.readouterr().out
    assert run(tmp_path, GOOD, "release") == 0
    assert run(tmp_path, GOOD, "status") == 0
    assert "not held" in capsys.readouterr().out


def test_an_agent_imports_no_face_no_ssh_and_no_server() -> None:
    text = """
import sys, asyncio
from pathlib import Path
from clavel_tui import agent_wiring
from clavel_tui.domain.unit import Unit, UnitType
from clavel_tui.inventory.schema import ClaveldTable
token = Path(sys.argv[1], "token"); token.write_text("x"); token.chmod(0o600)
unit = Unit(name="amber", type=UnitType.LINUX, arch="x86_64-linux", address="local", state=sys.argv[1] + "/state")
async def once():
    async with agent_wiring.opened(unit, ClaveldTable(url="http://127.0.0.1:9", token_file=str(token)), Path(sys.argv[1])):
        pass
asyncio.run(once())
there = {name.partition(".")[0] for name in sys.modules}
print(sorted(there & {"textual", "rich", "asyncssh", "fastapi", "starlette", "uvicorn", "watchfiles", "cryptography", "httpx"}))
"""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([sys.executable, "-c", text, folder], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
