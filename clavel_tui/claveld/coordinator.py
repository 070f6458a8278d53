"""What claveld knows at this moment, kept beside the journal, and who waits for a change of it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from clavel_tui.domain.agent import POLL_S, Agent, AgentState, RefState, Report, Role, Said, Told, latest
from clavel_tui.domain.deployment import Deployment
from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.operation import Event
from clavel_tui.history import Journal, JournalError
from clavel_tui.history.agents import Agents, Holder, hashed
from clavel_tui.history.deployments import Deployments
from clavel_tui.history.refs import Refs
from clavel_tui.history.sources import Sources

EVENT = "*"
"""Who waits for any event of the journal."""
EVENTS = 100_000
REFUSALS, REFUSALS_S = 10, 3600.0
"""Of one agent, that are told in the journal in so many seconds."""
TIDY_S = 3600.0
LOOK_S = 0.25
"""Between two looks at the journal's newest number: `claveld agent add` in another process is heard so, too."""


@dataclass(frozen=True)
class Known:
    """A copy of what the journal holds, by name."""

    refs: dict[str, RefState] = field(default_factory=dict)
    bodies: dict[str, bytes] = field(default_factory=dict)
    """Of each ref's Deployment, as it is sent: a thousand agents get the same bytes."""
    agents: dict[str, tuple[Agent, Told | None]] = field(default_factory=dict)
    holders: dict[str, Holder] = field(default_factory=dict)
    reports: dict[str, tuple[Said, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What an agent, or anybody else, is told of a ref. ``tag`` is unlike an earlier one where anything of it has changed."""

    tag: str
    body: bytes
    told: Told | None = None


class _Alarm:
    """Sets an event after some seconds: a tenth of what `asyncio.timeout` costs, which cancels whoever waits."""

    def __init__(self, seconds: float, event: asyncio.Event) -> None:
        self._seconds = seconds
        self._event = event
        self.rang = False

    def __enter__(self) -> Self:
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._ring)
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _ring(self) -> None:
        self.rang = True
        self._event.set()


class Coordinator:
    """One journal's refs, agents and tokens, for those who ask over and over. ``wall``: the clock for people."""

    def __init__(
        self,
        journal: Journal,
        deployments: Deployments,
        refs: Refs,
        agents: Agents,
        sources: Sources,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.journal = journal
        self.deployments = deployments
        self.refs = refs
        self.agents = agents
        self.sources = sources
        self.sources_told: Callable[[], object] = lambda: None
        """Called when somebody has told something of a Source."""
        self.told: Callable[[Sequence[Event]], object] = lambda _events: None
        """Called with what was journalled since it looked last."""
        self.wall = wall
        self.known = Known()
        self.seen: dict[str, float] = {}
        self.asked_here: set[str] = set()
        """Agents that have asked this claveld: others of several hear of them by it."""
        self.refused: dict[str, str] = {}
        self._told_refusals: dict[str, tuple[float, ...]] = {}
        self.closing = False
        self.log_cursor: Callable[[], int] = lambda: 0
        self.logged = 0
        """Up to which record of the bus's log it knows, where there is one."""
        self._turn = asyncio.Lock()
        self._anew = True
        self._seq = -1
        self._moved = -1
        self._ours = 0
        """Reports told to this process whose events it has not seen yet; another process of its database has others."""
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._changed = asyncio.Event()

    # ---- keeping up with the journal

    async def keep_up(self) -> None:
        """Looks for what has changed, until cancelled."""
        while True:
            with contextlib.suppress(JournalError):  # a disk that is full for an hour must not end it for ever
                await self.look()
            await asyncio.sleep(LOOK_S)

    async def keep_tidy(self) -> None:
        """Forgets what is older than anybody keeps, once an hour, until cancelled."""
        while True:
            await asyncio.sleep(TIDY_S)
            with contextlib.suppress(JournalError):
                await self.journal.tidy()

    async def look(self) -> None:
        """At once: whoever has just changed something wants that others hear of it."""
        async with self._turn:
            logged = self.log_cursor()
            await self._look()
            self.logged = max(logged, self.logged)

    def forget(self) -> None:
        """All of it is read again at the next look: something has changed that no event tells of."""
        self._anew = True

    async def _look(self) -> None:
        anew, self._anew = self._anew, False
        try:
            await self._look_for(all_of_it=anew)
        except BaseException:
            self._anew = self._anew or anew
            raise

    async def _look_for(self, *, all_of_it: bool) -> None:
        seq, moved = await self.journal.marks()
        if (seq, moved) == (self._seq, self._moved) and not all_of_it:
            return
        # What was before the very first look is no news; and what came since the marks were read is told now, and not once more.
        events = await self.journal.events(self._seq, limit=EVENTS) if self._seq >= 0 else []
        seq = max(seq, events[-1].seq if events else seq)
        kinds = {event.kind for event in events}
        before, news = self.known, dict[str, Any]()
        if all_of_it or moved != self._moved or "ref" in kinds:
            news |= self._served(await self.refs.all())
        if all_of_it or "agent" in kinds:
            news["agents"] = await self.agents.all()
        if all_of_it or kinds & {"agent", "token"}:
            news["holders"] = await self.agents.holders()
        theirs = sum(event.kind in {"report", "warn"} for event in events) - self._ours
        self._ours = max(-theirs, 0)
        if all_of_it or theirs > 0:
            news["reports"] = await self.agents.latest()
        self.known, self._seq, self._moved = replace(before, **news), seq, moved
        self.told(events)
        if all_of_it or "source" in kinds:
            self.sources_told()
        for key in self._waiting:
            if key == EVENT or "agents" in news or self._answers_differ(before, key):
                self._wake(key)

    def _served(self, refs: list[RefState]) -> dict[str, Any]:
        old = self.known
        return {
            "refs": {state.name: state for state in refs},
            "bodies": {
                state.name: old.bodies[state.name]
                if state.name in old.refs and old.refs[state.name].deployment.id == state.deployment.id
                else state.deployment.model_dump_json(by_alias=True).encode()
                for state in refs
            },
        }

    def _answers_differ(self, before: Known, key: str) -> bool:
        agent, _, name = key.partition("\0")
        return _tag(before, name, agent) != _tag(self.known, name, agent)

    def _wake(self, key: str) -> None:
        for event in self._waiting.get(key, ()):
            event.set()

    def close_soon(self) -> None:
        """Whoever waits is answered at once, and asks again elsewhere or later."""
        self.closing = True
        for key in self._waiting:
            self._wake(key)

    @property
    def sequence(self) -> int:
        """The number of the newest event that it knows of."""
        return max(self._seq, 0)

    # ---- who asks

    def holder(self, token: str) -> Holder | None:
        """Whose token it is; None where it is nobody's, or good no more."""
        found = self.known.holders.get(hashed(token))
        return found if found and not self._ended(found) else None

    def once_held(self, token: str) -> Holder | None:
        """Whose token it was until it ended."""
        found = self.known.holders.get(hashed(token))
        return found if found and self._ended(found) else None

    def _ended(self, holder: Holder) -> bool:
        return holder.ends is not None and self.wall() >= holder.ends

    def heard(self, agent: str) -> None:
        """Somebody with that agent's token has asked or reported something."""
        self.seen[agent] = self.wall()
        self.asked_here.add(agent)

    def heard_elsewhere(self, agent: str, at: float) -> None:
        """It was there at that moment."""
        self.seen[agent] = max(at, self.seen.get(agent, 0.0))

    async def refuse(self, agent: str, text: str) -> None:
        """Told beside the agent, and in the journal: once, however often it asks the same, and not without end."""
        if agent not in self.known.agents or self.refused.get(agent) == text:
            return
        self.refused[agent] = text
        told = self._told_refusals.get(agent, ())
        told = tuple(at for at in told if at > self.wall() - REFUSALS_S)
        if len(told) < REFUSALS:
            self._told_refusals[agent] = (*told, self.wall())
            await self.journal.record([("warn", "", agent, f"refused: {text}")])

    def well(self, agent: str) -> None:
        """It was given what it asked for."""
        self.refused.pop(agent, None)

    def may_ask(self, holder: Holder, name: str) -> bool:
        """Agents for what their specification lists, everybody else for all."""
        if holder.role is not Role.AGENT:
            return True
        agent, _ = self.known.agents.get(holder.name, (None, None))
        return agent is not None and name in agent.specification.deployments

    # ---- what is asked for

    def answer(self, name: str, agent: str = "") -> Answer | None:
        """Where the ref points now; None where there is no such ref."""
        body = self.known.bodies.get(name)
        if body is None:
            return None
        _, told = self.known.agents.get(agent, (None, None))
        return Answer(_tag(self.known, name, agent), body, told)

    async def changed_answer(self, name: str, agent: str, tag: str, wait: float) -> Answer | None:
        """The same, when it is unlike ``tag``, or when the wait is over."""
        known = self.known.agents.get(agent)
        with self._listening(f"{agent}\0{name}") as event, _Alarm(wait, event) as alarm:
            while not self.closing and not alarm.rang and (found := self.answer(name, agent)) is not None and found.tag == tag:
                if agent and self.known.agents.get(agent, (None,))[0] != (known or (None,))[0]:
                    break
                event.clear()
                await event.wait()
        return self.answer(name, agent)

    async def new_events(self, after: int, wait: float) -> None:
        """Returns when the journal has an event behind that number, or the wait is over."""
        with contextlib.suppress(TimeoutError), self._listening(EVENT) as event:
            async with asyncio.timeout(wait):
                while self._seq <= after and not self.closing:
                    event.clear()
                    await event.wait()

    @contextlib.contextmanager
    def _listening(self, key: str) -> Iterator[asyncio.Event]:
        """An event that is set when something of ``key`` has changed."""
        event = asyncio.Event()
        waiting = self._waiting.setdefault(key, set())
        waiting.add(event)
        try:
            yield event
        finally:
            waiting.discard(event)
            if not waiting:
                self._waiting.pop(key, None)

    def states(self) -> list[AgentState]:
        """Every agent, by name."""
        found = []
        for name, (agent, told) in self.known.agents.items():
            reports = self.known.reports.get(name, ())
            seen = max([self.seen.get(name, 0.0), *(said.received for said in reports)])
            next_poll = seen + POLL_S if seen else 0.0
            refused = self.refused.get(name, "")
            state = AgentState(agent=agent, seen=seen, next_poll=next_poll, reports=reports, told=told, refused=refused)
            found.append(state)
        return found

    # ---- what is changed

    async def report(self, report: Report) -> bool:
        """Keeps it; False where it was known already."""
        self._ours += 1  # before its event can be seen
        new = False
        try:
            new = await self.agents.report(report)
        finally:
            self._ours -= not new
        if new:
            self.reported(report, self.wall())
        return new

    def reported(self, report: Report, received: float) -> None:
        """It is kept, by whoever it was sent to."""
        self.known.reports[report.agent] = latest(self.known.reports.get(report.agent, ()), report, received)

    async def roll_back(self, name: str, said: str, operator: str, why: str, expected: int | None) -> RefState:
        """To a Deployment that the journal recorded: ``said`` is its id or the beginning of it; empty is the last known good.

        Raises:
            RefusedError: there is none, or more than one; MovedError where the ref has moved meanwhile.
        """
        state = self.known.refs.get(name) or await self.refs.one(name)
        if state is None:
            raise RefusedError(f"there is no ref {name}")
        target = await self._recorded(name, said) if said else await self._last_good(name, state.deployment.id)
        moved = await self.refs.point(name, target.id, operator, why or "rolled back", expected)
        await self.look()
        return moved

    async def _recorded(self, name: str, said: str) -> Deployment:
        found = await self.deployments.find(f"{name}@{said.rpartition('@')[2]}")
        if len(found) != 1:
            raise RefusedError(f"{'more than one' if found else 'no'} Deployment of {name} begins with {said}")
        return found[0]

    async def _last_good(self, name: str, now: str) -> Deployment:
        for ident in await self.agents.good(name):
            if ident != now and (found := await self.deployments.find(f"{name}@{ident}")):
                return found[0]
        hint = "say which one: `claveld deployments` lists them"
        raise RefusedError(f"no agent has reported another Deployment of {name} as applied and well", hint)


def _tag(known: Known, name: str, agent: str) -> str:
    ref, (_, told) = known.refs.get(name), known.agents.get(agent, (None, None))
    return f'"{ref.deployment.id if ref else ""}.{told.number if told else 0}"'
