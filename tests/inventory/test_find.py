"""Where the fleet is: said, named by the environment, or found upward."""

from pathlib import Path

import pytest

from clavel_tui.domain.errors import InventoryError
from clavel_tui.inventory import find_root


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    folder = tmp_path / "repo/hosts"
    (folder / "pi/compose/web").mkdir(parents=True)
    (folder / "fleet.toml").write_text("")
    return folder


def test_upward_from_anywhere_in_the_repository(hosts: Path) -> None:
    for here in (hosts, hosts.parent, hosts / "pi/compose/web"):
        assert find_root(None, {}, here) == hosts


def test_what_was_said_comes_first(hosts: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "fleet.toml").write_text("")
    environ = {"CLAVEL_FLEET": str(other)}
    assert find_root(None, environ, hosts) == other
    for said in (hosts, hosts.parent, hosts / "fleet.toml"):
        assert find_root(str(said), environ, tmp_path) == hosts


@pytest.mark.parametrize(
    ("said", "environ", "sentence"),
    [
        ("/nowhere", {}, "--fleet is '/nowhere': there is no fleet.toml in that folder"),
        (None, {"CLAVEL_FLEET": "/nowhere"}, "CLAVEL_FLEET is '/nowhere': there is no fleet.toml in that folder"),
        (None, {}, "no fleet.toml here, nor hosts/fleet.toml in any folder above: write one, or say where with --fleet"),
    ],
)
def test_where_there_is_none(said: str | None, environ: dict[str, str], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InventoryError) as caught:
        find_root(said, environ, tmp_path)
    assert sentence in str(caught.value)
