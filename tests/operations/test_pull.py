"""A console shows what a claveld elsewhere knows of the agents, and what it last knew while that is away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from clavel_tui.bus.for_console import ConsoleClient
from clavel_tui.domain.agent import Agent, AgentSpecification, AgentState, Order, Phase, Role, Said
from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.health import Health, Level, worse
from clavel_tui.operations.parts import Clock
from clavel_tui.operations.pull import Pull, by_unit
from tests.claveld.test_fuzz import Served
from tests.history.test_agents import report


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(tmp_path_factory.mktemp("claveld"))
    yield served
    served.stop()


class Watched:
    """What the watch is told."""

    def __init__(self) -> None:
        self.known: list[dict[str, AgentState]] = []
        self.trouble: list[str] = []

    def agents(self, agents: dict[str, AgentState]) -> None:
        self.known.append(agents)

    def claveld(self, trouble: str) -> None:
        self.trouble.append(trouble)


def pull(url: str, token: str) -> tuple[Pull, Watched]:
    watched = Watched()
    parts: Any = SimpleNamespace(
        claveld=ConsoleClient(url, lambda: token, "test") if url else None, clock=Clock(time.time), following=None
    )
    return Pull(parts, watched), watched  # type: ignore[arg-type]


async def test_what_an_agent_says_is_seen_within_a_second(served: Served) -> None:
    ours, watched = pull(served.url, served.tokens[Role.VIEWER])
    task = asyncio.create_task(ours.keep_asking())
    async with asyncio.timeout(10):
        while not watched.known:
            await asyncio.sleep(0.02)
        assert watched.known[-1]["amber"].reports == ()
        await asyncio.wrap_future(served.say(report(7, phase=Phase.HELD)))
        begun = time.monotonic()
        while not watched.known[-1]["amber"].reports:
            await asyncio.sleep(0.02)
    assert time.monotonic() - begun < 5
    assert watched.known[-1]["amber"].word(time.time()) == "held"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_one_that_is_away_or_refuses_is_told() -> None:
    ours, watched = pull("http://127.0.0.1:9", "token")
    await ours.once()
    assert "cannot be reached" in watched.trouble[-1]
    with pytest.raises(RefusedError, match="cannot be reached"):
        await ours.agents()


async def test_a_viewers_token_changes_nothing_and_an_operators_does(served: Served) -> None:
    viewer, _ = pull(served.url, served.tokens[Role.VIEWER])
    with pytest.raises(RefusedError, match="says 403: a token of the role viewer changes nothing"):
        await viewer.tell("amber", Order.HOLD)
    operator, _ = pull(served.url, served.tokens[Role.OPERATOR])
    moved = await operator.roll_back("amber", served.first.id, "why")
    assert (moved.deployment, moved.pin is not None) == (served.first, True)
    assert (await operator.unpin("amber")).pin is None
    with pytest.raises(RefusedError, match="no agent has reported another Deployment"):
        await operator.roll_back("amber", "", "")


async def test_without_a_claveld_there_is_nothing_to_ask() -> None:
    ours, watched = pull("", "")
    await ours.keep_asking()
    await ours.once()
    assert watched.known == watched.trouble == []
    with pytest.raises(RefusedError, match="no claveld is named"):
        await ours.agents()


def test_an_agent_belongs_to_the_units_that_it_asks_for() -> None:
    both = AgentState(agent=Agent(name="rack", specification=AgentSpecification(deployments=("amber", "beryl"))))
    own = AgentState(agent=Agent(name="zeta", specification=AgentSpecification(deployments=("beryl", "coral"))))
    assert by_unit([both, own]) == {"amber": both, "beryl": both, "coral": own}


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ({"refused": "no", "seen": 100.0}, "refused"),
        ({}, "never seen"),
        ({"seen": 100.0, "next_poll": 160.0}, "seen"),
        ({"seen": 10.0, "next_poll": 20.0}, "away"),
        ({"seen": 100.0, "next_poll": 160.0, "reports": (Phase.IDLE, Phase.QUARANTINED, Phase.HELD)}, "quarantined"),
    ],
)
def test_an_agent_is_called_by_what_wants_a_person_most(state: dict[str, Any], word: str) -> None:
    phases = state.pop("reports", ())
    said = tuple(Said(seq=n, received=1, report=report(n, phase=phase)) for n, phase in enumerate(phases))
    agent = Agent(name="amber", specification=AgentSpecification(deployments=("amber",)))
    assert AgentState(agent=agent, reports=said, **state).word(150.0) == word


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ({"refused": "its token has ended"}, "claveld refuses its agent"),
        ({"reports": (Phase.IDLE, Phase.QUARANTINED)}, "its agent has left a Deployment alone"),
        ({"reports": (Phase.FAILED,)}, "its agent could not apply a Deployment"),
        ({"reports": (Phase.HELD, Phase.IDLE, Phase.APPLYING)}, ""),
        ({}, ""),
    ],
)
def test_what_an_agent_cannot_do_is_a_reason_of_its_unit(state: dict[str, Any], text: str) -> None:
    phases = state.pop("reports", ())
    said = tuple(Said(seq=n, received=1, report=report(n, phase=phase)) for n, phase in enumerate(phases))
    agent = Agent(name="amber", specification=AgentSpecification(deployments=("amber",)))
    reason = AgentState(agent=agent, reports=said, **state).reason
    assert (reason.text if reason else "") == text
    ok, unknown = Health(level=Level.OK), Health(level=Level.UNKNOWN)
    expected = (Level.DEGRADED, Level.DEGRADED) if text else (Level.OK, Level.UNKNOWN)
    assert (worse(ok, reason).level, worse(unknown, reason).level) == expected
    assert worse(Health(level=Level.FAILED), reason).level is Level.FAILED
