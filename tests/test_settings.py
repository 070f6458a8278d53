"""Config files: what they may say, how a mistake is told, and that the system's read-only is the last word."""

import argparse
import os
from pathlib import Path

import pytest

from clavel_tui import settings
from clavel_tui.cli.parser import build
from clavel_tui.domain.errors import SettingsError
from clavel_tui.process import user_name
from clavel_tui.settings import Settings, user_file


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's file, elsewhere."""
    monkeypatch.setattr(settings, "SYSTEM_FILE", tmp_path / "etc/config.toml")
    (tmp_path / "etc").mkdir()
    return tmp_path / "etc/config.toml"


def parsed(*words: str) -> argparse.Namespace:
    return build().parse_args(words)


def write_user(text: str) -> None:
    user_file().parent.mkdir(parents=True, exist_ok=True)
    user_file().write_text(text)


@pytest.mark.usefixtures("system")
def test_without_files_nothing_is_forbidden() -> None:
    assert Settings.of(parsed("units")) == Settings()


@pytest.mark.usefixtures("system")
@pytest.mark.parametrize("words", [("--read-only", "units"), ("units", "--read-only")])
def test_a_flag_on_either_side_of_the_verb(words: tuple[str, ...]) -> None:
    assert Settings.of(parsed(*words)).read_only == "--read-only"


@pytest.mark.usefixtures("system")
def test_the_users_file_forbids() -> None:
    write_user('read_only = true\ntheme = "light"\n[keys]\nupdate = "U"\n')
    found = Settings.of(parsed("units"))
    assert (found.read_only, found.theme, found.keys) == (str(user_file()), "light", (("update", "U"),))


def test_what_the_system_forbids_nothing_allows(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system.write_text("read_only = true\n")
    write_user("read_only = false\n")
    for name in ("CLAVEL_READ_ONLY", "CLAVEL_TUI_READ_ONLY", "READ_ONLY"):
        monkeypatch.setenv(name, "false")
    for name in ("XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "HOME"):
        monkeypatch.setenv(name, "/nowhere")
    assert Settings.of(parsed("units")).read_only == str(system)
    with pytest.raises(SystemExit):
        parsed("units", "--no-read-only")
    with pytest.raises(SystemExit):
        parsed("units", "--read-only=false")


CLAVELD = 'claveld = {{ token_file = "/t", url = "{}" }}'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("read_only = 1", "read_only is 1: should be true or false"),
        ('read_only = "no"', "read_only is 'no': should be true or false"),
        ("readonly = true", "readonly: no such key; there are read_only, theme, nix, evaluator_mib, signing_key, claveld, keys"),
        ("read_only = tru", "is not TOML: "),
        ('theme = "pink"', "theme is 'pink': should be one of dark, light, monochrome"),
        ('keys = "u"', "keys is 'u': should be a table"),
        ('keys = { updat = "u" }', "keys.updat: no such command; there are update, "),
        ("keys = { update = 1 }", "keys.update is 1: should be a key"),
        ('keys = { update = "q" }', "keys.quit is 'q': is the key of update already"),
        (
            'claveld = { listen = "a:1", url = "https://x" }',
            "claveld.url: stands beside listen: claveld runs either here or elsewhere",
        ),
        ("keys = { update = ['U'] }", "keys.update is ['U']: should be a key"),
        (CLAVELD.format("http://192.0.2.1:8420"), "claveld.url is 'http://192.0.2.1:8420': would send the token in the clear"),
        (CLAVELD.format("https://127.0.0.1:99999"), "claveld.url is 'https://127.0.0.1:99999': is no address"),
        (CLAVELD.format("https://a b"), "claveld.url is 'https://a b': is no address"),
        (CLAVELD.format("https://[::1"), "claveld.url is 'https://[::1': is no address"),
        (CLAVELD.format("https://ops:abc"), "claveld.url is 'https://ops:abc': is no address"),
        (CLAVELD.format("ftp://ops"), "claveld.url is 'ftp://ops': should begin with https://"),
        (CLAVELD.format('https://ops", plain_http = "yes'), "claveld.plain_http is 'yes': should be true or false"),
        ('claveld = { listen = "a:1", port = 1 }', "claveld.port is 1: no such key; there are listen, tls_certificate, tls_key"),
    ],
)
def test_a_mistake_is_told_and_never_passed_over(system: Path, text: str, sentence: str) -> None:
    system.write_text(text)
    with pytest.raises(SettingsError) as caught:
        Settings.of(parsed("units"))
    assert f"{system}: " in str(caught.value)
    assert sentence in str(caught.value)


def test_a_claveld_in_this_console_is_none_elsewhere(system: Path) -> None:
    system.write_text('claveld = { listen = "127.0.0.1:8420" }\n')
    settings = Settings.of(parsed("units"))
    assert (settings.claveld, settings.nats, dict(settings.serve)) == ((), None, {"listen": "127.0.0.1:8420"})


def test_a_system_file_that_cannot_be_read_ends_the_start(system: Path) -> None:
    system.mkdir()
    with pytest.raises(SettingsError) as caught:
        Settings.of(parsed("units"))
    assert "cannot be read" in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://ops:8420", "http://127.0.0.1:8420", "http://[::1]:1/x", 'http://ops", plain_http = true, ca_file = "']
)
def test_an_address_that_can_be_meant(system: Path, url: str) -> None:
    system.write_text(CLAVELD.format(url))
    assert dict(Settings.of(parsed("units")).claveld)["url"] == url.partition('"')[0]


def test_files_are_meant_from_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    files = Settings.of(parsed("units", "--ssh-config", "mine", "--known-hosts", "hosts", "--identity", "key")).ssh_files
    assert (files.config, files.known_hosts, files.identity) == ((tmp_path / "mine",), tmp_path / "hosts", tmp_path / "key")


def test_a_database_that_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is a folder: name a file"):
        Settings.of(parsed("units", "--db", str(tmp_path)))


def test_who_has_no_home_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(_name: str) -> Path:
        raise RuntimeError("could not determine the home directory")

    monkeypatch.setattr("platformdirs.user_config_path", nowhere)
    with pytest.raises(SettingsError, match="HOME: is not set"):
        Settings.of(parsed("units"))


def test_who_has_no_name_has_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])
    assert user_name() == str(os.getuid())
