"""A Source elsewhere is evaluated when it changed, and not each time that somebody looks."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clavel_tui.domain.source import Evaluation, Lock, Source
from clavel_tui.nix import NixError
from clavel_tui.operations.elsewhere import Elsewhere

URL = "github:ada/fleet"


def lock(text: str) -> Lock:
    return Lock(url=URL, nar_hash=f"sha256-{text}", revision=text * 40)


class Scene:
    """What the reference means, and what was evaluated last."""

    def __init__(self) -> None:
        self.source = Source(name="main", url=URL)
        self.means: Lock | NixError = lock("1")
        self.evaluated: dict[str, Any] = {}
        evaluator = SimpleNamespace(lock=self._lock)
        parts: Any = SimpleNamespace(evaluator=evaluator, deployments=SimpleNamespace(sources=self._sources))
        self.elsewhere = Elsewhere(parts, self.source)

    def evaluate(self) -> None:
        assert isinstance(self.means, Lock)
        self.evaluated["main"] = (1.0, Evaluation(source=self.source, lock=self.means))

    async def _sources(self) -> dict[str, Any]:
        return self.evaluated

    async def _lock(self, _url: str) -> Lock:
        if isinstance(self.means, NixError):
            raise self.means
        return self.means


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def looks(scene: Scene, times: int = 3) -> list[bool]:
    return [await scene.elsewhere.worth_evaluating() for _ in range(times)]


async def test_only_what_changed_is_worth_it(scene: Scene) -> None:
    assert await looks(scene) == [True, False, False]  # also where its evaluation fails, which is tried again by itself
    scene.evaluate()
    assert await looks(scene) == [False, False, False]
    scene.means = lock("2")
    assert await looks(scene) == [True, False, False]


async def test_what_was_evaluated_before_we_came_is_not(scene: Scene) -> None:
    scene.evaluate()
    assert await looks(scene) == [False, False, False]


async def test_a_network_that_is_away_is_said_once_and_so_is_its_return(scene: Scene) -> None:
    scene.evaluate()
    known, scene.means = scene.means, NixError("github.com is not reached")
    assert await looks(scene) == [True, False, False]
    scene.means = known
    assert await looks(scene) == [True, False, False]


async def test_a_folder_is_watched_and_not_asked(tmp_path: Path) -> None:
    source = Source(name="main", url=str(tmp_path))
    parts: Any = SimpleNamespace(evaluator=object(), deployments=None)
    assert await Elsewhere(parts, source).worth_evaluating()
