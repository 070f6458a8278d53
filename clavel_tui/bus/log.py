"""The log: one stream of records on the broker, in one order for all. What is in it is the truth; databases follow it."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable

from clavel_tui.bus.claveld import ClaveldError
from clavel_tui.bus.link import Link
from clavel_tui.bus.records import Record, packed, read

LOOK_S = 5.0
"""Without a word: what was told while the line was down is found so."""
AGAIN_S = 0.5


class Log:
    """The log of one fleet, over one link."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._name = link.broker.log
        self._news = asyncio.Event()
        self._listening = False
        link.when_back(self._news.set)

    def when_back(self, hear: Callable[[], object]) -> None:
        """See Link."""
        self._link.when_back(hear)

    async def ready(self) -> tuple[str, int]:
        """Its identity, and the number of its last record. It is made where there is none; nothing is ever taken out of it."""
        ident = uuid.uuid4().hex
        settings = {"description": ident, "max_msgs": -1, "discard": "new", "deny_delete": True, "deny_purge": True}
        found = await self._link.stream(self._name, [f"{self._name}.>"], settings)
        await self.listen()
        return found

    async def listen(self) -> None:
        """From now on news are heard."""
        if not self._listening:
            await self._link.listen(f"{self._name}.>", self._told)
            self._listening = True

    async def append(self, record: Record, timeout: float) -> int:
        """Sent again, under the same id, until the server has said that it has it.

        Raises:
            ClaveldError: it has not, within ``timeout`` seconds. Nobody knows then whether it has.
            RefusedError: the record is too long.
        """
        data, end = packed(record), asyncio.get_running_loop().time() + timeout
        while True:
            try:
                return await self._link.append(f"{self._name}.{record.subject}", data, record.id)
            except ClaveldError:
                if asyncio.get_running_loop().time() + AGAIN_S > end:
                    raise
                await asyncio.sleep(AGAIN_S)

    async def following(self, seq: int) -> tuple[int, Record] | None:
        """The record behind that number, with its own; None where that is the last one."""
        found = await self._link.following(self._name, seq)
        return (found.seq, read(found.seq, found.data)) if found else None

    async def news(self, timeout: float = LOOK_S) -> None:
        """Returns when there may be something new, after that many seconds at the latest."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(timeout, LOOK_S)):
                await self._news.wait()
        self._news.clear()

    async def _told(self, _subject: str, _data: bytes) -> None:
        self._news.set()
