"""Records and what agents and claveld keep for each other: read as they were written, and refused where they are something else."""

from __future__ import annotations

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clavel_tui.bus.claveld import ClaveldError
from clavel_tui.bus.packing import BYTES, SHORT
from clavel_tui.bus.records import (
    Evaluated,
    Ordered,
    Pointed,
    Record,
    Registered,
    Removed,
    Reported,
    Seeded,
    TokenMade,
    TokensRevoked,
    Unpinned,
    What,
    packed,
    read,
    told,
)
from clavel_tui.bus.wanted import Beat, Ordering, Wanted
from clavel_tui.domain.agent import Agent, AgentSpecification, Order, Phase, Report, Role, Told
from clavel_tui.domain.errors import RefusedError
from tests.history.test_deployments import deployment, evaluation

AMBER = Agent(name="amber", specification=AgentSpecification(deployments=("amber", "beryl")))
REPORT = Report(event="a" * 32, agent="amber", name="amber", at=5.0)
ALL: tuple[What, ...] = (
    Seeded(database="x", table="refs", columns=("name", "deployment"), rows=(("amber", "a"), ("beryl", None))),
    Evaluated(basis=3, evaluation=evaluation(), deployments=(deployment(),), operator="claveld", why="it changed"),
    Pointed(name="amber", deployment="a" * 64, operator="ann", why="slow", expected=4),
    Unpinned(name="amber", operator="ann", why=""),
    Registered(agent=AMBER, operator="ann"),
    Removed(name="amber", operator="ann"),
    Ordered(name="amber", order=Order.HOLD, operator="ann"),
    TokenMade(hash="f" * 64, name="amber", role=Role.AGENT, others_end=6.0),
    TokensRevoked(name="desk", role=Role.VIEWER),
    Reported(report=REPORT),
)


def record(what: What) -> Record:
    return Record(id="b" * 32, at=1.0, by="ops", what=what)


@pytest.mark.parametrize("what", ALL, ids=[what.kind for what in ALL])
def test_each_is_read_as_it_was_written_and_has_a_subject_and_a_sentence(what: What) -> None:
    written = record(what)
    assert read(1, packed(written)) == written
    kind, _, unit = written.subject.partition(".")
    assert kind == what.kind
    assert unit.replace("-", "").isalnum()
    assert all(isinstance(part, str) for part in told(written))
    assert told(written)[2]


def test_a_report_is_told_as_it_is_without_a_bus() -> None:
    failed = REPORT.model_copy(update={"phase": Phase.FAILED, "text": "no room"})
    assert told(record(Reported(report=failed))) == ("warn", "amber", "amber: failed: no room")


def test_no_token_is_in_what_is_told() -> None:
    assert "f" * 64 not in " ".join(told(record(ALL[7])))


def test_a_long_one_is_compressed_and_one_that_is_too_long_refused() -> None:
    many = tuple(deployment(text=str(number)) for number in range(800))
    long = record(Evaluated(basis=0, evaluation=evaluation(), deployments=many, operator="x", why=""))
    assert len(long.model_dump_json()) > SHORT
    assert len(packed(long)) < BYTES / 4
    assert read(1, packed(long)) == long
    many = tuple(deployment(text=str(number), drvPath=secrets.token_hex(200)) for number in range(5_000))
    with pytest.raises(RefusedError, match="a NATS server takes"):
        packed(record(Evaluated(basis=0, evaluation=evaluation(), deployments=many, operator="x", why="")))


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b'{"version": 2}', b"x\x9c"])
def test_what_is_none_is_not_passed_over(data: bytes) -> None:
    with pytest.raises(ClaveldError, match="record 7 of the log is not understood"):
        read(7, data)


@given(st.binary(max_size=300))
def test_whatever_stands_in_a_bucket_is_understood_or_is_not(data: bytes) -> None:
    assert Beat.understood(data) in {True, False}
    assert Wanted.read(data) is None
    assert Ordering.read(data) is None


def test_a_newer_claveld_says_more_and_an_older_one_is_not_written_over() -> None:
    wanted = Wanted(seq=7, deployment=deployment())
    assert Wanted.read(wanted.packed()[:-1] + b',"more":1}') == wanted
    assert wanted.content() == wanted.model_copy(update={"seq": 9}).content()
    assert wanted.content() != Wanted(seq=7, deployment=deployment(text="b")).content()
    ordering = Ordering(seq=1, told=Told(order=Order.POLL, number=2))
    assert Ordering.read(ordering.packed()) == ordering
