"""What is known of units: the newest look counts, whichever ends last."""

import asyncio
from typing import Any, cast

import pytest

from clavel_tui.domain.facts import Facts
from clavel_tui.domain.unit import Fleet
from clavel_tui.operations import watch
from clavel_tui.operations.parts import Clock, Parts
from clavel_tui.operations.watch import Watch
from tests.domain.build import facts, unit


class Quiet:
    """A journal and a runner that nobody reads."""

    async def save_facts(self, *_: object) -> None: ...

    async def record(self, *_: object) -> None: ...


def watching() -> Watch:
    quiet = cast("Any", Quiet())
    fleet = Fleet(name="f", root="/nowhere", units=(unit(),))
    return Watch(
        Parts(fleet, quiet, None, quiet, quiet, quiet, Clock(lambda: 1000.0), cast("Any", None), "me", lambda _name: True)
    )


@pytest.mark.parametrize(("late", "kernel"), [(999.0, "new"), (1001.0, "late"), (1000.0 - 3600, "late")])
async def test_a_look_that_began_before_and_ends_behind_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, late: float, kernel: str
) -> None:
    """A slow look saw what was before; one that is older by an hour tells that the clock was set back."""
    slow = asyncio.Event()
    answers = [facts(at=late, kernel="late"), facts(at=1000.0, kernel="new")]

    async def probe(*_: object) -> Facts:
        mine = answers.pop(0)
        if mine.kernel == "late":
            await slow.wait()
        return mine

    monkeypatch.setattr(watch, "probe", probe)
    seen = watching()
    first = asyncio.create_task(seen.look(unit()))
    await asyncio.sleep(0)
    await seen.look(unit())
    slow.set()
    await first
    state = seen.state(unit())
    assert state.facts
    assert state.facts.kernel == kernel
    assert not state.looking
