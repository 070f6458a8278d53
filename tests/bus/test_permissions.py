"""What nats-server.conf is to say, and what the files that name a server may."""

from __future__ import annotations

import re
import stat
import sys
from pathlib import Path

import pytest

from clavel_tui.bus.link import Link
from clavel_tui.bus.permissions import NKEY, accounts, new_seed
from clavel_tui.claveld.config import read
from clavel_tui.domain.agent import Agent, AgentSpecification
from clavel_tui.domain.broker import Broker
from clavel_tui.domain.errors import RefusedError, SettingsError
from clavel_tui.settings import read_config

KEY = "U" + "A" * 55
BROKER = Broker(url="tls://nats.example.org:4222")


def agent(name: str, *refs: str, **known: str) -> Agent:
    return Agent(name=name, metadata=known, specification=AgentSpecification(deployments=refs))


def test_an_agent_is_allowed_what_is_its_own() -> None:
    said = accounts(BROKER, [agent("amber", "amber", "gate", nkey=KEY), agent("beryl", "beryl")], [KEY], [])
    assert said.count("nkey:") == 2  # one without a key is not known there
    line = next(line for line in said.splitlines() if line.endswith("# amber"))
    publish, subscribe = re.findall(r"\[(.*?)\]", line)
    assert publish.split(", ") == [
        '"clavel.ask"', '"clavel.ask.*"', '"$KV.clavel-beats.amber"',
        '"$JS.API.DIRECT.GET.KV_clavel-refs.$KV.clavel-refs.ref.amber"',
        '"$JS.API.DIRECT.GET.KV_clavel-refs.$KV.clavel-refs.ref.gate"',
        '"$JS.API.DIRECT.GET.KV_clavel-refs.$KV.clavel-refs.told.amber"',
    ]  # fmt: skip
    assert subscribe.split(", ") == [
        '"_INBOX.agent-amber.>"', '"clavel.now.ref.amber"', '"clavel.now.ref.gate"', '"clavel.now.told.amber"',
    ]  # fmt: skip


def test_another_prefix_is_another_fleet() -> None:
    said = accounts(BROKER.model_copy(update={"prefix": "lab"}), [agent("amber", "amber", **{NKEY: KEY})], [], [KEY])
    assert "clavel" not in said.replace("claveld", "")


def test_a_key_is_its_owners_and_never_written_over(tmp_path: Path) -> None:
    public = new_seed(tmp_path / "nkey")
    assert re.fullmatch(r"U[A-Z2-7]{55}", public)
    assert stat.S_IMODE((tmp_path / "nkey").stat().st_mode) == 0o600
    before = (tmp_path / "nkey").read_text()
    with pytest.raises(RefusedError, match="File exists"):
        new_seed(tmp_path / "nkey")
    assert (tmp_path / "nkey").read_text() == before


@pytest.mark.parametrize("key", ["nkey_file", "credentials_file", "ca_file"])
def test_a_file_that_cannot_be_read_is_named_at_once(key: str) -> None:
    with pytest.raises(RefusedError, match=rf"nats.{key}: /nowhere/it cannot be read"):
        Link(BROKER.model_copy(update={key: "/nowhere/it"}), "test")


@pytest.mark.parametrize(
    ("url", "clear"),
    [
        ("tls://a:1", False),
        ("nats://127.0.0.1:1", False),
        ("nats://localhost:1", False),
        ("nats://a:1", True),
        ("nats://[::1]:1", False),
    ],
)
def test_what_others_could_read_is_known(url: str, clear: bool) -> None:
    assert Broker(url=url).in_the_clear is clear
    assert not Broker(url=url, plain=True).in_the_clear


@pytest.mark.parametrize(
    ("nats", "word"),
    [
        ('url = "nats://nats.example.org:4222"', "nats.url is 'nats://nats.example.org:4222': others could write there"),
        ('url = "http://x"', "nats.url is 'http://x': String should match"),
        ("", "nats.url: is missing: say where the NATS server is"),
        ('url = "tls://a:1"\nurk = "x"', "nats.urk is 'x': no such key; there are url, prefix"),
        ('url = "tls://a:1"\nprefix = "a.b"', "nats.prefix is 'a.b'"),
    ],
)
def test_claveld_names_what_is_wrong(tmp_path: Path, nats: str, word: str) -> None:
    (tmp_path / "claveld.toml").write_text(f'fleet = "/srv/fleet"\n[nats]\n{nats}\n')
    with pytest.raises(SettingsError) as caught:
        read(tmp_path / "claveld.toml")
    assert word in caught.value.text


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ('url = "https://x"\ntoken_file = "t"\n[claveld.nats]\nurl = "tls://a:1"', "claveld.nats: stands beside url"),
        ('[claveld.nats]\nurl = "tls://a:1"', "claveld.token_file: is missing"),
        (
            'token_file = "t"\n[claveld.nats]\nurl = "nats://a:1"',
            "claveld.nats.url is 'nats://a:1': would send the token in the clear",
        ),
        ('token_file = "t"\n[claveld.nats]\nurk = "x"', "claveld.nats.url"),
        ('token_file = "t"\nnats = "x"', "claveld.nats is 'x'"),
    ],
)
def test_a_console_names_what_is_wrong(tmp_path: Path, said: str, word: str) -> None:
    (tmp_path / "config.toml").write_text(f"[claveld]\n{said}\n")
    with pytest.raises(SettingsError) as caught:
        read_config(tmp_path / "config.toml")
    assert word in caught.value.text


def test_without_nats_py_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "nats"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "nats", None)
    with pytest.raises(RefusedError) as caught:
        Link(BROKER, "test")
    assert "is not installed" in caught.value.text
    assert "clavel-tui[nats]" in caught.value.hint
