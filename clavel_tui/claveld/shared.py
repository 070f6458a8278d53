"""What one claveld shares with others by way of a broker: the log, what agents are told, questions, and the lease."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp

from clavel_tui.bus.claveld import ClaveldError, as_refusal
from clavel_tui.bus.link import Link
from clavel_tui.bus.log import Log
from clavel_tui.claveld.by_nats import Asking
from clavel_tui.claveld.coordinator import Coordinator
from clavel_tui.claveld.lease import Lease
from clavel_tui.claveld.replica import Replica
from clavel_tui.claveld.replicated import ReplicatedAgents, ReplicatedDeployments, ReplicatedRefs, ReplicatedSources
from clavel_tui.claveld.seeing import Seeing
from clavel_tui.claveld.showing import Showing
from clavel_tui.claveld.telling import Telling
from clavel_tui.history import JournalError
from clavel_tui.store import Database

AGAIN_S = 1.0


class Shared:
    """The tables to be used instead of a claveld's own, and what keeps them up with the others'."""

    def __init__(self, link: Link, database: Database, who: str) -> None:
        self.link = link
        self.replica = Replica(database, Log(link), who)
        self.lease = Lease(link, who)
        self.refs = ReplicatedRefs(database, self.replica)
        self.agents = ReplicatedAgents(database, self.replica)
        self.deployments = ReplicatedDeployments(database, self.replica)
        self.sources = ReplicatedSources(database, self.replica)

    async def begin(self) -> None:
        """Once, for a command that changes something and ends.

        Raises:
            RefusedError: the broker is away, or its log is not this database's.
        """
        with as_refusal():
            await self.link.ready()
            await self.replica.begin()

    async def forget(self) -> None:
        """Which log was followed: see Applied."""
        await self.replica.forget()

    async def keep(self, coordinator: Coordinator, showing: Showing, app: ASGIApp) -> None:
        """Until cancelled. A broker that is away when claveld starts is waited for: what is known is served meanwhile.

        Raises:
            RefusedError: the broker's log is not this database's.
        """
        telling, asking = Telling(self.link, coordinator, self.replica), Asking(app, self.link)
        self.replica.heard = coordinator.reported
        self.replica.anew = coordinator.forget
        coordinator.log_cursor = lambda: self.replica.cursor
        await self._until_begun(coordinator, telling, asking, Seeing(self.link, showing))
        async with asyncio.TaskGroup() as group:
            group.create_task(self.replica.keep_up())
            group.create_task(telling.keep_telling())
            group.create_task(telling.keep_beating())
            group.create_task(self.lease.keep())

    async def _until_begun(self, coordinator: Coordinator, telling: Telling, asking: Asking, seeing: Seeing) -> None:
        while True:
            try:
                await self.link.ready()
                await self.replica.begin()
                coordinator.forget()
                await coordinator.look()
                await telling.begin()
                await seeing.begin()
                await self.lease.begin()
                await asking.begin()
            except (ClaveldError, JournalError) as error:
                self.replica.trouble = str(error)
                await asyncio.sleep(AGAIN_S)
            else:
                return
