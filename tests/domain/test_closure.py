"""Closures compared: packages are told apart as Nix itself does, whatever their names look like."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clavel_tui.domain.closure import PATH, SIZE_LEAST, compare, package

HASH = "0123456789abcdfghijklmnpqrsvwxyz"


def path(name: str, seed: int = 0) -> str:
    """A store path whose hash differs by the seed."""
    return f"/nix/store/{HASH[seed:]}{HASH[:seed]}-{name}"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("openssl-3.0.13", ("openssl", "3.0.13")),
        ("openssl-3.0.13-man", ("openssl", "3.0.13")),
        ("glibc-2.38-44-bin", ("glibc", "2.38-44")),
        ("gcc-13.2.0-lib", ("gcc", "13.2.0")),
        ("mesa-24.0-lib32", ("mesa", "24.0")),
        ("nixos-system-cinnabar-24.11.1", ("nixos-system-cinnabar", "24.11.1")),
        ("acpi-call-2020-04-07-5.8.16", ("acpi-call", "2020-04-07-5.8.16")),
        ("etc", ("etc", "")),
        ("unit-script-start", ("unit-script", "")),
        ("x-", ("x-", "")),
        ("ends-1", ("ends", "1")),
        ("python3.11-pip-24.0", ("python3.11-pip", "24.0")),
    ],
)
def test_a_version_begins_behind_the_first_dash_that_no_letter_follows(name: str, wanted: tuple[str, str]) -> None:
    assert package(path(name)) == wanted


def test_added_removed_changed_and_grown_are_told_apart() -> None:
    old = {path("vim-9.0", 1): 100, path("nano-7.2", 2): 50_000, path("linux-6.6.1", 3): 10, path("etc", 4): 10}
    new = {path("vim-9.1", 1): 300, path("htop-3.3", 5): 70_000, path("linux-6.6.1", 6): 10, path("etc", 7): 10 + SIZE_LEAST}
    told = [(c.kind, c.name, c.before, c.after, c.size) for c in compare(old, new).changes]
    assert told == [
        ("resized", "etc", (), (), SIZE_LEAST),
        ("added", "htop", (), ("3.3",), 70_000),
        ("removed", "nano", ("7.2",), (), -50_000),
        ("changed", "vim", ("9.0",), ("9.1",), 200),
    ]


def test_a_rebuild_with_the_same_versions_is_not_the_same_and_tells_nothing() -> None:
    diff = compare({path("etc", 1): 10}, {path("etc", 2): 11})
    assert (diff.same, diff.changes, diff.counts) == (False, (), {})
    assert compare({path("etc", 1): 10}, {path("etc", 1): 10}).same


def test_several_versions_of_one_package_show_only_those_that_differ() -> None:
    old = {path("foo-1.1", 1): 1, path("foo-1.2", 2): 1, path("foo-1.3", 3): 1}
    new = {path("foo-1.1", 4): 1, path("foo-1.4", 5): 1}
    (change,) = compare(old, new).changes
    assert (change.before, change.after) == (("1.2", "1.3"), ("1.4",))


names = st.from_regex(r"[a-z0-9+._-]{1,20}", fullmatch=True)


@given(st.dictionaries(st.tuples(names, st.integers(0, 31)), st.integers(1, 10**9), max_size=30))
def test_a_closure_against_itself_changes_nothing_and_against_none_loses_all(paths: dict[tuple[str, int], int]) -> None:
    closure = {path(*key): size for key, size in paths.items()}
    assert compare(closure, closure).changes == ()
    gone = compare(closure, {})
    assert sum(change.size for change in gone.changes) <= 0
    assert {package(one)[0] for one in closure} >= {change.name for change in gone.changes}


@pytest.mark.parametrize(
    "bad",
    ["/nix/store", path(""), path("a/b"), path("a b"), path("a;b"), path("a\n"), "/nix/store/short-a", path("a").upper(), ""],
)
def test_what_is_no_store_path_is_not_taken_for_one(bad: str) -> None:
    assert PATH.fullmatch(path("a-1.0"))
    assert not PATH.fullmatch(bad)
