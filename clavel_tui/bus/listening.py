"""An agent's claveld by way of NATS: what should run is looked at in a bucket, all else is asked of any claveld."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Self

from clavel_tui.bus.by_nats import ByNats
from clavel_tui.bus.claveld import NOT_EVALUATED, NOT_UNDERSTOOD, ClaveldError
from clavel_tui.bus.for_agent import AgentClient, Got
from clavel_tui.bus.link import Link, Message
from clavel_tui.bus.wanted import BEAT_S, Beat, Ordering, Wanted
from clavel_tui.domain.agent import Told
from clavel_tui.domain.broker import key


class ListeningClient(ByNats, AgentClient):
    """See AgentClient. ``agent``: its name. Between two notices nothing is asked of anybody."""

    def __init__(self, link: Link, token: Callable[[], str], who: str, agent: str) -> None:
        super().__init__(link, token, who)
        self._agent = agent
        self._refs, self._beats = link.broker.refs, link.broker.beats
        self._kept: dict[str, Message | None] = {}
        self._news = asyncio.Event()
        self._listening: set[str] = set()
        link.when_back(self._forget)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Self]:
        """See Claveld. As long as the block lasts it says that it is there."""
        async with super().opened():
            beating = asyncio.create_task(self._keep_beating())
            try:
                yield self
            finally:
                beating.cancel()
                await asyncio.gather(beating, return_exceptions=True)

    async def deployment(self, name: str, tag: str = "", wait: float = 0.0) -> Got:
        """See AgentClient. When the wait is over it is looked at anew, whether anybody has said something or not."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                while (got := await self._now(name)).tag == tag:
                    await self._news.wait()
                return got
        self._kept.clear()
        got = await self._now(name)
        return got if got.tag != tag else Got(tag)

    async def _now(self, name: str) -> Got:
        ref, told = key(self._refs, "ref", name), key(self._refs, "told", self._agent)
        while not {ref, told} <= self._kept.keys():
            await self._look(ref, self._link.broker.now("ref", name))
            await self._look(told, self._link.broker.now("told", self._agent))
        found = self._kept[ref]
        if found is None:  # whoever asks again wants to know whether there is one by now
            del self._kept[ref]
        return self._got(name, found, self._kept[told])

    async def _look(self, subject: str, passed_on: str) -> None:
        """What the broker keeps."""
        await self._link.ready()
        if subject not in self._listening:
            await self._link.listen_kept(passed_on, self._told)  # before it is read: what comes in between is heard
            self._listening.add(subject)
        while subject not in self._kept:
            news = self._news
            found = await self._link.last(f"KV_{self._refs}", subject)
            if not news.is_set():  # else it may be older than what was told meanwhile
                self._kept[subject] = found

    def _told(self, message: Message) -> None:
        """It was kept; maybe it was read meanwhile, or one behind it.

        Another agent can have its own answers of the server delivered here: what they are about does not fit then.
        """
        before = self._kept.get(message.subject)
        if message.subject in self._listening and (before is None or before.seq < message.seq):
            self._kept[message.subject] = message
            self._wake()

    def _forget(self) -> None:
        """The line was down: what was said meanwhile was not heard."""
        self._kept.clear()
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _got(self, name: str, ref: Message | None, told: Message | None) -> Got:
        if ref is None:
            raise ClaveldError(f"{self.url}: nothing was evaluated for {name} yet, or it may not be read", NOT_EVALUATED)
        wanted = Wanted.read(ref.data)
        if wanted is None:
            raise ClaveldError(f"{self.url} keeps what is not understood", NOT_UNDERSTOOD)
        ordering = Ordering.read(told.data) if told else None
        said: Told | None = ordering.told if ordering else None
        return Got(f'"{wanted.deployment.id}.{said.number if said else 0}"', wanted.deployment, said)

    async def _keep_beating(self) -> None:
        """At a moment of its own: a thousand that were started together do not beat together."""
        await asyncio.sleep(random.uniform(0, BEAT_S / 10))  # noqa: S311  jitter
        while True:
            with contextlib.suppress(ClaveldError):
                await self._link.say(key(self._beats, self._agent), Beat(at=time.time()).packed())
            await asyncio.sleep(BEAT_S * random.uniform(0.8, 1.0))  # noqa: S311  jitter
