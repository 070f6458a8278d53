"""The lines of unit/stack_lib.sh. One that is not understood is left out, never guessed."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clavel_tui.compose import lines

CONTAINER = [
    "web", "app", "c0ffee", "sha256:1", "exited", "unhealthy", "137", "4", "on-failure", "2026-01-02T03:04:05Z",
    '"app:v1"', '"/srv/web"', '"/srv/web/compose.yaml"', '"/web-app-1"', '"no \\"such\\" file"',
]  # fmt: skip


def test_a_container() -> None:
    found = lines.container(CONTAINER)
    assert found
    assert (found.project, found.service, found.id, found.image) == ("web", "app", "c0ffee", "sha256:1")
    assert (found.state, found.health, found.exit_code, found.restarts, found.policy) == (
        "exited",
        "unhealthy",
        137,
        4,
        "on-failure",
    )
    assert (found.ref, found.working_dir, found.config_files) == ("app:v1", "/srv/web", "/srv/web/compose.yaml")
    assert (found.name, found.error) == ("web-app-1", 'no "such" file')


@pytest.mark.parametrize(
    ("place", "text", "field", "value"),
    [
        (5, "-", "health", ""),
        (6, "", "exit_code", 0),
        (7, "many", "restarts", 0),
        (10, "", "ref", ""),
        (10, "null", "ref", ""),
        (10, "[1]", "ref", ""),
        (10, '"broken', "ref", ""),
        (10, "[" * 100_000, "ref", ""),
        (11, '"/srv/we\\tb"', "working_dir", "/srv/we b"),
        (14, '"\\u001b[31mred\\n"', "error", "red"),
    ],
)
def test_a_field_that_is_odd(place: int, text: str, field: str, value: object) -> None:
    found = lines.container([*CONTAINER[:place], text, *CONTAINER[place + 1 :]])
    assert getattr(found, field) == value


def test_a_line_that_was_cut_is_left_out() -> None:
    for most in range(len(CONTAINER)):
        assert lines.container(CONTAINER[:most]) is None
    assert lines.image(["sha256:1", "linux/amd64", "[]"]) is None


def test_an_image() -> None:
    found = lines.image(["sha256:1", "linux/arm64", '["app:v1","app:latest"]', '["r/app@sha256:2"]'])
    assert found
    assert (found.platform, found.tags, found.digests) == ("linux/arm64", ("app:v1", "app:latest"), ("r/app@sha256:2",))
    bare = lines.image(["sha256:1", "linux/arm64", "null", "[]"])
    assert bare
    assert (bare.tags, bare.digests) == ((), ())


def states(text: str) -> dict[str, lines.StackState]:
    return {s.name: s for s in lines.stack_states(line.split("\t") for line in text.splitlines())}


def test_the_states_of_stacks() -> None:
    found = states(
        "born\tx\n"
        "stack\ta\n"
        "held\tr2\t17\tann@here\tover the weekend\n"
        'release\tr1\nproject\ta\nservice\tapp\tsha256:1\t"app:v1"\tlinux/amd64\t["r/app@sha256:9"]\n'
        "file\tfile 1 ./compose.yaml\ntools\t28.0\t2.40\nseen\t1\thealthy\t16\tj1\n"
        'release\tr2\nservice\tdb\tsha256:2\t"db"\nseen\t2\tunhealthy\t17\tj2\textra\n'
        "stack\tb\n"
        "file\ta\tfile 5 ./compose.yaml\n"
        "file\tonly-files\tdir - ./x\n"
    )
    assert list(found) == ["a", "b", "only-files"]
    a = found["a"]
    assert a.held
    assert (a.held.release, a.held.operator, a.held.reason) == ("r2", "ann@here", "over the weekend")
    assert a.files == ("file 5 ./compose.yaml",)
    one, two = a.releases
    assert (one.id, one.project, one.seq, one.health, one.seen_at, one.job) == ("r1", "a", 1, "healthy", "16", "j1")
    assert (one.files, one.docker, one.compose) == (("file 1 ./compose.yaml",), "28.0", "2.40")
    assert (one.services[0].ref, one.services[0].platform, one.services[0].digests) == (
        "app:v1",
        "linux/amd64",
        ("r/app@sha256:9",),
    )
    assert (two.images(), two.seq, two.health) == ({"db": "sha256:2"}, 2, "unhealthy")
    assert (found["b"].releases, found["b"].held) == ((), None)
    assert found["only-files"].files == ("dir - ./x",)


def test_lines_before_any_stack_belong_to_none() -> None:
    assert states("held\tr\ta\tb\tc\nrelease\tr\nservice\ta\tb\tc\nseen\t1\th\ta\tj\n") == {}


WORDS = st.sampled_from(["stack", "held", "release", "file", "project", "service", "tools", "seen", "x", "", "1", '"q"'])


@given(st.lists(st.lists(WORDS, max_size=6), max_size=20))
def test_any_lines_are_no_error(rows: Sequence[Sequence[str]]) -> None:
    for state in lines.stack_states(rows):
        assert json.loads(state.model_dump_json())["name"] == state.name
