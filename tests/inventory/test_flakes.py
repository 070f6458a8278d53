"""Where a fleet's Sources come from, and what is watched of them."""

from pathlib import Path

import pytest

from clavel_tui.domain.errors import InventoryError
from clavel_tui.domain.source import Trigger
from clavel_tui.inventory import load_fleet
from clavel_tui.inventory.flakes import absolute
from clavel_tui.inventory.watching import local_folder, matters
from tests.inventory.conftest import Write


def test_the_flake_beside_hosts_is_the_source(tmp_path: Path) -> None:
    (tmp_path / "hosts").mkdir()
    (tmp_path / "hosts/fleet.toml").write_text('name = "small"\n')
    assert load_fleet(tmp_path / "hosts").sources == ()
    (tmp_path / "nix").mkdir()
    (tmp_path / "nix/flake.nix").touch()
    assert load_fleet(tmp_path / "hosts").sources[0].url == str(tmp_path / "nix")
    (tmp_path / "flake.nix").touch()
    assert load_fleet(tmp_path / "hosts").sources[0].url == str(tmp_path)


def test_sources_that_are_said_are_the_only_ones(root: Path, write: Write) -> None:
    write("flake.nix", "")
    write("fleet.toml", 'name = "small"\n[sources.main]\nurl = "./nix?dir=x"\n[sources.pinned]\nurl = "github:a/b/c"\n')
    found = {source.name: source.url for source in load_fleet(root).sources}
    assert found == {"main": f"{root}/nix?dir=x", "pinned": "github:a/b/c"}


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (".", "/base"), ("./x", "/base/x"), ("../x", "/x"), ("/abs", "/abs"), ("path:./x", "path:/base/x"), ("path:/x?dir=y", "path:/x?dir=y"),
        ("github:a/b", "github:a/b"), ("git+file:///x?ref=main", "git+file:///x?ref=main"), ("nixpkgs", "nixpkgs"),
    ],
)  # fmt: skip
def test_a_path_means_the_same_from_everywhere(said: str, meant: str) -> None:
    assert absolute(said, Path("/base")) == meant


def test_the_whole_repository_is_watched(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "nix").mkdir()
    assert local_folder(f"git+file://{tmp_path}?dir=nix") == tmp_path
    assert local_folder(f"path:{tmp_path}/nix") == tmp_path
    assert local_folder("github:a/b") is None
    assert local_folder("/nowhere") is None


@pytest.mark.parametrize(
    ("path", "counts"),
    [("flake.nix", True), ("hosts/a/default.nix", True), (".git/HEAD", True), (".git/refs/heads/main", True), (".git/packed-refs", True),
     (".git/index", False), (".git/index.lock", False), (".git/refs/heads/main.lock", False), (".git/objects/ab/cd", False),
     ("flake.nix~", False), (".flake.nix.swp", False), (".#flake.nix", False)],
)  # fmt: skip
def test_what_counts_as_a_change(path: str, counts: bool) -> None:
    assert matters(Path("/repository") / path, Path("/repository")) is counts


def test_substituters_without_blanks(root: Path, write: Write, unit: object) -> None:
    text = 'name = "small"\nsubstituters = ["https://a", "https://b"]\nsubstituters-public-keys = ["a-1:x"]\n'
    write("fleet.toml", text)
    fleet = load_fleet(root)
    assert fleet.substituters == ("https://a", "https://b")
    assert fleet.substituters_public_keys == ("a-1:x",)


def test_when_a_source_is_evaluated(root: Path, write: Write) -> None:
    write("fleet.toml", 'name = "small"\n[sources.main]\nurl = "github:a/b"\non = "schedule"\nevery_minutes = 30\n')
    (found,) = load_fleet(root).sources
    assert (found.on, found.every_minutes) == (Trigger.SCHEDULE, 30)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ('on = "schedule"', "sources.main.every_minutes: is missing: a schedule wants to know how often"),
        ('on = "never"', "sources.main.on is 'never': must match ^(change|schedule|request)$"),
        ('on = "request"\nevery_minutes = 5', "sources.main.every_minutes is 5: is on no schedule"),
        ("every_minutes = -1", "sources.main.every_minutes is -1"),
    ],
)
def test_a_schedule_that_is_none(root: Path, write: Write, said: str, problem: str) -> None:
    write("fleet.toml", f'name = "small"\n[sources.main]\nurl = "github:a/b"\n{said}\n')
    with pytest.raises(InventoryError) as refused:
        load_fleet(root)
    assert problem in str(refused.value)
