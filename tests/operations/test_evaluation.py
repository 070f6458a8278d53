"""An evaluation's life in the journal, on the demo's flake and its simulated nix: the same engine, no Nix needed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from clavel_tui.demo import Places
from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.operation import State
from clavel_tui.domain.outcome import Outcome
from clavel_tui.domain.source import Source
from clavel_tui.history import Journal
from clavel_tui.operations import InProcessFleet
from clavel_tui.operations.evaluate import Evaluating
from clavel_tui.operations.evaluation import find_source


def change(places: Places, old: str, new: str) -> None:
    file = places.hosts.parent / "flake.nix"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


async def test_one_broken_host_is_told_and_the_rest_are_deployments(fleet: InProcessFleet) -> None:
    ident = await fleet.evaluate("fleet")
    operation = await fleet.wait(ident)
    assert operation.outcome is Outcome.UNITS_FAILED
    assert "10 Deployments" in operation.text
    assert "1 failed: galena" in operation.text
    events = await fleet.operation_events(ident)
    assert next(e.text for e in events if e.kind == "warn").startswith("nixosConfigurations.galena: hosts/galena: services.batch")
    assert next(e.text for e in events if e.kind == "step") == "nixosConfigurations.cinnabar"
    assert len(await fleet.deployments()) == 10


async def test_again_it_is_no_change_and_asks_no_evaluator(fleet: InProcessFleet) -> None:
    for processes in (2, 0):
        await fleet.wait(await fleet.evaluate("fleet"))
        (state,) = await fleet.sources()
        assert state.evaluation
        assert state.evaluation.processes == processes
    first, second = await fleet.history()
    assert [first.text.split(", ")[1][:9], second.text.split(", ")[1][:10]] == ["0 changed", "10 changed"]


async def test_a_changed_host_moves_its_ref_and_drift_counts_evaluations(fleet: InProcessFleet, places: Places) -> None:
    await fleet.refresh(["cinnabar"])
    await fleet.wait(await fleet.evaluate("fleet"))
    change(places, "cinnabar = generation 42;", "cinnabar = generation 43;")
    try:
        operation = await fleet.wait(await fleet.evaluate("fleet"))
        assert "(dirty), 1 changed" in operation.text
        unit = (await fleet.snapshot()).unit("cinnabar")
        assert unit
        (drift,) = [d for d in unit.drift if d.code == "deployment"]
        assert drift.text.startswith("1 evaluation behind: runs cinnabar@")
    finally:
        change(places, "cinnabar = generation 43;", "cinnabar = generation 42;")


async def test_a_second_request_for_a_source_that_is_being_evaluated_joins_it(fleet: InProcessFleet) -> None:
    first, second = await fleet.evaluate("fleet"), await fleet.evaluate("")
    assert first == second
    await fleet.wait(first)
    assert len(await fleet.history()) == 1


async def test_a_fault_of_ours_ends_it_in_the_journal_and_is_not_hidden(
    fleet: InProcessFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("never thought of")

    monkeypatch.setattr(Evaluating, "evaluate", broken)
    ident = await fleet.evaluate("fleet")
    with pytest.raises(RuntimeError, match="never thought of"):
        await fleet.wait(ident)
    (operation,) = await fleet.history()
    assert (operation.state, operation.outcome) == (State.SETTLED, Outcome.FAILED)
    assert "RuntimeError" in operation.text


@pytest.mark.parametrize("turns", [1, 5, 20, 60])
async def test_who_asked_goes_away_at_any_moment_and_the_next_one_has_it_evaluated(fleet: InProcessFleet, turns: int) -> None:
    asked = asyncio.create_task(fleet.evaluate("fleet"))
    for _ in range(turns):
        await asyncio.sleep(0)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    operation = await fleet.wait(await fleet.evaluate("fleet"))
    assert operation.outcome is Outcome.UNITS_FAILED


async def test_who_asked_goes_away_while_its_row_is_written(fleet: InProcessFleet, monkeypatch: pytest.MonkeyPatch) -> None:
    begin, written = Journal.begin, asyncio.Event()

    async def slow(*said: Any) -> None:  # noqa: ANN401  as it is asked
        await begin(*said)
        written.set()
        await asyncio.sleep(0.05)

    monkeypatch.setattr(Journal, "begin", slow)
    asked = asyncio.create_task(fleet.evaluate("fleet"))
    await written.wait()
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    (operation,) = await fleet.history()
    async with asyncio.timeout(30):
        while operation.outcome is not Outcome.UNITS_FAILED:
            await asyncio.sleep(0.05)
            (operation,) = await fleet.history()


async def test_cancelling_records_nothing(fleet: InProcessFleet) -> None:
    ident = await fleet.evaluate("fleet")
    await asyncio.sleep(0.3)
    assert await fleet.cancel(ident) == "it is stopped"
    operation = await fleet.wait(ident)
    assert (operation.state, operation.outcome) == (State.SETTLED, Outcome.CANCELLED)
    assert await fleet.deployments() == []


async def test_a_source_that_is_none_fails_with_a_sentence(fleet: InProcessFleet) -> None:
    operation = await fleet.wait(await fleet.evaluate("/nowhere"))
    assert operation.outcome is Outcome.FAILED
    assert "/nowhere" in operation.text


async def test_a_deployment_is_found_by_its_name_and_by_its_id(fleet: InProcessFleet) -> None:
    await fleet.wait(await fleet.evaluate("fleet"))
    one = await fleet.deployment("cinnabar")
    assert await fleet.deployment(f"cinnabar@{one.id[:6]}") == one
    for said in ("cinnabar@ffffffff", "nobody"):
        with pytest.raises(RefusedError, match="no Deployment is called"):
            await fleet.deployment(said)


def test_which_source_is_meant() -> None:
    one, two = Source(name="one", url="/1"), Source(name="two", url="/2")
    assert find_source((one,), "") == one
    assert find_source((one, two), "two") == two
    assert find_source((one,), "github:a/b").url == "github:a/b"
    with pytest.raises(RefusedError, match="one, two"):
        find_source((one, two), "")
    with pytest.raises(RefusedError, match="no source"):
        find_source((), "")
