"""Tells agents over NATS what they should run and what they were told, and hears that they are there."""

from __future__ import annotations

import asyncio
import time

from clavel_tui.bus.claveld import ClaveldError
from clavel_tui.bus.link import Link, OvertakenError
from clavel_tui.bus.wanted import BEAT_S, BEATS_KEPT_S, Beat, Ordering, Wanted
from clavel_tui.claveld.coordinator import Coordinator
from clavel_tui.claveld.replica import Replica
from clavel_tui.domain.broker import key
from clavel_tui.history import JournalError

AGAIN_S = 1.0


class Telling:
    """One claveld's hand on the two buckets that agents look at. Whoever of several is first writes; the others see that."""

    def __init__(self, link: Link, coordinator: Coordinator, replica: Replica) -> None:
        self._link = link
        self._refs, self._beats = link.broker.refs, link.broker.beats
        self._coordinator = coordinator
        self._replica = replica
        self._told: dict[str, bytes] = {}
        link.when_back(self._forget)

    def _forget(self) -> None:
        """What the broker has is looked at anew: it may be another one, or have lost something."""
        self._told.clear()
        self._replica.changed.set()

    async def begin(self) -> None:
        """The two buckets, and ears for heartbeats.

        Raises:
            ClaveldError: the broker is away.
        """
        await make_refs(self._link)
        await self._link.stream(f"KV_{self._beats}", [f"$KV.{self._beats}.>"], {**BUCKET, "max_age": int(BEATS_KEPT_S * 1e9)})
        await self._link.listen(key(self._beats, "*"), self._heard)
        for name in self._coordinator.known.agents:
            if found := await self._link.last(f"KV_{self._beats}", key(self._beats, name)):
                self._coordinator.heard_elsewhere(name, found.at)

    async def _heard(self, subject: str, data: bytes) -> None:
        name = subject.rpartition(".")[2]
        if name in self._coordinator.known.agents and Beat.understood(data):
            self._coordinator.heard_elsewhere(name, self._coordinator.wall())

    async def keep_telling(self) -> None:
        """Until cancelled."""
        while True:
            await self._replica.changed.wait()
            self._replica.changed.clear()
            try:
                await self._coordinator.look()
                await self._tell()
            except (ClaveldError, JournalError):
                self._replica.changed.set()
                await asyncio.sleep(AGAIN_S)

    async def keep_beating(self) -> None:
        """For agents that ask by HTTP, of which the other claveld hear nothing. Until cancelled."""
        while True:
            await asyncio.sleep(BEAT_S)
            asked, self._coordinator.asked_here = self._coordinator.asked_here, set()
            for name in asked:
                try:
                    await self._link.say(key(self._beats, name), Beat(at=time.time()).packed())
                except ClaveldError:
                    break

    async def _tell(self) -> None:
        """Only what is unlike what was told last. One that the server refuses keeps no other from it."""
        known, seq, log = self._coordinator.known, self._coordinator.logged, self._replica.ident
        refs, agents = known.refs.items(), known.agents.items()
        said: dict[str, Wanted | Ordering] = {}
        said |= {key(self._refs, "ref", name): Wanted(seq=seq, log=log, deployment=ref.deployment) for name, ref in refs}
        said |= {key(self._refs, "told", name): Ordering(seq=seq, log=log, told=told) for name, (_, told) in agents}
        refused: ClaveldError | None = None
        for subject, one in said.items():
            try:
                await self._keep(subject, one)
            except ClaveldError as error:
                if not self._link.connected:
                    raise
                refused = error
        if refused:
            raise refused

    async def _keep(self, subject: str, said: Wanted | Ordering) -> None:
        content = said.content()
        if self._told.get(subject) == content:
            return
        while True:
            found = await self._link.last(f"KV_{self._refs}", subject)
            there = type(said).read(found.data) if found else None
            if _is_to_be_written(said, there):
                try:
                    await self._link.append(subject, said.packed(), expected=found.seq if found else 0)
                except OvertakenError:  # by another claveld, at this very moment
                    continue
            break
        self._told[subject] = content


BUCKET = {"max_msgs_per_subject": 1, "discard": "new", "deny_delete": True, "allow_rollup_hdrs": True}


async def make_refs(link: Link) -> None:
    """The bucket of what should run, unless it is there.

    Agents hear of a change together with what was changed, and only of one that was kept: the server republishes it.
    """
    subjects = f"$KV.{link.broker.refs}.>"
    await link.stream(
        f"KV_{link.broker.refs}", [subjects], {**BUCKET, "republish": {"src": subjects, "dest": link.broker.now(">")}}
    )


def _is_to_be_written(said: Wanted | Ordering, there: Wanted | Ordering | None) -> bool:
    """What stands there is older, of another log, or not understood; that nothing was told needs no saying."""
    if there is None:
        return isinstance(said, Wanted) or said.told is not None
    return there.content() != said.content() and (there.log != said.log or there.seq < said.seq)
