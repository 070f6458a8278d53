"""One claveld of several: it writes what it is asked for into the log, and carries out what stands there, whoever wrote it."""

from __future__ import annotations

import asyncio
import hashlib
import time
import uuid
from collections.abc import Callable

from clavel_tui.bus.claveld import ClaveldError
from clavel_tui.bus.link import NobodyError
from clavel_tui.bus.log import Log
from clavel_tui.bus.records import (
    Evaluated,
    Ordered,
    Pointed,
    Record,
    Registered,
    Removed,
    Reported,
    Seeded,
    SourceAdded,
    SourcePinned,
    SourceRemoved,
    SourceTold,
    SourceUnpinned,
    TokenMade,
    TokensRevoked,
    Unpinned,
    What,
)
from clavel_tui.domain.agent import Report
from clavel_tui.domain.errors import AwayError, RefusedError
from clavel_tui.history import JournalError
from clavel_tui.history.agents import Agents
from clavel_tui.history.applied import TABLES, Applied, DoneError
from clavel_tui.history.deployments import Deployments
from clavel_tui.history.refs import Refs
from clavel_tui.history.sources import Sources
from clavel_tui.store import Database

ANSWER_S = 10.0
"""For the broker to take a record, and for ourselves to carry it out."""
AGAIN_S = 1.0
SOON_S = 0.02
"""A server that answers for another one of its cluster may not have seen yet what that one took."""
ROWS = 200
"""Of one record of a seed."""


class Replica:
    """Follows ``log`` into ``database``. ``by``: the name of this process."""

    def __init__(self, database: Database, log: Log, by: str, wall: Callable[[], float] = time.time) -> None:
        self._log = log
        self._by = by
        self.heard: Callable[[Report, float], object] = lambda _report, _at: None
        """Told every report that is new, with the time of its record."""
        self._wall = wall
        self._applied = Applied(database)
        self._agents = Agents(self._applied.stamping, self._at)
        self._refs = Refs(self._applied.stamping, self._at)
        self._deployments = Deployments(self._applied.stamping, self._at)
        self._sources = Sources(self._applied.stamping, self._at)
        self._turn = asyncio.Lock()
        self._waiting: dict[str, asyncio.Event] = {}
        self.changed = asyncio.Event()
        """Set behind each record, for whoever tells it on."""
        self.trouble = "the log was not read yet"
        """Why it does not keep up; empty while it does."""
        self.cursor = 0
        self.ident = ""
        """Which log it follows."""
        self.anew: Callable[[], object] = lambda: None
        """Called where the tables have changed in a way of which nobody was told: all of them are to be read again."""
        self._begun = False
        self._unsure = False
        log.when_back(self._doubt)

    def _doubt(self) -> None:
        """The broker may be another one, or have lost what it had: it is looked at before anything is carried out."""
        self._unsure = True

    def _at(self) -> float:
        return self._applied.at

    # ---- beginning

    async def begin(self) -> None:
        """Sees that this database and that log belong together, and catches up.

        Raises:
            ClaveldError: the broker is away; or a record is not understood.
            RefusedError: they do not belong together.
        """
        async with self._turn:
            await self._begin()
        await self.catch_up()

    async def _sure(self) -> None:
        """Sees that they belong together, where that may have changed or was never seen: nothing is carried out before."""
        if self._unsure or not self._begun:
            self._unsure = False
            try:
                await self._begin()
            except BaseException:
                self._unsure = True
                raise

    async def _surely(self) -> None:
        """For who has something to say: a log of another database is a person's to mend, and then it is taken."""
        try:
            await self._sure()
        except RefusedError as error:
            raise AwayError(error.text, error.hint) from error

    async def _begin(self) -> None:
        self._begun = False
        self.ident, last = await self._log.ready()
        known, cursor = await self._applied.said("log"), await self._applied.cursor()
        if known not in {"", self.ident}:
            hint = "name the broker that it followed; or begin with an empty database, which learns all that the log holds"
            raise RefusedError("the broker has another log than the one that this database follows", hint)
        if last < cursor:
            hint = (
                "give the broker its newest state back; or stop every claveld, remove the log there, say `claveld forget-log` on"
                " the one that knows most, and begin anew from it, with empty databases on the others"
            )
            raise RefusedError(f"the broker's log ends at {last}, and this database knows it up to {cursor}", hint)
        if not known:
            await self._join(self.ident, last)
        self._begun = True

    async def forget(self) -> None:
        """What this database knows goes into a new log at the next beginning."""
        await self._applied.forget()

    async def _join(self, ident: str, last: int) -> None:
        own = await self._applied.said("seed") or uuid.uuid4().hex
        past = await self._applied.has_a_past()
        if past and last:
            first = await self._log.following(0)
            theirs = first[1].what if first else None
            if not (isinstance(theirs, Seeded) and theirs.database == own):
                hint = "begin with an empty database: it learns all that the log holds"
                raise RefusedError("the broker's log and this database each have a past of their own", hint)
        if past:
            await self._applied.say("seed", own)
            await self._seed(own)
        await self._applied.say("log", ident)

    async def _seed(self, own: str) -> None:
        """What was there before the log. Broken off and begun anew it says the same again, under the same ids."""
        for table in TABLES:
            columns, after = [""], 0
            while columns:
                columns, rows = await self._applied.rows(table, after, ROWS)
                if not rows:
                    break
                what = Seeded(database=own, table=table, columns=tuple(columns), rows=tuple(tuple(row) for row in rows))
                said = hashlib.sha256(what.model_dump_json().encode()).hexdigest()[:32]
                await self._log.append(Record(id=said, at=self._wall(), by=self._by, what=what), ANSWER_S)
                after += ROWS

    # ---- keeping up

    async def keep_up(self) -> None:
        """Until cancelled. A broker that is away is waited for; a record that is not understood stops it, and is said."""
        while True:
            try:
                await self.catch_up()
                await self._log.news()
            except (ClaveldError, JournalError, RefusedError) as error:
                self.trouble = str(error)
                await asyncio.sleep(AGAIN_S)

    async def catch_up(self) -> None:
        """Carries out all that is in the log and was not carried out here.

        Raises:
            ClaveldError: the broker is away; or a record is not understood.
        """
        async with self._turn:
            await self._sure()
            cursor = await self._applied.cursor()
            if cursor > self.cursor:  # by another process of this database: a command, say
                self.anew()
                self.changed.set()
            self.cursor = cursor
            while found := await self._following():
                seq, record = found
                await self._carry_out(seq, record)
                self.cursor = seq
                self.changed.set()
                if waiting := self._waiting.pop(record.id, None):
                    waiting.set()
            self.trouble = ""

    async def _following(self) -> tuple[int, Record] | None:
        try:
            return await self._log.following(self.cursor)
        except NobodyError:  # there is a server, and no log
            self._doubt()
            raise

    async def _carry_out(self, seq: int, record: Record) -> None:
        if await self._applied.is_known(record.id):
            await self._applied.pass_over(seq)
            return
        what = record.what
        source, basis = (what.evaluation.source.name, what.basis) if isinstance(what, Evaluated) else ("", 0)
        try:
            async with self._applied.record(seq, record.id, record.at, source, basis):
                await self._do(what, record)
        except DoneError:
            self.anew()

    async def _do(self, what: What, record: Record) -> None:
        match what:
            case Reported(report=report):
                if await self._agents.report(report):
                    self.heard(report, record.at)
            case Evaluated():
                await self._deployments.record(what.evaluation, what.deployments, what.operator, what.why)
            case Pointed():
                await self._refs.move(what.name, what.deployment, what.operator, what.why, what.expected)
            case Unpinned():
                await self._refs.let_follow(what.name, what.operator, what.why, what.expected)
            case Registered():
                await self._agents.add(what.agent, what.operator, what.orders)
            case Removed():
                await self._agents.remove(what.name, what.operator)
            case Seeded():
                await self._applied.seed(what.table, what.columns, what.rows)
                self.anew()
            case SourceAdded() | SourceRemoved() | SourcePinned() | SourceUnpinned():
                await self._do_source(what)
            case _:
                await self._do_trust(what)

    async def _do_source(self, what: SourceTold) -> None:
        match what:
            case SourceAdded():
                await self._sources.add(what.source)
            case SourceRemoved():
                await self._sources.remove(what.name, what.operator, still_named=what.still_named)
            case SourcePinned():
                await self._sources.pin(what.name, what.pin)
            case SourceUnpinned():
                await self._sources.unpin(what.name, what.operator)

    async def _do_trust(self, what: Ordered | TokenMade | TokensRevoked) -> None:
        match what:
            case Ordered():
                await self._agents.tell(what.name, what.order, what.operator)
            case TokenMade():
                await self._agents.keep_token(what.hash, what.name, what.role, ends=what.ends, others_end=what.others_end)
            case TokensRevoked():
                await self._agents.revoke(what.name, what.role)

    # ---- changing something

    async def propose(self, what: What, ident: str = "") -> None:
        """Has it written into the log, and returns when it was carried out here.

        Raises:
            RefusedError: it changed nothing, and why.
            AwayError: the broker does not answer, or what it said was not carried out in time.
        """
        if not self._begun and not self._unsure:
            raise AwayError(f"the bus does not answer: {self.trouble}", "nothing was changed; try it again")
        record = Record(id=ident or uuid.uuid4().hex, at=self._wall(), by=self._by, what=what)
        done = self._waiting.setdefault(record.id, asyncio.Event())
        try:
            async with self._turn:
                await self._surely()
            await self._log.append(record, ANSWER_S)
            if not await self._applied.is_known(record.id):
                async with asyncio.timeout(ANSWER_S):
                    await self._until(record.id, done)
        except (ClaveldError, TimeoutError) as error:
            hint = "whether it was taken is seen when the broker answers again"
            raise AwayError(f"the bus does not answer: {error or self.trouble or 'too slow'}", hint) from error
        finally:
            self._waiting.pop(record.id, None)
        if refused := await self._applied.refused(record.id):
            raise refused

    async def _until(self, ident: str, done: asyncio.Event) -> None:
        """Carried out by whoever is at it: ourselves, our own loop, another process of this database."""
        while not done.is_set():
            await self.catch_up()
            if await self._applied.is_known(ident):
                return
            await asyncio.sleep(SOON_S)
