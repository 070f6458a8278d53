"""The order of a rollout's steps, and mutants of it: each step left out or swapped is noticed by a scenario."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from clavel_tui.operations import rollout_run
from tests.operations.rollout_scenes import SCENARIOS, Make

Scenario = Callable[[Path, Make], Awaitable[None]]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_it(scenario: Scenario, tmp_path: Path) -> None:
    await scenario(tmp_path, rollout_run.RolloutRun)


MUTANTS = {
    "the gate is not looked at": ("                    await self._soak(number)", "                    pass"),
    "all waves at once": ("                await self._wave(wave)", "                asyncio.ensure_future(self._wave(wave))"),
    "the others of a wave go on when one breaks": (
        "async with asyncio.TaskGroup() as group:\n                for plan in wave:\n                    group.create_task(self._one(plan))",
        "await asyncio.gather(*map(self._one, wave))",
    ),
    "what never came to its unit is a failure": ("operation.outcome not in NOT_THERE or", "True or"),
    "a failure does not stop it": (">= self._rollout.settings.stop_at", "> 1000"),
    "the first failure stops it": (">= self._rollout.settings.stop_at", ">= 1"),
    "a pause is not waited for": ("lambda: not self._paused or self._stopped", "lambda: True"),
    "a wave that is stopped goes on": ("if not await self._may_begin():\n            return operation", "if False:\n            return None"),
    "begun twice": ("known = await self._parts.journal.some(idents)", "known: dict[str, Operation] = {}"),
    "all are begun at once": ("AT_ONCE = 8", "AT_ONCE = 800"),
    "nothing is brought back": ("if self._returns:", "if False:"),
    "brought back though it was to be left": ("settings.on_stop is OnStop.RETURN", "settings.on_stop is not None"),
    "also what had nothing to change": ("if operation.outcome in CHANGED and", "if operation.outcome is not Outcome.RETURNED and"),
    "back to what was rolled out": ("release=operation.came_from", "release=operation.request.release"),
    "an illness does not count": ('await self._fail(named(plan.request), f"it fell', 'await self._note("warn", f"it fell'),
    "an old illness counts": ("if text not in known", "if text"),
    "what runs is not asked to stop": ("await self._carrier.cancel(operation.id)", "pass"),
    "an abort is taken for a pause": ("self._aborted = self._aborted or word == Word.ABORT", "self._paused |= word == Word.ABORT"),
    "what had failed before is forgotten": ("            if event.kind == FAILURE:", "            if False:"),
    "words from before are not heard": ("        await self._hear()\n        listening", "        listening"),
    "what had begun is not waited for": ("for plan in wave:", "for plan in wave if not self._stopped else ():"),
    "a refusal is passed over": ('await self._fail(name, getattr(error, "text", str(error)))', "pass"),
}  # fmt: skip


def mutant(name: str) -> Make:
    """The class of rollout_run.py with one piece of its text changed."""
    old, new = MUTANTS[name]
    text = Path(rollout_run.__file__).read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{name}: {old!r} stands {text.count(old)} times in rollout_run.py"
    names: dict[str, Any] = {"__name__": "mutant"}
    exec(compile(text.replace(old, new), "mutant", "exec"), names)
    return names["RolloutRun"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", MUTANTS)
async def test_a_mutant_is_noticed(name: str, tmp_path: Path) -> None:
    made = mutant(name)
    for number, scenario in enumerate(SCENARIOS):
        folder = tmp_path / str(number)
        folder.mkdir()
        try:
            async with asyncio.timeout(4):
                await scenario(folder, made)
        except (AssertionError, TimeoutError, ExceptionGroup):
            return
    pytest.fail(f"{name}: no scenario has noticed it")
