"""One command on the unit: asked whether the token is good before anything is written."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clavel_tui.agent_wiring import main
from clavel_tui.domain.agent import Role
from clavel_tui.inventory.load import load_agent
from tests.claveld.test_fuzz import Served


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(tmp_path_factory.mktemp("claveld"))
    yield served
    served.stop()


def enrol(monkeypatch: pytest.MonkeyPatch, folder: Path, url: str, token: str, name: str = "amber") -> int:
    monkeypatch.setattr(sys, "stdin", io.StringIO(token + "\n"))
    return main(["--config", str(folder / "etc/agent.toml"), "enrol", url, "--name", name])


def test_what_it_writes_is_what_the_agent_reads(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert enrol(monkeypatch, tmp_path, served.url, served.tokens[Role.AGENT]) == 0
    assert "amber should run /nix/store/" in capsys.readouterr().out
    unit, claveld = load_agent(tmp_path / "etc/agent.toml")
    assert (unit.name, unit.address, claveld.url) == ("amber", "local", served.url)
    token = Path(claveld.token_file)
    assert token.read_text().strip() == served.tokens[Role.AGENT]
    assert token.stat().st_mode & 0o777 == 0o600
    assert enrol(monkeypatch, tmp_path, served.url, "other") == 3
    assert "is there already" in capsys.readouterr().err
    assert token.read_text().strip() == served.tokens[Role.AGENT]


@pytest.mark.parametrize(
    ("url", "token", "name", "word"),
    [
        ("", "clv_agent_wrong", "amber", "says 401"),
        ("", "", "amber", "no token was said"),
        ("", "{agent}", "beryl", "says 403: amber may not ask for beryl"),
        ("http://127.0.0.1:9", "{agent}", "amber", "cannot be reached"),
    ],
)
def test_what_is_not_good_writes_nothing(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    url: str, token: str, name: str, word: str,
) -> None:  # fmt: skip
    assert enrol(monkeypatch, tmp_path, url or served.url, token.format(agent=served.tokens[Role.AGENT]), name) == 3
    assert word in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == []
