"""One command for several units: what goes wrong with one of them stops no other, and no name is passed over."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from clavel_tui.cli import change, deploy, output
from clavel_tui.cli.context import Context
from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.operation import Event, Operation, Origin, Plan, Request, State, Verb
from clavel_tui.domain.outcome import EXIT_CODES, Outcome
from clavel_tui.domain.unit import Fleet
from tests.domain.build import stack, unit

FLEET = Fleet(name="f", units=(unit(name="h1", stacks=(stack(),)), unit(name="h2", stacks=(stack(),), tags=("pi",))))


class Client:
    """Refuses to begin anything on h2."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    async def plan(self, request: Request) -> Plan:
        return Plan(request=request, title=f"update web on {request.unit}")

    async def submit(self, plan: Plan, _reason: str) -> str:
        if plan.request.unit == "h2":
            raise RefusedError("the files of web have changed since they were previewed")
        return plan.request.unit

    async def wait(self, ident: str) -> Operation:
        await asyncio.sleep(0.2)
        self.ended.append(ident)
        request = Request(unit=ident, stack="web", verb=Verb.UPDATE)
        operation = Operation(id=ident, request=request, origin=Origin(operator="a"), state=State.RUNNING)
        return operation.ended_with(Outcome.SUCCEEDED, "updated", 1.0)

    async def operation_events(self, _ident: str) -> tuple[()]:
        return ()

    async def events(self, _after: int) -> AsyncIterator[object]:
        await asyncio.sleep(1)
        return
        yield


def context(client: Client | None = None, **said: object) -> Context:
    @asynccontextmanager
    async def opened(*, settle: bool = True) -> AsyncIterator[Any]:
        yield client

    plain = {"verb": "update", "operation": "update", "check": False, "dry_run": False, "yes": True, "unit": None, "tag": None,
             "stack": "web", "reason": "", "json": True, "to": None, "service": None, "unhold": False, "units": ()}  # fmt: skip
    doors: Any = SimpleNamespace(read_only="", fleet=lambda: FLEET, client=opened)
    return Context(argparse.Namespace(**{**plain, **said}), doors)


async def test_one_that_cannot_be_begun_cuts_off_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    client = Client()
    assert await change.change(context(client, unit=["h1", "h2"])) == change.SEVERAL
    assert client.ended == ["h1"]
    said = json.loads(capsys.readouterr().out)
    assert [one["request"]["unit"] for one in said["operations"]] == ["h1"]
    assert said["refused"] == [{"unit": "h2", "stack": "web", "why": "the files of web have changed since they were previewed"}]


async def test_one_alone_that_cannot_be_begun_is_refused() -> None:
    with pytest.raises(RefusedError, match="have changed since"):
        await change.change(context(Client(), unit=["h2"]))


async def test_a_no_is_a_result_too(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "confirmed", lambda *_: False)
    client = Client()
    assert await change.change(context(client, yes=False, unit=["h1"])) == EXIT_CODES[Outcome.CANCELLED]
    assert json.loads(capsys.readouterr().out) == {"operations": [], "refused": []}
    assert client.ended == []


async def test_a_preview_is_a_result(capsys: pytest.CaptureFixture[str]) -> None:
    assert await change.change(context(Client(), unit=["h1"], dry_run=True)) == EXIT_CODES[Outcome.SUCCEEDED]
    (plan,) = json.loads(capsys.readouterr().out)
    assert plan["request"]["unit"] == "h1"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"unit": ["h1", "hh2"]}, "there is no unit hh2 in this fleet"),
        ({"unit": ["h1"], "tag": ["pi"]}, "no unit is meant: h1 has not the tag pi"),
    ],
)
def test_a_name_that_means_nothing_is_refused(said: dict[str, object], words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        context(**said).chosen(FLEET)
    with pytest.raises(RefusedError, match=words.partition(":")[0]):
        deploy.units_meant(context(**said), lambda _unit: True, "a system")


def test_a_result_that_there_is_no_room_for_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("builtins.print", full)
    monkeypatch.setattr(output.os, "dup2", lambda *_: None)
    with pytest.raises(RefusedError, match="could not be written: No space left"):
        output.result("x")


async def test_what_happened_before_an_operation_is_not_read_to_tell_of_it() -> None:
    """A journal of a year has hundreds of thousands of events; what they tell is over."""
    asked: list[int] = []

    class Long(Client):
        async def operation_events(self, ident: str) -> tuple[Event, ...]:
            return (Event(seq=900_001, at=1.0, kind="begun", operation=ident, unit="h1", text="update"),)

        async def events(self, after: int) -> AsyncIterator[object]:
            asked.append(after)
            yield "news"

    assert [event async for event in change.since_its_beginning(Long(), "op")] == ["news"]  # type: ignore[arg-type]
    assert asked == [900_000]
