"""DeploymentRefs: where each points, moved by one who has seen where it points now, and pinned so that evaluations leave it."""

from __future__ import annotations

import time
from collections.abc import Callable

from clavel_tui.domain.agent import Pin, RefState
from clavel_tui.domain.deployment import Deployment, full_name
from clavel_tui.domain.errors import MovedError, RefusedError
from clavel_tui.history.journal import append
from clavel_tui.store import Connection, Database

_STATE = """SELECT m.name, m.seq, m.at, d.body, p.at, p.operator, p.why,
    (SELECT group_concat(id) FROM deployments WHERE name = m.name)
    FROM ref_moves m JOIN deployments d ON d.id = m.deployment LEFT JOIN pins p ON p.name = m.name
    WHERE m.seq IN (SELECT max(seq) FROM ref_moves GROUP BY name)"""


class Refs:
    """The refs of one database."""

    def __init__(self, database: Database, now: Callable[[], float] = time.time) -> None:
        self._db = database
        self._now = now

    async def all(self) -> list[RefState]:
        """By name."""
        return [_state(*row) for row in await self._db.rows(f"{_STATE} ORDER BY m.name")]

    async def one(self, name: str) -> RefState | None:
        """Where it points now; None where nothing was evaluated for that name."""
        rows = await self._db.rows(f"{_STATE} AND m.name = ?", (name,))
        return _state(*rows[0]) if rows else None

    async def point(self, name: str, ident: str, operator: str, why: str, expected: int | None = None) -> RefState:
        """To that Deployment, and pinned there. ``expected``: the revision that whoever asks has seen.

        Raises:
            MovedError: it has another revision.
            RefusedError: no such Deployment of that name.
        """
        await self.move(name, ident, operator, why, expected)
        return await self._known(name)

    async def move(self, name: str, ident: str, operator: str, why: str, expected: int | None = None) -> None:
        """See point; where it points then is not asked."""
        async with self._db.transaction() as write:
            rows = list(await write.execute_fetchall("SELECT 1 FROM deployments WHERE id = ? AND name = ?", (ident, name)))
            if not rows:
                raise RefusedError(f"{name} has no Deployment {ident[:12]}")
            await _move(write, name, ident, (self._now(), operator, why), expected)
            await write.execute(
                "INSERT INTO pins VALUES (?,?,?,?) ON CONFLICT (name) DO UPDATE"
                " SET at=excluded.at, operator=excluded.operator, why=excluded.why",
                (name, self._now(), operator, why),
            )
            text = f"{full_name(name, ident)}, and stays there: {operator}{f', {why}' if why else ''}"
            await append(write, self._now(), [("ref", "", name, text)])

    async def unpin(self, name: str, operator: str, why: str, expected: int | None = None) -> RefState:
        """Follows its source again: it points to what was evaluated last.

        Raises:
            MovedError: it has another revision.
            RefusedError: it is not pinned.
        """
        await self.let_follow(name, operator, why, expected)
        return await self._known(name)

    async def let_follow(self, name: str, operator: str, why: str, expected: int | None = None) -> None:
        """See unpin; where it points then is not asked."""
        async with self._db.transaction() as write:
            if not list(await write.execute_fetchall("SELECT 1 FROM pins WHERE name = ?", (name,))):
                raise RefusedError(f"{name} is not pinned: it follows its source")
            newest = list(
                await write.execute_fetchall(
                    "SELECT d.id FROM evaluations e JOIN deployments d ON d.id = e.deployment WHERE d.name = ?"
                    " ORDER BY e.seq DESC LIMIT 1",
                    (name,),
                )
            )
            await _move(write, name, newest[0][0], (self._now(), operator, why or "unpinned"), expected)
            await write.execute("DELETE FROM pins WHERE name = ?", (name,))
            text = f"{full_name(name, newest[0][0])}, and follows its source again: {operator}"
            await append(write, self._now(), [("ref", "", name, text)])

    async def _known(self, name: str) -> RefState:
        state = await self.one(name)
        if state is None:
            raise RefusedError(f"there is no ref {name}")
        return state


async def _move(write: Connection, name: str, ident: str, said: tuple[float, str, str], expected: int | None) -> None:
    """A move to where it points already is told as well: what was asked for has a revision of its own."""
    rows = list(
        await write.execute_fetchall("SELECT seq, deployment FROM ref_moves WHERE name = ? ORDER BY seq DESC LIMIT 1", (name,))
    )
    revision, before = rows[0] if rows else (0, "")
    if expected is not None and expected != revision:
        raise MovedError(f"{name} was moved meanwhile: its revision is {revision}, and not {expected}", "look at it again")
    await write.execute(
        "INSERT INTO refs VALUES (?,?) ON CONFLICT (name) DO UPDATE SET deployment=excluded.deployment", (name, ident)
    )
    await write.execute(
        "INSERT INTO ref_moves (name, deployment, before, at, operator, why) VALUES (?,?,?,?,?,?)", (name, ident, before, *said)
    )


def _state(
    name: str, revision: int, at: float, body: str, pinned: float | None, operator: str, why: str, idents: str
) -> RefState:  # fmt: skip
    deployment = Deployment.model_validate_json(body)
    pin = Pin(name=name, at=pinned, operator=operator, why=why) if pinned is not None else None
    short = full_name(name, deployment.id, idents.split(","))
    return RefState(name=name, revision=revision, deployment=deployment, short=short, at=at, pin=pin)
