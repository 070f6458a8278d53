"""What agents tell one of several claveld of their units, for all of them: a bucket with the newest facts of each unit."""

from __future__ import annotations

import contextlib
import zlib

from pydantic import ValidationError

from clavel_tui.bus.claveld import ClaveldError
from clavel_tui.bus.link import Link
from clavel_tui.claveld.limits import FACTS_BYTES
from clavel_tui.claveld.showing import Showing
from clavel_tui.domain.broker import key
from clavel_tui.domain.facts import Facts


class Seeing:
    """Writes what was told here, and learns what was told elsewhere. Facts grow old: what is lost is told with the next look."""

    def __init__(self, link: Link, showing: Showing) -> None:
        self._link = link
        self._bucket = link.broker.facts
        self._showing = showing
        self._known: dict[str, float] = {}

    async def begin(self) -> None:
        """The bucket, and all that is in it of this fleet's units.

        Raises:
            ClaveldError: the broker is away.
        """
        settings = {"max_msgs_per_subject": 1, "discard": "new", "deny_delete": True, "allow_rollup_hdrs": True}
        await self._link.stream(f"KV_{self._bucket}", [f"$KV.{self._bucket}.>"], settings)
        await self._link.listen(key(self._bucket, "*"), self._heard)
        for name in await self._showing.units():
            if found := await self._link.last(f"KV_{self._bucket}", key(self._bucket, name)):
                await self._heard(found.subject, found.data)
        self._showing.tell = self.tell

    async def tell(self, facts: Facts) -> None:
        """To the others, and to whoever joins later."""
        self._known[facts.unit] = facts.at
        with contextlib.suppress(ClaveldError):
            await self._link.say(key(self._bucket, facts.unit), zlib.compress(facts.model_dump_json().encode(), 1))

    async def _heard(self, subject: str, data: bytes) -> None:
        """Only a claveld may write there; what is not understood, as of a newer one, is as if nobody had said it."""
        try:
            facts = Facts.model_validate_json(zlib.decompressobj().decompress(data, FACTS_BYTES * 2), extra="ignore")
        except (ValidationError, zlib.error):
            return
        name = subject.rpartition(".")[2]
        if facts.unit == name and facts.at > self._known.get(name, 0.0):
            self._known[name] = facts.at
            await self._showing.take(facts)
