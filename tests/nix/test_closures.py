"""The lines of closure.sh, also those of a unit that was cut off in the middle of them."""

from pathlib import Path

import pytest

from clavel_tui.nix.closures import absent, closures, parse_closures
from clavel_tui.remote.errors import RemoteError
from clavel_tui.remote.local import LocalRunner
from clavel_tui.remote.secrets import Secrets
from clavel_tui.remote.target import Target

A = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-a-1"
B = "/nix/store/1123456789abcdfghijklmnpqrsvwxyz-b-1"
LINES = [f"closure\t{A}", "size\t10", "size\t20", f"path\t{A}", f"path\t{B}", f"gone\t{B}"]


def test_sizes_and_paths_belong_together_by_their_order() -> None:
    assert parse_closures(LINES) == {A: {A: 10, B: 20}}


@pytest.mark.parametrize("cut", range(1, 5))
def test_a_closure_that_was_cut_short_is_none(cut: int) -> None:
    assert parse_closures(LINES[:cut]) == {}


def test_what_is_no_store_path_begins_no_closure() -> None:
    assert parse_closures(["closure\t/etc/passwd", "size\t1", "path\t/etc/passwd"]) == {}


@pytest.fixture
def no_daemon(tmp_path: Path) -> Target:
    """A unit whose nix-store reaches no daemon."""
    program = tmp_path / "nix-store"
    program.write_text("#!/bin/sh\necho \"error: cannot connect to socket at '/nix/var/nix/daemon-socket/socket'\" >&2\nexit 1\n")
    program.chmod(0o755)
    return Target("h1", "local", tools=(str(tmp_path),))


async def test_a_daemon_that_is_away_is_no_answer(no_daemon: Target) -> None:
    """Or every path would count as there already, and nothing be copied."""
    with pytest.raises(RemoteError, match="h1 cannot tell which store paths it has: error: cannot connect to socket"):
        await absent(LocalRunner(Secrets()), no_daemon, [A])
    with pytest.raises(RemoteError, match="cannot connect to socket"):
        await closures(LocalRunner(Secrets()), no_daemon, [A])


async def test_no_nix_at_all(tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="there is no nix-absent"):
        await absent(LocalRunner(Secrets()), Target("h1", "local"), [A], "nix-absent")
