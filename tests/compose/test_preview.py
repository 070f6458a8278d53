"""What would change, before anything does. Values of env files never leave masked."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clavel_tui.compose import preview
from clavel_tui.domain import limits
from clavel_tui.domain.facts import Container
from clavel_tui.domain.operation import ImageChange
from clavel_tui.domain.stackview import StackView
from tests.domain.build import container, release

OLD = {"compose.yaml": b"a\nb\nc\n", ".env": b"TOKEN=old\nEMPTY=\n", "gone": b"x\n", "data.db": b"\xff\x00"}


def view(*containers: Container) -> StackView:
    return StackView(unit="pi", name="web", containers=containers)


def test_nothing_changes() -> None:
    assert preview.file_changes(OLD, OLD) == ()


def test_new_changed_and_removed() -> None:
    new = {"compose.yaml": b"a\nB\nc\n", ".env": OLD[".env"], "fresh": b"1\n"}
    changes = preview.file_changes(OLD, new, frozenset({"gone"}))
    assert [(c.path, c.kind) for c in changes] == [("compose.yaml", "changed"), ("fresh", "new"), ("gone", "removed")]
    assert changes[0].diff == ("@@ -1,3 +1,3 @@", " a", "-b", "+B", " c")
    assert changes[1].diff == ("@@ -0,0 +1 @@", "+1")
    assert changes[2].diff == ("@@ -1 +0,0 @@", "-x")


def test_what_only_the_unit_has_stays() -> None:
    assert preview.file_changes(OLD, {"compose.yaml": OLD["compose.yaml"]}) == ()


def test_what_is_not_text_is_not_shown() -> None:
    (change,) = preview.file_changes({"a": b"\xff"}, {"a": b"text"})
    assert change.diff == ("(not text)",)


def test_a_diff_is_bounded_and_clean() -> None:
    (change,) = preview.file_changes({}, {"a": b"x" * 9999 + b"\n" + b"\x1b[31mred\n" * 9999})
    assert len(change.diff) == limits.DIFF_LINES
    assert len(change.diff[1]) == 200
    assert change.diff[2] == "+red"


def test_values_of_env_files_are_masked_and_a_change_is_seen() -> None:
    (change,) = preview.file_changes(OLD, {**OLD, ".env": b"# note\nTOKEN=new\nEMPTY=\nexport B=1\nsecret line\n"})
    text = "\n".join(change.diff)
    assert "old" not in text
    assert "new" not in text
    assert "secret line" not in text
    assert "+# note" in text
    before, after = (next(line for line in change.diff if line.startswith(f"{sign}TOKEN=••••")) for sign in "-+")
    assert before[1:] != after[1:]
    assert "EMPTY=" in text


@pytest.mark.parametrize(
    ("name", "secret"),
    [(".env", True), ("conf/.env.local", True), ("prod.env", True), ("tls/site.key", True), ("ca.pem", True),
     ("secrets.yaml", True), ("compose.yaml", False), ("environment", False), ("secrets/plain.txt", True),
     ("DB_PASSWORD.txt", True)],
)  # fmt: skip
def test_which_files_are_secret(name: str, secret: bool) -> None:
    assert preview.is_secret(name) is secret


@given(key=st.from_regex(r"[A-Z_]{1,9}", fullmatch=True), value=st.text("abcdefgh123456789=$ ", min_size=6, max_size=30))
def test_a_value_never_shows(key: str, value: str) -> None:
    shown = preview.masked(".env", f"{key}={value}")
    assert value not in shown
    assert shown.startswith(f"{key}=••••" if value.strip("=") else "••••")


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("secrets/db_password.txt", "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="),
        ("tls/site.key", "abcd1234ABCD5678abcd=="),
        ("tls/site.key", "# a remark in a key"),
        ("auth.token.yaml", "password: hunter2=x"),
        (".env", "abcd1234ABCD5678abcd="),
        (".env", "abcd1234ABCD5678abcd=="),
        (".env", "- not a variable = 3"),
    ],
)
def test_of_a_secret_that_is_no_variable_nothing_shows(name: str, line: str) -> None:
    shown = preview.masked(name, line)
    assert re.fullmatch("••••[0-9a-f]{4}", shown)
    assert shown != preview.masked(name, f"{line} ")


def test_a_variable_that_is_commented_out_is_masked_too() -> None:
    assert preview.masked(".env", "# OLD_PASSWORD=hunter2").startswith("# OLD_PASSWORD=••••")


def test_images_of_an_update() -> None:
    web = view(
        container("app", "sha256:aaaaaaaaaaaaaaaa"), container("db", "sha256:bbbb", ref="db@sha256:5"), container("x", "sha256:c")
    )
    newer = {"app:latest": ("newer", ""), "db@sha256:5": ("pinned", ""), "x:latest": ("unknown", "\x1b[1mno route")}
    assert preview.update_images(web, newer, "") == (
        ImageChange(service="app", before="aaaaaaaaaaaa", after="new", note="app:latest: its registry has a newer image"),
        ImageChange(service="db", before="bbbb", note="db@sha256:5: pinned by digest"),
        ImageChange(service="x", before="c", note="x:latest: its registry could not be asked: no route"),
    )
    assert [c.service for c in preview.update_images(web, newer, "db")] == ["db"]
    assert "could not be asked" in preview.update_images(web, {}, "app")[0].note


def test_images_of_a_rollback() -> None:
    web = view(container("app", "sha256:new"), container("same", "sha256:s"), container("extra", "sha256:e"))
    changes = preview.rollback_images(web, release("r", 1, app="sha256:old", same="sha256:s", back="sha256:b"))
    assert changes == (
        ImageChange(service="app", before="new", after="old", note="app:latest"),
        ImageChange(service="same", before="s", after="s", note="stays"),
        ImageChange(service="back", before="", after="b", note="back:latest"),
        ImageChange(service="extra", before="e", note="removed: the release had no such service"),
    )
