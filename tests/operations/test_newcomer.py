"""What a host tells of its stacks is data: where its files may go, and what is adopted at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.facts import Container
from clavel_tui.fleet.newcomer import FoundStack, FoundUnit
from clavel_tui.inventory import load_fleet
from clavel_tui.inventory import write as write_module
from clavel_tui.inventory.write import declared_stacks, write_stack, write_unit
from clavel_tui.operations.newcomer import InProcessNewcomer, _refusal, _unlike_compose, is_plain
from clavel_tui.remote.trust import SshFiles, aliases


@pytest.mark.parametrize("name", ["compose.yaml", ".env", "conf/a b.txt", "..x", "日本.txt"])
def test_a_plain_name(name: str) -> None:
    assert is_plain(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/etc/passwd",
        "../x",
        "a/../../x",
        "./../../../../.git/hooks/pre-commit",
        ".git/config",
        "a/.GIT/x",
        "a//b",
        ".",
        "a\nb",
        "a\\b",
    ],
)
def test_a_name_that_leaves_its_folder(name: str) -> None:
    assert not is_plain(name)


def test_nothing_is_written_where_one_name_leaves_the_folder(tmp_path: Path) -> None:
    files = {"compose.yaml": (b"services: {}", 0o644), "../../../../.git/hooks/pre-commit": (b"#!/bin/sh", 0o755)}
    with pytest.raises(RefusedError, match="is no place below"):
        write_stack(tmp_path / "hosts", "pi", "web", files)
    assert not list(tmp_path.rglob("*"))


def container(config_files: str, folder: str = "/srv/web", project: str = "web") -> Container:
    return Container(
        project=project, service="app", id="1", image="2", state="running", working_dir=folder, config_files=config_files
    )


@pytest.mark.parametrize(
    ("files", "there", "words"),
    [
        ("/srv/web/compose.yaml", {"compose.yaml"}, ""),
        ("/srv/web/compose.yaml,/srv/web/compose.override.yaml", {"compose.yaml", "compose.override.yaml"}, ""),
        ("/srv/web/compose.yaml", set(), "none of compose.yaml"),
        ("/srv/web/stack.yml", {"stack.yml"}, "none of compose.yaml"),
        ("/srv/web/stack.yml", {"stack.yml", "compose.yaml"}, "it was started from stack.yml"),
        (
            "/srv/web/compose.yaml,/srv/web/prod.yaml",
            {"compose.yaml", "prod.yaml"},
            "it was started from compose.yaml, prod.yaml",
        ),
    ],
)
def test_only_what_compose_would_choose_by_itself_is_adopted(files: str, there: set[str], words: str) -> None:
    found = _unlike_compose(container(files), there)
    assert found.startswith(words) if words else found == ""


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (container("/srv/web/compose.yaml"), ""),
        (container("/etc/x/compose.yaml"), "which is not in its folder /srv/web"),
        (container("", folder=""), "does not say in which folder"),
        (container("", project="Odd Name"), "its name is none"),
    ],
)
def test_why_a_project_cannot_be_adopted(one: Container, words: str) -> None:
    assert words in _refusal(one) if words else _refusal(one) == ""


def stack(name: str = "web", path: str = "/opt/web") -> FoundStack:
    return FoundStack(
        name=name, path=path, files={"compose.yaml": (b"services: {}", 0o644), ".env": (b"S=1", 0o600)}, data=("data",)
    )


def newcomer() -> InProcessNewcomer:
    return InProcessNewcomer(None, SshFiles(config=()))  # type: ignore[arg-type]


def test_what_is_written_can_be_read_and_secrets_stay_secret(tmp_path: Path) -> None:
    newcomer().write(str(tmp_path), "home", [FoundUnit(name="pi", address="pi.lan", user="ada", stacks=(stack(),))])
    (unit,) = load_fleet(tmp_path / "hosts").units
    assert (unit.user, unit.stacks[0].path, unit.stacks[0].data) == ("ada", "/opt/web", ("data",))
    assert (tmp_path / "hosts/pi/compose/web/.env").stat().st_mode & 0o777 == 0o600


def test_a_stack_of_a_unit_that_is_there_is_left_unless_its_file_names_it(tmp_path: Path) -> None:
    """Without its table it would be deployed to another folder than where it runs, beside its data."""
    newcomer().write(str(tmp_path), "home", [FoundUnit(name="pi", address="pi.lan")])
    said = newcomer().write(str(tmp_path), "home", [FoundUnit(name="pi", address="pi.lan", stacks=(stack(),))])
    assert any(line.startswith("left     web") and '"/opt/web"' in line for line in said)
    assert not (tmp_path / "hosts/pi/compose").exists()
    assert load_fleet(tmp_path / "hosts").units[0].stacks == ()


def test_hosts_of_ssh_config_without_patterns(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text('Host nas pi\n  User ada\nHost *.lan !x\nhost="box"\nMatch all\n')
    assert aliases(SshFiles(config=(file,))) == ["nas", "pi", "box"]
    assert aliases(SshFiles(config=(tmp_path / "none",))) == []


def test_secrets_that_are_copied_stay_out_of_git(tmp_path: Path) -> None:
    units = [FoundUnit(name="pi", address="pi.lan", stacks=(stack(),))]
    newcomer().write(str(tmp_path), "home", units)
    assert "/hosts/pi/compose/web/.env" in (tmp_path / ".gitignore").read_text().splitlines()
    assert "compose.yaml" not in (tmp_path / ".gitignore").read_text()
    (tmp_path / ".gitignore").write_text("mine\n")
    said = newcomer().write(str(tmp_path), "home", units)
    assert (tmp_path / ".gitignore").read_text() == "mine\n"
    assert any("hosts/pi/compose/web/.env: see that .gitignore covers it" in line for line in said)


def test_a_stack_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = write_module._write

    def full(file: Path, content: bytes, mode: int) -> None:
        if file.name == ".env":
            raise OSError(28, "No space left on device")
        write(file, content, mode)

    with monkeypatch.context() as patched:
        patched.setattr(write_module, "_write", full)
        with pytest.raises(RefusedError, match="No space left"):
            write_stack(tmp_path / "hosts", "pi", "web", stack().files)
    assert not [entry for entry in tmp_path.rglob("*") if entry.is_file()]
    assert not (tmp_path / "hosts/pi/compose/web").exists()
    assert write_stack(tmp_path / "hosts", "pi", "web", stack().files).startswith("wrote")
    assert sorted(entry.name for entry in (tmp_path / "hosts/pi").rglob("*")) == [".env", "compose", "compose.yaml", "web"]


def test_a_folder_that_is_a_file_is_no_kept_file(tmp_path: Path) -> None:
    (tmp_path / "hosts").mkdir()
    (tmp_path / "hosts/pi").write_text("")
    with pytest.raises(RefusedError, match="cannot be written"):
        write_unit(tmp_path / "hosts", {"name": "pi"})


def test_stacks_that_are_no_table(tmp_path: Path) -> None:
    (tmp_path / "pi").mkdir()
    (tmp_path / "pi/unit.toml").write_text("stacks = 3\n")
    assert declared_stacks(tmp_path, "pi") == set()
