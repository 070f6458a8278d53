"""A deployment's preparation, by order of steps: the rest is tests/lab's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clavel_tui.domain.outcome import Outcome
from clavel_tui.domain.system import SystemPlan
from clavel_tui.nix.evaluator import NixError
from clavel_tui.operations import system_run
from clavel_tui.operations.system_run import SystemRun
from clavel_tui.remote.errors import RemoteError
from clavel_tui.remote.target import LOCAL, Target
from tests.operations.test_system_planner import PATH

FAILED = "nix copy failed: ssh: connect to host h1 port 22: No route to host"


class Workshop:
    """Whose Nix cannot copy."""

    async def sign(self, *_: object) -> None:
        return

    async def copy(self, *_: object) -> None:
        raise NixError(FAILED)


class Run:
    """Keeps how it ended."""

    begun = False

    def __init__(self) -> None:
        self.ends: list[tuple[Outcome, str]] = []

    @asynccontextmanager
    async def flushing(self) -> AsyncIterator[None]:
        yield

    def tell(self, *_: object) -> None:
        return

    async def end(self, outcome: Outcome, text: str) -> None:
        self.ends.append((outcome, text))


@pytest.mark.parametrize(
    ("trouble", "end"),
    [
        ("unreachable", (Outcome.UNREACHABLE, "nothing was changed: there is no way to h1")),
        ("nix", (Outcome.FAILED, f"nothing was changed: {FAILED}")),
        ("", (Outcome.FAILED, f"nothing was changed: {FAILED}")),
    ],
)
async def test_a_unit_that_went_away_before_the_copy_is_told_apart(
    monkeypatch: pytest.MonkeyPatch, trouble: str, end: tuple[Outcome, str]
) -> None:
    async def absent(_runner: object, target: Target, paths: Iterable[str], *_: object) -> frozenset[str]:
        if target.address == LOCAL:
            return frozenset()
        if trouble:
            raise RemoteError(trouble, "there is no way to h1")
        return frozenset(paths)

    monkeypatch.setattr(system_run, "absent", absent)
    parts = SimpleNamespace(
        checkpoint=lambda _: None, target=lambda _: Target("h1", "10.0.0.1"), runner=None, workshop=Workshop(), nix="nix"
    )
    unit = SimpleNamespace(name="h1", type=SimpleNamespace(value="nixos"))
    run = Run()
    system = SystemPlan(nar_id=PATH, label="x", copies=3)
    await SystemRun(cast("Any", parts), cast("Any", run), cast("Any", unit), cast("Any", None), system).carry()
    assert run.ends == [end]
