"""What is known of units: the newest look counts, whichever ends last."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from clavel_tui.domain.facts import Facts
from clavel_tui.domain.unit import Fleet
from clavel_tui.history import JournalError
from clavel_tui.operations import watch
from clavel_tui.operations.parts import Clock, Parts
from clavel_tui.operations.watch import RECENT_S, TOLD_S, Watch
from clavel_tui.remote.errors import RemoteError
from tests.domain.build import facts, unit


class Quiet:
    """A journal and a runner that nobody reads."""

    async def save_facts(self, *_: object) -> None: ...

    async def record(self, *_: object) -> None: ...


def watching(wall: Callable[[], float] = lambda: 1000.0) -> Watch:
    quiet = cast("Any", Quiet())
    fleet = Fleet(name="f", root="/nowhere", units=(unit(),))
    return Watch(Parts(fleet, quiet, None, quiet, quiet, quiet, Clock(wall), cast("Any", None), "me", lambda _name: True))


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


async def test_what_is_recent_was_seen_from_here_a_moment_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    now, down = [1000.0], False

    async def probe(*_: object) -> Facts:
        if down:
            raise RemoteError("unreachable", "no way there")
        return facts(at=now[0]).model_copy(update={"took": 1.0})

    monkeypatch.setattr(watch, "probe", probe)
    seen = watching(lambda: now[0])
    await seen.learn(unit(), facts(at=now[0]))
    assert seen.recent(unit()) is None  # somebody else's word
    looked = await seen.look(unit())
    assert seen.recent(unit()) is looked
    now[0] += RECENT_S - 1.1
    assert seen.recent(unit()) is looked
    now[0] += 0.2  # a second it took until it was said
    assert seen.recent(unit()) is None
    now[0] = 900.0  # the clock was set back
    assert seen.recent(unit()) is None
    assert await seen.look(unit()) is seen.recent(unit())
    down = True
    assert await seen.look(unit()) is None
    assert seen.recent(unit()) is None


async def test_what_an_agent_has_told_counts_where_its_unit_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    async def probe(*_: object) -> Facts:
        raise RemoteError("unreachable", "no way there")

    monkeypatch.setattr(watch, "probe", probe)
    now = [1000.0]
    seen = watching(lambda: now[0])
    await seen.look(unit())
    assert seen.state(unit()).trouble == "no way there"
    await seen.learn(unit(), facts(at=now[0], kernel="told"))
    await seen.look(unit())
    state = seen.state(unit())
    assert state.facts
    assert (state.facts.kernel, state.trouble, state.looking) == ("told", "", False)
    now[0] += TOLD_S
    await seen.look(unit())
    assert seen.state(unit()).trouble == "no way there"


async def test_a_journal_that_cannot_be_written_makes_nobody_blind(monkeypatch: pytest.MonkeyPatch) -> None:
    async def probe(*_: object) -> Facts:
        return facts(at=1000.0)

    async def full(*_: object) -> None:
        raise JournalError("the journal cannot be written: disk full", "make room")

    monkeypatch.setattr(watch, "probe", probe)
    seen = watching()
    with monkeypatch.context() as patched:
        patched.setattr(Quiet, "save_facts", full)
        assert await seen.look(unit())
    assert seen.unwritten == "the journal cannot be written: disk full"
    assert seen.state(unit()).facts
    await seen.look(unit())
    assert seen.unwritten == ""
