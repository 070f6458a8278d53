"""The tables of claveld where several share them: read here, and changed by way of the log."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from clavel_tui.bus.records import (
    Evaluated,
    Ordered,
    Pointed,
    Registered,
    Removed,
    Reported,
    SourceAdded,
    SourcePinned,
    SourceRemoved,
    SourceUnpinned,
    TokenMade,
    TokensRevoked,
    Unpinned,
)
from clavel_tui.claveld.replica import Replica
from clavel_tui.domain.agent import Agent, Order, Report, Role
from clavel_tui.domain.deployment import Deployment
from clavel_tui.domain.source import Evaluation, Source, SourcePin
from clavel_tui.history.agents import Agents, counted_from
from clavel_tui.history.deployments import Deployments
from clavel_tui.history.refs import Refs
from clavel_tui.history.sources import Sources
from clavel_tui.store import Database


class ReplicatedRefs(Refs):
    """See Refs. All of what changes something raises AwayError where the broker does not answer."""

    def __init__(self, database: Database, replica: Replica) -> None:
        super().__init__(database)
        self._replica = replica

    async def move(self, name: str, ident: str, operator: str, why: str, expected: int | None = None) -> None:
        """See Refs: the revision is compared where the log is carried out, by every claveld alike."""
        await self._replica.propose(Pointed(name=name, deployment=ident, operator=operator, why=why, expected=expected))

    async def let_follow(self, name: str, operator: str, why: str, expected: int | None = None) -> None:
        """See Refs."""
        await self._replica.propose(Unpinned(name=name, operator=operator, why=why, expected=expected))


class ReplicatedAgents(Agents):
    """See Agents."""

    def __init__(self, database: Database, replica: Replica) -> None:
        super().__init__(database)
        self._replica = replica

    async def add(self, agent: Agent, operator: str, orders: int | None = None) -> None:
        """See Agents."""
        begin = counted_from(self._now()) if orders is None else orders
        await self._replica.propose(Registered(agent=agent, operator=operator, orders=begin))

    async def remove(self, name: str, operator: str) -> None:
        """See Agents."""
        await self._replica.propose(Removed(name=name, operator=operator))

    async def tell(self, name: str, order: Order, operator: str) -> None:
        """See Agents."""
        await self._replica.propose(Ordered(name=name, order=order, operator=operator))

    async def keep_token(
        self, hash_: str, name: str, role: Role, *, ends: float | None = None, others_end: float | None = None
    ) -> None:
        """See Agents: the token itself is nowhere but with whoever asked for it."""
        await self._replica.propose(TokenMade(hash=hash_, name=name, role=role, ends=ends, others_end=others_end))

    async def revoke(self, name: str, role: Role) -> int:
        """See Agents."""
        found = [holder for holder in (await self.holders()).values() if (holder.name, holder.role) == (name, role)]
        if found:
            await self._replica.propose(TokensRevoked(name=name, role=role))
        return len(found)

    async def report(self, report: Report) -> bool:
        """See Agents: the report's own id is the record's, so that it counts once on the broker, too."""
        if await self.is_known(report.event):
            return False
        await self._replica.propose(Reported(report=report), report.event)
        return True


class ReplicatedSources(Sources):
    """See Sources."""

    def __init__(self, database: Database, replica: Replica) -> None:
        super().__init__(database)
        self._replica = replica

    async def add(self, source: Source) -> None:
        """See Sources."""
        await self._replica.propose(SourceAdded(source=source))

    async def remove(self, name: str, operator: str, *, still_named: bool = False) -> None:
        """See Sources."""
        await self._replica.propose(SourceRemoved(name=name, operator=operator, still_named=still_named))

    async def pin(self, name: str, pin: SourcePin) -> None:
        """See Sources: an evaluation that comes behind it in the log, and is of another revision, is taken by nobody."""
        await self._replica.propose(SourcePinned(name=name, pin=pin))

    async def unpin(self, name: str, operator: str) -> None:
        """See Sources."""
        await self._replica.propose(SourceUnpinned(name=name, operator=operator))


class ReplicatedDeployments(Deployments):
    """See Deployments. An evaluation of what the log said when it began, and not of what it says when that ends."""

    def __init__(self, database: Database, replica: Replica, now: Callable[[], float] = time.time) -> None:
        super().__init__(database, now)
        self._replica = replica
        self._began: dict[str, int] = {}

    def begins(self, source: str) -> None:
        """From here on what another claveld evaluates of it is newer than what we yield. Who joins one under way begins none."""
        self._began.setdefault(source, self._replica.cursor)

    def ends(self, source: str) -> None:
        """What began then is over; one that failed must not make the next one old."""
        self._began.pop(source, None)

    async def record(self, evaluation: Evaluation, deployments: Sequence[Deployment], operator: str, why: str) -> None:
        """See Deployments.

        Raises:
            RefusedError: another claveld has evaluated that source since this evaluation began.
        """
        basis = self._began.pop(evaluation.source.name, self._replica.cursor)
        if not await self.is_news(evaluation, deployments, operator):  # once an hour: the log keeps what it is told for good
            await self.looked(evaluation)
            return
        said = Evaluated(basis=basis, evaluation=evaluation, deployments=tuple(deployments), operator=operator, why=why)
        await self._replica.propose(said)
