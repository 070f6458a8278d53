"""The fleet's files are edited while a console is open: it says so, and goes on with what it was started with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from clavel_tui.inventory import load_fleet
from clavel_tui.operations import files
from clavel_tui.operations.files import CHANGED, Files

UNIT = 'name = "amber"\ntype = "nixos"\narch = "x86_64-linux"\naddress = "amber"\n'


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "FIRST_S", 0.0)


@pytest.fixture
async def root(tmp_path: Path) -> Path:
    (tmp_path / "fleet.toml").write_text('name = "edge"\n')
    (tmp_path / "amber").mkdir()
    (tmp_path / "amber/unit.toml").write_text(UNIT)
    return tmp_path


@pytest.fixture
async def watched(root: Path) -> AsyncIterator[tuple[Files, asyncio.Event]]:
    told, found = asyncio.Event(), Files(load_fleet(root))
    task = asyncio.create_task(found.keep_comparing(told.set))
    await asyncio.sleep(0.5)  # the folder is watched
    assert found.word == ""
    yield found, told
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_change_is_said_and_what_is_as_it_was_is_none(root: Path, watched: tuple[Files, asyncio.Event]) -> None:
    found, told = watched
    file = root / "amber/unit.toml"
    for text, word in ((UNIT + 'tags = ["new"]\n', CHANGED), (UNIT + "tags = [\n", "fleet files cannot be taken: "), (UNIT, "")):
        told.clear()
        file.write_text(text)
        async with asyncio.timeout(20):
            await told.wait()
        assert found.word.startswith(word)
        assert bool(found.word) == bool(word)


async def test_a_folder_is_a_change_too(root: Path, watched: tuple[Files, asyncio.Event]) -> None:
    found, told = watched
    for move, word in (((root / "amber", root.parent / "old"), CHANGED), ((root.parent / "old", root / "amber"), "")):
        told.clear()
        move[0].rename(move[1])
        async with asyncio.timeout(20):
            await told.wait()
        assert found.word == word


async def test_what_changed_while_nobody_watched_is_said(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def deaf(_folder: Path) -> AsyncIterator[None]:
        await asyncio.sleep(60)
        yield

    monkeypatch.setattr(files, "fleet_changes", deaf)
    found, told = Files(load_fleet(root)), asyncio.Event()
    (root / "amber/unit.toml").write_text(UNIT + 'tags = ["new"]\n')
    task = asyncio.create_task(found.keep_comparing(told.set))
    async with asyncio.timeout(20):
        await told.wait()
    assert found.word == CHANGED
    task.cancel()


async def test_a_fault_of_ours_ends_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = load_fleet(root)

    def broken(_root: Path) -> None:
        raise ValueError("embedded null byte")

    monkeypatch.setattr(files, "load_fleet", broken)
    assert "embedded null byte" in Files(fleet)._compare()


async def test_a_folder_that_cannot_be_watched_is_tried_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[Path] = []

    async def none_left(folder: Path) -> AsyncIterator[None]:
        tries.append(folder)
        raise OSError("no more watches")
        yield

    monkeypatch.setattr(files, "fleet_changes", none_left)
    monkeypatch.setattr(files, "AGAIN_S", 0.01)
    task = asyncio.create_task(Files(load_fleet(root)).keep_comparing(lambda: None))
    async with asyncio.timeout(5):
        while len(tries) < 3:
            await asyncio.sleep(0.01)
    assert not task.done()
    task.cancel()
