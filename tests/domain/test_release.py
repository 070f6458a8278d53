"""A release never changes, and the way back is the newest good one that does not run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from clavel_tui.domain.release import Release, last_known_good

from .build import release

RELEASES = st.lists(
    st.builds(
        Release,
        id=st.sampled_from("abcde"),
        seq=st.integers(0, 9),
        health=st.sampled_from(["healthy", "unhealthy", "degraded", ""]),
    ),
    max_size=8,
)


def test_images_and_what_is_missing_of_them() -> None:
    one = release("a", 1, app="sha256:1", db="sha256:2")
    assert one.images() == {"app": "sha256:1", "db": "sha256:2"}
    assert one.missing({"sha256:2"}) == ("app",)
    assert one.missing({"sha256:1", "sha256:2", "sha256:3"}) == ()
    with pytest.raises(ValidationError):
        one.health = "healthy"  # type: ignore[misc]


def test_last_known_good() -> None:
    old, bad, new = release("a", 1), release("b", 2, "unhealthy"), release("c", 3)
    assert last_known_good([old, bad, new], "c") == old
    assert last_known_good([old, bad, new], "b") == new
    assert last_known_good([old, bad, new], None) == new
    assert last_known_good([bad], None) is None
    assert last_known_good([old], "a") is None


@given(releases=RELEASES, running=st.none() | st.sampled_from("abcdef"))
def test_it_never_returns_what_runs_nor_what_was_bad(releases: list[Release], running: str | None) -> None:
    found = last_known_good(releases, running)
    others = [r for r in releases if r.health == "healthy" and r.id != running]
    if found is None:
        assert not others
    else:
        assert found in others
        assert found.seq == max(r.seq for r in others)
