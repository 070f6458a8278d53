"""Tests that need one host each run beside one another, since most of an operation's time is waiting.

The first test that is reached starts the scenarios of all that were selected, one queue a host. Each test then
waits for its own, and fails with what that failed with.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from .console import Console
from .lab import Lab
from .places import Place, Places, Shelf
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


Scenario = Callable[[Scene], None]


@dataclass(frozen=True)
class Test:
    """A scenario as pytest collects it."""

    host: str
    scenario: Scenario


@dataclass
class Scenes:
    """The scenarios that run."""

    labs: Callable[[Stack], Lab]
    folder: Callable[[str], Path]
    queues: dict[tuple[Stack, str], ThreadPoolExecutor] = field(default_factory=dict)
    running: dict[str, Future[None]] = field(default_factory=dict)

    def wait(self, item: pytest.Item) -> None:
        """Until the scenario of this test has ended."""
        if item.nodeid not in self.running:
            self._start([other for other in item.session.items if _test(other) and other.path == item.path])
        self.running[item.nodeid].result()

    def stop(self) -> None:
        """Begin none any more, and wait for those that run."""
        for queue in self.queues.values():
            queue.shutdown(wait=False, cancel_futures=True)
        for queue in self.queues.values():
            queue.shutdown()

    def _start(self, items: list[pytest.Item]) -> None:
        for item in items:
            test, stack = _test(item), _stack(item)
            lab = self.labs(stack)
            queue = self.queues.setdefault((stack, test.host), ThreadPoolExecutor(1))
            self.running[item.nodeid] = queue.submit(self._play, test, lab, item.name.partition("[")[0])

    def _play(self, test: Test, lab: Lab, name: str) -> None:
        console = Console(lab, self.folder(f"{name}-{lab.stack}"))
        test.scenario(Scene(console, test.host, Shelf(lab, name.removeprefix("test_")), Places(console)))


def beside(host: str) -> Callable[[Scenario], Callable[..., None]]:
    """Make a test of a scenario that has this host to itself while it lasts, on each stack."""

    def made(scenario: Scenario) -> Callable[..., None]:
        @pytest.mark.parametrize("stack", STACKS)
        def test(stack: Stack, scenes: Scenes, request: pytest.FixtureRequest) -> None:
            scenes.wait(request.node)

        test.beside = Test(host, scenario)  # type: ignore[attr-defined]
        test.__doc__ = scenario.__doc__
        return test

    return made


@pytest.fixture(scope="module")
def scenes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenes]:
    """The scenarios of this module; what they changed on the labs is taken back behind the last one."""
    scenes = Scenes(request.getfixturevalue, tmp_path_factory.mktemp)
    yield scenes
    scenes.stop()


def _test(item: pytest.Item) -> Test | None:
    return getattr(getattr(item, "function", None), "beside", None)


def _stack(item: pytest.Item) -> Stack:
    return item.callspec.params["stack"]  # type: ignore[attr-defined]
