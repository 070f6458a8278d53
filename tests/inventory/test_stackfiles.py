"""A stack's folder: what goes to a unit, what is refused, and the lines that both sides compare."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clavel_tui.domain import limits
from clavel_tui.domain.errors import RefusedError
from clavel_tui.inventory import stack_files, tree_lines
from clavel_tui.unit import script


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "compose.yaml").write_text("services: {}\n")
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(RefusedError) as caught:
        stack_files(folder)
    return str(caught.value).replace(f"{folder}/", "")


def lines_of_the_unit(folder: Path) -> set[str]:
    """What the script on a unit says of that folder."""
    done = subprocess.run(["sh", "-c", script("lib.sh") + 'tree_lines "$1"', "sh", str(folder)], capture_output=True, check=True)
    return set(done.stdout.decode().splitlines())


def test_contents_and_modes(folder: Path) -> None:
    for name, mode in {".env": 0o600, "hook.sh": 0o755, "private.sh": 0o700, "odd": 0o640, "conf/a": 0o664}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(name)
        (folder / name).chmod(mode)
    (folder / "link").symlink_to("conf/a")
    found = stack_files(folder)
    assert {name: oct(mode) for name, (_, mode) in found.items()} == {
        ".env": "0o600", "hook.sh": "0o755", "private.sh": "0o700", "odd": "0o600",
        "conf/a": "0o644", "compose.yaml": "0o644", "link": "0o644",
    }  # fmt: skip
    assert found["link"][0] == found["conf/a"][0] == b"conf/a"


@pytest.mark.parametrize("target", ["/etc/passwd", "../other", ".", ".."])
def test_a_link_out_of_the_folder(folder: Path, target: str) -> None:
    (folder / "out").symlink_to(target)
    assert refusal(folder) == "out is a link out of the stack's folder: put the file itself there"


def test_a_link_through_a_linked_folder_above_is_inside(folder: Path) -> None:
    (folder / "a").symlink_to("compose.yaml")
    (folder.parent / "alias").symlink_to(folder)
    assert set(stack_files(folder.parent / "alias")) == {"a", "compose.yaml"}


@pytest.mark.parametrize("target", ["conf", "nothing"])
def test_a_link_that_would_be_left_out(folder: Path, target: str) -> None:
    (folder / "conf").mkdir()
    (folder / "l").symlink_to(target)
    assert refusal(folder) == "l is a link to a folder, or to nothing: put the files themselves there"


@pytest.mark.parametrize(
    "name", [b"two\nlines", b"back\\slash", b"tab\there", b"esc\x1b[31m", b"latin\xe9", "bidi\u202e".encode()]
)
def test_an_odd_name(folder: Path, name: bytes) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_text("")
    assert "cannot be put on a unit: rename it" in refusal(folder)
    assert refusal(folder).isascii()


def test_too_large(folder: Path) -> None:
    with (folder / "dump.sql").open("wb") as sparse:
        sparse.truncate(limits.STACK_BYTES + 1)
    assert refusal(folder) == f"{folder} holds more than 64 MiB: put data into a volume"


def test_lines_are_those_of_the_unit(folder: Path) -> None:
    for name in ("a b/c  d", "conf/deep/er", "ünï", "-dash", " blank", "$HOME", "'q\""):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(os.urandom(20))
    (folder / "conf/run").write_text("")
    (folder / "conf/run").chmod(0o755)
    assert set(tree_lines(folder)) == lines_of_the_unit(folder)


NAMES = st.text(
    st.characters(exclude_characters="/\\\0", exclude_categories=("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")),
    min_size=1,
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.sets(NAMES.filter(lambda n: n not in {".", ".."} and n.isprintable()), max_size=4))
def test_lines_are_those_of_the_unit_whatever_the_names(names: set[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("stack")
    for name in names:
        (folder / name).write_text(name)
    assert set(tree_lines(folder)) == lines_of_the_unit(folder)


def test_a_link_to_itself(folder: Path) -> None:
    (folder / "loop").symlink_to("loop")
    with pytest.raises(RefusedError, match=r"leads to itself|to nothing|link out"):
        stack_files(folder)
