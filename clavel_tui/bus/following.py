"""A console's claveld by way of NATS: what happens is read in the log, in the one order that all claveld have."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

from pydantic import TypeAdapter

from clavel_tui.bus.by_nats import ByNats
from clavel_tui.bus.claveld import ANSWER_S
from clavel_tui.bus.for_console import ConsoleClient
from clavel_tui.bus.link import Link
from clavel_tui.bus.log import Log
from clavel_tui.bus.records import Record, told
from clavel_tui.bus.wanted import Beat
from clavel_tui.domain.agent import AgentState, LogState
from clavel_tui.domain.broker import key
from clavel_tui.domain.operation import Event
from clavel_tui.fleet.news import FleetNews

T = TypeVar("T")
_AGENTS = TypeAdapter(list[AgentState])
_NEWS = TypeAdapter(FleetNews)
_LOG = TypeAdapter(LogState)
LOGGED = "clavel-log"
"""The header that says up to which record of the log an answer knows."""
REMEMBERED = 10_000
"""Ids of records: one that a broker took twice is told once."""
MOST = 500


class FollowingClient(ByNats, ConsoleClient):
    """See ConsoleClient. Events have the numbers of the log: whichever claveld answers, none is missed or told twice."""

    def __init__(self, link: Link, token: Callable[[], str], who: str) -> None:
        super().__init__(link, token, who)
        self.log = Log(link)
        self._told: OrderedDict[str, int] = OrderedDict()
        self._ready = False

    async def ready(self) -> LogState:
        """Which log it is and how far it goes, as claveld knows it: the server tells that to claveld's own account alone."""
        await self._link.ready()
        await self.log.listen()
        self._ready = True
        _, _, body = await self.asked("GET", "/v1/log", None, {}, ANSWER_S)
        return self._read(_LOG, body)

    async def listen(self, heard: Callable[[str], object]) -> None:
        """Has ``heard`` told the name of each agent that says that it is there."""
        beats = self._link.broker.beats

        async def beat(subject: str, data: bytes) -> None:
            if Beat.understood(data):
                heard(subject.rpartition(".")[2])

        await self._link.listen(key(beats, "*"), beat)

    async def agents(self) -> tuple[list[AgentState], int]:
        """See LookingClient; with the number of the newest record that is in it."""
        _, headers, body = await self.asked("GET", "/v1/agents", None, {}, ANSWER_S)
        return self._read(_AGENTS, body), int(headers.get(LOGGED, "0"))

    async def news(self, start: str, after: int, wait: float = 0.0) -> FleetNews:
        """See LookingClient."""
        _, headers, body = await self.asked("GET", self.news_path(start, after, wait), None, {}, wait + ANSWER_S)
        return self._read(_NEWS, body).model_copy(update={"seq": int(headers.get(LOGGED, "0"))})

    async def events(self, after: int, wait: float = 0.0) -> list[Event]:
        """See LookingClient."""
        if not self._ready:
            await self.ready()
        found: list[Event] = []
        end = asyncio.get_running_loop().time() + wait
        while not found:
            while len(found) < MOST and (read := await self.log.following(after)):
                after, record = read
                if not self._again(after, record):
                    found.append(event(after, record))
            if found or asyncio.get_running_loop().time() >= end:
                break
            await self.log.news(end - asyncio.get_running_loop().time())
        return found

    def _again(self, seq: int, record: Record) -> bool:
        """It was told, under another number; under its own it is told as often as somebody asks."""
        first = self._told.setdefault(record.id, seq)
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        return first != seq


def event(seq: int, record: Record) -> Event:
    """How a record is shown."""
    kind, unit, text = told(record)
    return Event(seq=seq, at=record.at, kind=kind, unit=unit, text=text)
