"""A bundle comes whole, or it leaves nothing that could be run."""

import stat
from pathlib import Path

import pytest

from clavel_tui.remote.bundle import Bundle

from .supervisor import Supervisor

BUNDLE = Bundle({
    "job.sh": (b"#!/bin/sh\n" + b"# text\n" * 300, 0o700),
    "params": (b"a='it'\\''s'\n", 0o600),
    "stage/web/compose.yaml": (b"services: {}\n", 0o644),
    "stage/web/a b/-odd \xc3\xbc.env": (b"SECRET=1\n", 0o600),
})  # fmt: skip


def put(unit: Supervisor, data: bytes, total: str = "") -> tuple[int, str]:
    """What putting answered: its exit code and its stdout."""
    done = unit.sh(unit.text("put.sh"), total or BUNDLE.sum(), stdin=data)
    return done.returncode, done.stdout.decode().strip()


def left(unit: Supervisor) -> list[str]:
    return [path.name for path in unit.tmp.iterdir()]


def test_whole_bundle_is_put(unit: Supervisor) -> None:
    """Every file has its content and its mode; nobody else may read the folder; its name is the answer."""
    code, answer = put(unit, BUNDLE.tar())
    assert code == 0
    folder = Path(answer)
    assert folder.parent == unit.tmp
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name, (content, mode) in BUNDLE.files.items():
        assert (folder / name).read_bytes() == content
        assert stat.S_IMODE((folder / name).stat().st_mode) == mode
    assert left(unit) == [folder.name]


@pytest.mark.parametrize("part", [0.0, 0.2, 0.5, 0.9])
def test_cut_stream_leaves_nothing(unit: Supervisor, part: float) -> None:
    """Cut at any place: no folder is named, and none is left."""
    data = BUNDLE.tar().rstrip(b"\0")
    code, answer = put(unit, data[: int(len(data) * part)])
    assert code != 0
    assert answer == ""
    assert left(unit) == []


def test_every_cut_between_two_files_is_found(one: Supervisor) -> None:
    """A stream that ends between two files is a whole tar for tar: the list of hashes is what is missing."""
    data = BUNDLE.tar().rstrip(b"\0")
    for blocks in range(len(data) // 512):
        code, answer = put(one, data[: blocks * 512])
        assert (code != 0, answer, left(one)) == (True, "", [])


def test_other_content_is_refused(unit: Supervisor) -> None:
    """A changed byte, and a bundle that is whole but not the one that was named."""
    assert put(unit, BUNDLE.tar().replace(b"services", b"Services")) == (73, "")
    other = Bundle({**BUNDLE.files, "params": (b"a=2\n", 0o600)})
    assert put(unit, other.tar()) == (73, "")
    assert left(unit) == []
