"""A lease on the broker: one of several claveld evaluates. Nothing depends on it: two that do come to the same."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from clavel_tui.bus.claveld import ClaveldError
from clavel_tui.bus.link import Link
from clavel_tui.domain.broker import key

LEASE_S = 10.0
"""Without being renewed it ends, and another one takes it."""
RENEW_S = 3.0


class Lease:
    """Held or not. ``who``: written there, for whoever looks."""

    def __init__(self, link: Link, who: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._link = link
        self._bucket = link.broker.lease
        self._subject = key(self._bucket, "evaluate")
        self._who = who
        self._clock = clock
        self._seq = 0
        self._until = -1.0
        self._taken = asyncio.Event()

    async def begin(self) -> None:
        """The bucket.

        Raises:
            ClaveldError: the broker is away.
        """
        most = int(LEASE_S * 1e9)
        settings = {"max_msgs_per_subject": 1, "discard": "new", "max_age": most, "duplicate_window": most}
        await self._link.stream(f"KV_{self._bucket}", [f"$KV.{self._bucket}.>"], settings)

    @property
    def held(self) -> bool:
        """By us, as far as we can know: whoever was asleep for a minute does not hold it any more."""
        return self._clock() < self._until

    async def wait(self) -> None:
        """Returns when it is held."""
        while not self.held:
            self._taken.clear()
            await self._taken.wait()

    async def keep(self) -> None:
        """Takes it where nobody has it, and renews it. Until cancelled."""
        try:
            while True:
                asked = self._clock()  # before the broker is asked: there it ends later than here
                with contextlib.suppress(ClaveldError):
                    self._seq = await self._link.append(self._subject, self._who.encode(), expected=self._seq)
                    self._until = asked + LEASE_S
                    self._taken.set()
                if not self.held:
                    self._seq = 0
                await asyncio.sleep(RENEW_S)
        finally:
            self._until = -1.0
