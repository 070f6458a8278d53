"""Tests that need one host each run beside one another, since most of an operation's time is waiting.

The first test that is reached starts the scenarios of all of its module that were selected; each takes the next host of
its lab that is free. Each test then waits for its own, and fails with what that failed with.
"""

import functools
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from .console import Console
from .lab import Lab
from .places import Place, Places, Shelf, empty
from .plan import STACKS, Stack


@dataclass(frozen=True)
class Scene:
    """What a scenario is given: an empty host, a workstation that knows nothing, a shelf of its own in the registry."""

    console: Console
    host: str
    shelf: Shelf
    places: Places

    def place(self, name: str, *, project: str = "", **table: object) -> Place:
        """A stack on this host; ``table`` is what unit.toml says of it."""
        return self.places(self.host, name, project=project, **table)


def set_scene(lab: Lab, host: str, folder: Path, name: str) -> Scene:
    """A scene on a host that nobody else uses meanwhile."""
    console = Console(lab, folder)
    return Scene(console, host, Shelf(lab, name), Places(console))


CALM: tuple[Stack, ...] = ("bookworm",)
"""Debian 12 alone, for what no init and no engine sees otherwise."""

Scenario = Callable[..., None]
"""Takes a Scene, and by name what its test is parametrized with."""


class Troupe:
    """The hosts of one lab, each of which has one scenario at a time; whatever faults that made are taken back after it."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._free: SimpleQueue[str] = SimpleQueue()
        for host in lab.hosts:
            self._free.put(host.name)
        self._threads = ThreadPoolExecutor(len(lab.hosts))

    def submit(self, scenario: Scenario, more: Mapping[str, Any], folder: Path, name: str) -> Future[None]:
        return self._threads.submit(self._play, scenario, more, folder, name)

    def stop(self, *, wait: bool) -> None:
        self._threads.shutdown(wait=wait, cancel_futures=True)

    def _play(self, scenario: Scenario, more: Mapping[str, Any], folder: Path, name: str) -> None:
        host = self._free.get_nowait()
        try:
            scenario(set_scene(self._lab, host, folder, name), **more)
        finally:
            try:
                self._lab.host(host).reset()
                empty(self._lab.host(host))  # health checks of what nobody looks at any more take the processor, too
            finally:
                self._free.put(host)


@dataclass
class Scenes:
    """The scenarios that run."""

    labs: Callable[[Stack], Lab]
    folder: Callable[[str], Path]
    troupes: dict[Stack, Troupe] = field(default_factory=dict)
    running: dict[str, Future[None]] = field(default_factory=dict)

    def start(self, items: Sequence[pytest.Item]) -> None:
        """Those that time something go first, when all labs are up and before the others begin."""
        for stack in {item.callspec.params["stack"]: None for item in items}:  # type: ignore[attr-defined]
            self.troupes[stack] = Troupe(self.labs(stack))
        for timed in (True, False):
            for item in items:
                if item.function.timed == timed:  # type: ignore[attr-defined]
                    self._start(item)
            if timed:
                wait(self.running.values())

    def stop(self) -> None:
        """Begin none any more, and wait for those that run."""
        for to_the_end in (False, True):
            for troupe in self.troupes.values():
                troupe.stop(wait=to_the_end)

    def _start(self, item: pytest.Item) -> None:
        more: dict[str, Any] = dict(item.callspec.params)  # type: ignore[attr-defined]
        stack = more.pop("stack")
        name = re.sub(r"[^a-z0-9]+", "-", item.name.lower().removeprefix("test_")).strip("-")
        scenario = item.function.scenario  # type: ignore[attr-defined]
        self.running[item.nodeid] = self.troupes[stack].submit(scenario, more, self.folder(name), name)


def beside(*, stacks: Sequence[Stack] = STACKS, timed: bool = False) -> Callable[[Scenario], Scenario]:
    """Make a test of a scenario that has a host to itself while it lasts, on each of these stacks.

    ``timed``: what it measures in seconds is not true where others take the processor.
    """

    def made(scenario: Scenario) -> Scenario:
        @pytest.mark.parametrize("stack", stacks)
        @functools.wraps(scenario)
        def test(scenes: Scenes, request: pytest.FixtureRequest, **_: object) -> None:
            scenes.running[request.node.nodeid].result()

        # What pytest sees: the stack, and what the scenario takes besides its scene.
        names = ("stack", "scenes", "request", *list(inspect.signature(scenario).parameters)[1:])
        kind = inspect.Parameter.KEYWORD_ONLY
        test.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in names])  # type: ignore[attr-defined]
        test.scenario, test.timed = scenario, timed  # type: ignore[attr-defined]
        return test

    return made


@pytest.fixture(scope="module")
def scenes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenes]:
    """The scenarios of this module, started."""
    scenes = Scenes(request.getfixturevalue, tmp_path_factory.mktemp)
    items = [item for item in request.session.items if item.path == request.path]
    try:
        scenes.start([item for item in items if hasattr(getattr(item, "function", None), "scenario")])
        yield scenes
    finally:
        scenes.stop()
