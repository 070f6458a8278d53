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
