"""Agents in the journal: which there are, whose tokens are good, what they reported, and what they are told."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from clavel_tui.domain.agent import Agent, Order, Report, Role, Said, Told
from clavel_tui.domain.errors import RefusedError
from clavel_tui.history.journal import append
from clavel_tui.store import Database

REPORTS_KEPT = 200
"""Of each ref of an agent."""
_PREFIX = "clv"


@dataclass(frozen=True)
class Holder:
    """Who a token belongs to. ``ends``: when it stops being good, if it does."""

    name: str
    role: Role
    ends: float | None = None


class Agents:
    """Their tables in one database."""

    def __init__(self, database: Database, now: Callable[[], float] = time.time) -> None:
        self._db = database
        self._now = now

    async def add(self, agent: Agent, operator: str, orders: int | None = None) -> None:
        """Registers it, or changes what it may ask for. ``orders``: from where its orders are counted; else from now on."""
        begin = counted_from(self._now()) if orders is None else orders
        async with self._db.transaction() as write:
            await write.execute(
                "INSERT INTO agents (name, at, body, orders) VALUES (?,?,?,?)"
                " ON CONFLICT (name) DO UPDATE SET body=excluded.body",
                (agent.name, self._now(), agent.model_dump_json(), begin),
            )
            refs = ", ".join(agent.specification.deployments)
            await append(write, self._now(), [("agent", "", agent.name, f"may ask for {refs}: {operator}")])

    async def remove(self, name: str, operator: str) -> None:
        """With its tokens. What it reported stays.

        Raises:
            RefusedError: there is none.
        """
        async with self._db.transaction() as write:
            cursor = await write.execute("DELETE FROM agents WHERE name = ?", (name,))
            if cursor.rowcount != 1:
                raise RefusedError(f"there is no agent {name}")
            await write.execute("DELETE FROM tokens WHERE name = ? AND role = ?", (name, Role.AGENT.value))
            await append(write, self._now(), [("agent", "", name, f"removed: {operator}")])

    async def all(self) -> dict[str, tuple[Agent, Told | None]]:
        """By name, with what each was told last."""
        rows = await self._db.rows("SELECT name, body, told, orders FROM agents ORDER BY name")
        return {
            name: (Agent.model_validate_json(body), Told(order=Order(told), number=number) if told else None)
            for name, body, told, number in rows
        }

    async def tell(self, name: str, order: Order, operator: str) -> None:
        """Kept until it is told something else: an agent that is away hears it when it is back.

        Raises:
            RefusedError: there is no such agent.
        """
        async with self._db.transaction() as write:
            cursor = await write.execute("UPDATE agents SET told = ?, orders = orders + 1 WHERE name = ?", (order.value, name))
            if cursor.rowcount != 1:
                raise RefusedError(f"there is no agent {name}")
            await append(write, self._now(), [("agent", "", name, f"told to {order.value}: {operator}")])

    # ---- tokens

    async def new_token(self, name: str, role: Role, *, ends: float | None = None, others_end: float | None = None) -> str:
        """Shown this once; only its hash is kept. ``others_end``: until when the older ones of the name stay good."""
        token = f"{_PREFIX}_{role.value}_{secrets.token_urlsafe(32)}"
        await self.keep_token(hashed(token), name, role, ends=ends, others_end=others_end)
        return token

    async def keep_token(
        self, hash_: str, name: str, role: Role, *, ends: float | None = None, others_end: float | None = None
    ) -> None:
        """What is kept of a token that was made."""
        async with self._db.transaction() as write:
            if others_end is not None:
                await write.execute(
                    "UPDATE tokens SET ends = min(coalesce(ends, ?), ?) WHERE name = ? AND role = ?",
                    (others_end, others_end, name, role.value),
                )
            await write.execute("INSERT INTO tokens VALUES (?,?,?,?,?)", (hash_, name, role.value, self._now(), ends))
            await append(
                write, self._now(), [("token", "", name if role is Role.AGENT else "", f"a token of {name}, {role.value}")]
            )

    async def revoke(self, name: str, role: Role) -> int:
        """All tokens of that name; returns how many."""
        async with self._db.transaction() as write:
            cursor = await write.execute("DELETE FROM tokens WHERE name = ? AND role = ?", (name, role.value))
            await append(write, self._now(), [("token", "", "", f"no token of {name}, {role.value}, is good any more")])
            return cursor.rowcount

    async def holders(self) -> dict[str, Holder]:
        """Of every token, by its hash."""
        rows = await self._db.rows("SELECT hash, name, role, ends FROM tokens")
        return {hash_: Holder(name, Role(role), ends) for hash_, name, role, ends in rows}

    # ---- reports

    async def report(self, report: Report) -> bool:
        """Keeps it with its event, in one transaction. False where it was known already."""
        async with self._db.transaction() as write:
            cursor = await write.execute(
                # ON CONFLICT would use up a number for each that came before, and claveld that share a log number alike.
                "INSERT INTO reports (event, agent, name, received, body) SELECT ?,?,?,?,?"
                " WHERE NOT EXISTS (SELECT 1 FROM reports WHERE event = ?)",
                (report.event, report.agent, report.name, self._now(), report.model_dump_json(), report.event),
            )
            if cursor.rowcount != 1:
                return False
            kind, unit, text = report.told
            await append(write, self._now(), [(kind, "", unit, text)])
            if report.good and report.desired:  # kept by itself: reports go, and what was good is to be found for ever
                await write.execute(
                    "INSERT INTO good SELECT name, ?, seq FROM reports WHERE event = ?"
                    " ON CONFLICT (name, deployment) DO UPDATE SET seq=excluded.seq",
                    (report.desired, report.event),
                )
            await write.execute(
                "DELETE FROM reports WHERE agent = ? AND name = ? AND seq <="
                " (SELECT seq FROM reports WHERE agent = ? AND name = ? ORDER BY seq DESC LIMIT 1 OFFSET ?)",
                (report.agent, report.name, report.agent, report.name, REPORTS_KEPT),
            )
        return True

    async def is_known(self, event: str) -> bool:
        """That report had come before."""
        return bool(await self._db.value("SELECT 1 FROM reports WHERE event = ?", (event,)))

    async def latest(self) -> dict[str, tuple[Said, ...]]:
        """The last report of each ref, by agent."""
        sql = """SELECT seq, received, body FROM reports
            WHERE seq IN (SELECT max(seq) FROM reports GROUP BY agent, name) ORDER BY name"""
        found: dict[str, tuple[Said, ...]] = {}
        for seq, received, body in await self._db.rows(sql):
            report = Report.model_validate_json(body)
            found[report.agent] = (*found.get(report.agent, ()), Said(seq=seq, received=received, report=report))
        return found

    async def reports(self, agent: str, limit: int = 50) -> list[Said]:
        """The newest first."""
        sql = "SELECT seq, received, body FROM reports WHERE agent = ? ORDER BY seq DESC LIMIT ?"
        rows = await self._db.rows(sql, (agent, limit))
        return [Said(seq=seq, received=at, report=Report.model_validate_json(body)) for seq, at, body in rows]

    async def good(self, name: str) -> list[str]:
        """Ids of the Deployments of that ref that an agent has applied and found well, the newest first."""
        return [row[0] for row in await self._db.rows("SELECT deployment FROM good WHERE name = ? ORDER BY seq DESC", (name,))]


def counted_from(now: float) -> int:
    """Milliseconds: an agent that is removed and registered again must not take its first order for one that it has heard."""
    return int(now * 1000)


def hashed(token: str) -> str:
    """What is kept of a token. Its 256 bits are random, so that a slow hash would add nothing."""
    return hashlib.sha256(token.encode()).hexdigest()
