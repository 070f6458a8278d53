"""Deployments in the journal: what was evaluated, when and by whom, and where each unit's ref points."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from clavel_tui.domain.deployment import Deployment, Head, Recorded, RefMove, full_name
from clavel_tui.domain.source import Evaluation
from clavel_tui.history.sources import of_pinned_others, refuse_unless_told_so
from clavel_tui.store import Database

AGAIN_S = 86400.0
"""The same evaluation by the same operator, of what a ref points to, is a row once a day: claveld looks again and again."""
_EVALUATED = """INSERT INTO evaluations (deployment, at, operator, source, url, revision, dirty, nix)
    SELECT ?,?,?,?,?,?,?,? WHERE NOT EXISTS (
    SELECT 1 FROM (SELECT * FROM evaluations WHERE deployment = ? ORDER BY seq DESC LIMIT 1)
    WHERE (operator, source, url, revision, dirty, nix) = (?,?,?,?,?,?) AND at > ?)"""

_SAME = """SELECT 1 FROM refs r JOIN (SELECT * FROM evaluations WHERE deployment = ? ORDER BY seq DESC LIMIT 1) e
    ON e.deployment = r.deployment WHERE r.name = ?
    AND (e.operator, e.source, e.url, e.revision, e.dirty, e.nix) = (?,?,?,?,?,?) AND e.at > ?"""
_LOOKED = "INSERT INTO sources VALUES (?,?,?) ON CONFLICT (name) DO UPDATE SET at=excluded.at, body=excluded.body"


class Deployments:
    """The tables of evaluation in one database."""

    def __init__(self, database: Database, now: Callable[[], float] = time.time) -> None:
        self._db = database
        self._now = now

    def ends(self, source: str) -> None:
        """An evaluation of it is over, whether or not it was recorded: see ReplicatedDeployments."""

    async def record(self, evaluation: Evaluation, deployments: Sequence[Deployment], operator: str, why: str) -> None:
        """One evaluation in one transaction: new Deployments, that they were evaluated, and the refs that moved by it.

        A ref that is pinned stays, and one that points to what another Source has yielded which is pinned.

        Raises:
            RefusedError: its Source was pinned elsewhere or removed meanwhile.
        """
        at, lock = self._now(), evaluation.lock
        evaluated = (at, operator, evaluation.source.name, lock.url, lock.revision, int(lock.dirty), lock.nix)
        async with self._db.transaction() as write:
            await refuse_unless_told_so(write, evaluation)
            known = {row[0] for row in await write.execute_fetchall("SELECT id FROM deployments")}
            await write.executemany(
                "INSERT INTO deployments VALUES (?,?,?,?)",
                [(d.id, d.name, d.source_hash, d.model_dump_json(by_alias=True)) for d in deployments if d.id not in known],
            )
            refs: dict[str, str] = {row[0]: row[1] for row in await write.execute_fetchall("SELECT name, deployment FROM refs")}
            again = {d.id: at - AGAIN_S if refs.get(d.name) == d.id else at for d in deployments}
            await write.executemany(_EVALUATED, [(d.id, *evaluated, d.id, *evaluated[1:], again[d.id]) for d in deployments])
            pinned = {row[0] for row in await write.execute_fetchall("SELECT name FROM pins")}
            theirs = await of_pinned_others(write, evaluation.source.name)
            moving = [
                d for d in deployments if refs.get(d.name) != d.id and d.name not in pinned and refs.get(d.name) not in theirs
            ]
            moves = [(d.name, d.id, refs.get(d.name, "")) for d in moving]
            await write.executemany(
                "INSERT INTO refs VALUES (?,?) ON CONFLICT (name) DO UPDATE SET deployment=excluded.deployment",
                [(name, ident) for name, ident, _ in moves],
            )
            await write.executemany(
                "INSERT INTO ref_moves (name, deployment, before, at, operator, why) VALUES (?,?,?,?,?,?)",
                [(*move, at, operator, why) for move in moves],
            )
            await write.execute(_LOOKED, (evaluation.source.name, at, evaluation.model_dump_json()))

    async def is_news(self, evaluation: Evaluation, deployments: Sequence[Deployment], operator: str) -> bool:
        """Recording it would change more than when the source was looked at last."""
        lock = evaluation.lock
        said = (operator, evaluation.source.name, lock.url, lock.revision, int(lock.dirty), lock.nix)
        return not all([await self._db.rows(_SAME, (d.id, d.name, *said, self._now() - AGAIN_S)) for d in deployments])

    async def looked(self, evaluation: Evaluation) -> None:
        """The source was looked at, and nothing of it is news. Raises what record does."""
        async with self._db.transaction() as write:
            await refuse_unless_told_so(write, evaluation)
            await write.execute(_LOOKED, (evaluation.source.name, self._now(), evaluation.model_dump_json()))

    async def heads(self) -> dict[str, Head]:
        """Of every name, with all that it has pointed to."""
        ids = await self._ids()
        past: dict[str, list[tuple[str, str]]] = {}
        last: dict[str, float] = {}
        newest: dict[str, str] = {}
        sql = """SELECT m.name, m.deployment, m.at, json_extract(d.body, '$.specification.template.narId')
            FROM ref_moves m JOIN deployments d ON d.id = m.deployment ORDER BY m.seq"""
        for name, ident, at, nar_id in await self._db.rows(sql):
            newest[name] = ident
            past.setdefault(name, []).append((full_name(name, ident, ids[name]), nar_id))
            last[name] = at
        return {
            name: Head(name=name, id=newest[name], short=moves[-1][0], nar_id=moves[-1][1], at=last[name], past=tuple(moves))
            for name, moves in past.items()
        }

    async def _ids(self) -> dict[str, list[str]]:
        """All of every name: a short one has to be unlike the others."""
        ids: dict[str, list[str]] = {}
        for name, ident in await self._db.rows("SELECT name, id FROM deployments"):
            ids.setdefault(name, []).append(ident)
        return ids

    async def moved(self) -> int:
        """The number of the newest move: unlike an earlier one, heads have to be read anew."""
        return int(await self._db.value("SELECT max(seq) FROM ref_moves") or 0)

    async def deployments(self, name: str = "", limit: int = 500) -> list[Recorded]:
        """The newest evaluated first, each once, with the evaluation that yielded it last."""
        sql = """SELECT d.id, d.name, d.body, e.at, e.operator, e.url, e.revision, e.dirty, n.times
            FROM (SELECT deployment, max(seq) AS seq, count(*) AS times FROM evaluations GROUP BY deployment) n
            JOIN evaluations e ON e.seq = n.seq JOIN deployments d ON d.id = n.deployment
            WHERE d.name = ? OR ? = '' ORDER BY e.seq DESC LIMIT ?"""
        rows = await self._db.rows(sql, (name, name, limit))
        ids = await self._ids()
        return [
            Recorded(
                deployment=Deployment.model_validate_json(body), short=full_name(of, ident, ids[of]), at=at, operator=operator,
                url=url, revision=revision, dirty=bool(dirty), evaluations=times,
            )
            for ident, of, body, at, operator, url, revision, dirty, times in rows
        ]  # fmt: skip

    async def find(self, said: str) -> list[Deployment]:
        """`cinnabar` is where its ref points, `cinnabar@3f9c` every one whose id begins so."""
        name, at, ident = said.partition("@")
        if not at:
            rows = await self._db.rows(
                "SELECT d.body FROM refs r JOIN deployments d ON d.id = r.deployment WHERE r.name = ?", (name,)
            )
        else:
            rows = await self._db.rows(
                "SELECT body FROM deployments WHERE name = ? AND substr(id, 1, ?) = ? LIMIT 3", (name, len(ident), ident)
            )
        return [Deployment.model_validate_json(row[0]) for row in rows]

    async def moves(self, name: str) -> list[RefMove]:
        """Where a ref has pointed, the newest first."""
        sql = "SELECT seq, name, deployment, before, at, operator, why FROM ref_moves WHERE name = ? ORDER BY seq DESC"
        keys = ("seq", "name", "deployment", "before", "at", "operator", "why")
        return [RefMove(**dict(zip(keys, row, strict=True))) for row in await self._db.rows(sql, (name,))]

    async def sources(self) -> dict[str, tuple[float, Evaluation]]:
        """The last evaluation of every source. One of an older version that no longer fits is left out."""
        found = {}
        for name, at, body in await self._db.rows("SELECT name, at, body FROM sources"):
            try:
                found[name] = (at, Evaluation.model_validate_json(body))
            except ValueError:
                continue
        return found

    async def remember(self, memos: Mapping[str, str]) -> None:
        """Keeps answers under their keys."""
        async with self._db.transaction() as write:
            await write.executemany(
                "INSERT INTO memo VALUES (?,?,?) ON CONFLICT (key) DO UPDATE SET at=excluded.at, body=excluded.body",
                [(key, self._now(), body) for key, body in memos.items()],
            )

    async def remembered(self, keys: Iterable[str]) -> dict[str, str]:
        """What is kept under these keys."""
        wanted = list(keys)
        found: dict[str, str] = {}
        for start in range(0, len(wanted), 500):
            part = wanted[start : start + 500]
            marks = ",".join("?" * len(part))
            rows = await self._db.rows(f"SELECT key, body FROM memo WHERE key IN ({marks})", part)  # noqa: S608  marks only
            found.update((key, body) for key, body in rows)
        return found
