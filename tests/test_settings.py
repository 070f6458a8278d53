"""Config files: what they may say, how a mistake is told, and that the system's read-only is the last word."""

import argparse
from pathlib import Path

import pytest

from clavel_tui import settings
from clavel_tui.cli.parser import build
from clavel_tui.domain.errors import SettingsError
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
