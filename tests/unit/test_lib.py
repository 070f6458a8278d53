"""The small tools that all scripts share do what their names say, under every shell."""

import subprocess
import time
from pathlib import Path

import pytest

from clavel_tui.inventory import tree_lines

from .supervisor import Supervisor

NAMES = (
    "compose.yaml", ".env", "a b/c d.txt", " leading", "trailing ", "-dash", "--help", "*", "?[x]", "$HOME", "`id`",
    "it's", 'a "quote"', "grüße/日本", "-/-", "deep/er/and/deeper", "semi;colon&", "#comment", "~", "new -> old",
)  # fmt: skip


def make(folder: Path) -> None:
    for number, name in enumerate(NAMES):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode() * number)
        file.chmod(0o755 if number % 3 == 0 else 0o600 if number % 3 == 1 else 0o644)


def lines(unit: Supervisor, folder: Path, skip: str = "") -> list[str]:
    done = unit.sh(unit.text("lib.sh") + 'tree_lines "$1" "$2"', str(folder), skip)
    assert done.returncode == 0, done
    return done.stdout.decode().splitlines()


def test_a_tree_is_the_same_here_and_there(unit: Supervisor, tmp_path: Path) -> None:
    """The unit and the workstation describe the same folder by the same lines, whatever its names are."""
    folder = tmp_path / "stack"
    make(folder)
    assert sorted(lines(unit, folder)) == sorted(tree_lines(folder))


def test_a_tree_shows_every_difference(unit: Supervisor, tmp_path: Path) -> None:
    """Content, mode, name, kind and the target of a link each make another tree; what is skipped is not read."""
    folder = tmp_path / "stack"
    make(folder)
    (folder / "link").symlink_to("a b")
    seen = [lines(unit, folder)]
    (folder / ".env").write_text("changed")
    seen.append(lines(unit, folder))
    (folder / "-dash").chmod(0o755)
    seen.append(lines(unit, folder))
    (folder / "*").rename(folder / "**")
    seen.append(lines(unit, folder))
    (folder / "link").unlink()
    (folder / "link").symlink_to("a  b")
    seen.append(lines(unit, folder))
    (folder / "empty").mkdir()
    seen.append(lines(unit, folder))
    assert len({tuple(tree) for tree in seen}) == len(seen)
    assert not [line for line in lines(unit, folder, "a b\n$HOME") if "a b/" in line or "$HOME" in line]


def test_limit_ends_what_hangs(unit: Supervisor) -> None:
    """A command that hangs costs its limit; one that does not keeps its exit code and its output."""
    text = unit.text("lib.sh") + 'limit 1 sleep 20; echo $?; limit 5 sh -c "echo out; exit 7"; echo $?'
    begun = time.monotonic()
    code, *rest = unit.sh(text).stdout.decode().splitlines()
    assert time.monotonic() - begun < 6
    assert code != "0"
    assert rest == ["out", "7"]


def test_lock_is_exclusive_and_ends_with_its_holder(unit: Supervisor, tmp_path: Path) -> None:
    """One holds it, a second is told 1 at once, and it is free when the holder has ended."""
    hold = unit.text("lib.sh") + f'exec 9>>"{tmp_path}/lock"; hold_lock 9; echo $?; read -r _'
    with unit.spawn(hold) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"0\n"
        assert unit.sh(hold).stdout == b"1\n"
        first.communicate(b"\n")
    assert unit.sh(hold).stdout == b"0\n"


@pytest.mark.parametrize("text", ["", "a", "grüße\n\0\n"])
def test_hash_is_the_one_that_everybody_has(unit: Supervisor, text: str) -> None:
    """The hash alone, without a name."""
    known = subprocess.run(["sha256sum"], input=text.encode(), capture_output=True, check=True).stdout.split()[0]
    assert unit.sh(unit.text("lib.sh") + "sha256", stdin=text.encode()).stdout.strip() == known


def test_sums_hold_finds_each_changed_file(unit: Supervisor, tmp_path: Path) -> None:
    """A list of hashes holds, and holds no more when a file is another or gone."""
    (tmp_path / "a").write_text("1")
    (tmp_path / "b c").write_text("2")
    sums = subprocess.run(["sha256sum", "a", "b c"], cwd=tmp_path, capture_output=True, check=True).stdout
    (tmp_path / "SUMS").write_bytes(sums)
    ask = unit.text("lib.sh") + f'cd "{tmp_path}" && sums_hold SUMS; echo $?'
    assert unit.sh(ask).stdout == b"0\n"
    (tmp_path / "b c").write_text("3")
    assert unit.sh(ask).stdout == b"1\n"
    (tmp_path / "b c").unlink()
    assert unit.sh(ask).stdout == b"1\n"


def test_uptime_counts_seconds(unit: Supervisor) -> None:
    """Whole seconds that go forward."""
    first, second = unit.sh(unit.text("lib.sh") + "uptime_s; sleep 1; uptime_s").stdout.split()
    assert 1 <= int(second) - int(first) <= 3
