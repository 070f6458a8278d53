"""The lines of closure.sh, also those of a unit that was cut off in the middle of them."""

import pytest

from clavel_tui.nix.closures import parse_closures

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
