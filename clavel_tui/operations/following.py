"""What happens to a fleet that pulls, read in the log of the bus into the console's own journal: each record once."""

from __future__ import annotations

import time

from clavel_tui.bus.claveld import ClaveldError
from clavel_tui.bus.following import FollowingClient
from clavel_tui.bus.records import Record, Reported, told
from clavel_tui.domain.agent import POLL_S, AgentState, Report, latest
from clavel_tui.history.applied import Applied, DoneError
from clavel_tui.history.journal import append

TRIES, AGAIN_S = 40, 0.25
"""For a claveld to have carried out what was read: it does so in some milliseconds, unless it was just started."""


class Following:
    """One console's reading of the log. ``states``: every agent, as the records and its heartbeats leave it."""

    def __init__(self, claveld: FollowingClient, applied: Applied) -> None:
        self._claveld = claveld
        self._applied = applied
        self.states: dict[str, AgentState] = {}
        self._seen: dict[str, float] = {}
        self._listening = False
        self._cursor = 0
        """Of this console: another one may have read further into the journal that they share."""
        self._wanted = 0
        """A record behind which all agents are to be asked for anew."""

    async def begin(self) -> None:
        """Where it was left; at its end where this console has never read it, or another one.

        Raises:
            ClaveldError: the broker, or every claveld, is away.
        """
        log = await self._claveld.ready()
        if await self._applied.said("log") != log.id:
            await self._applied.begin_at(log.id, log.seq)
        if not self._listening:
            await self._claveld.listen(self._heard)
            self._listening = True
        self._cursor = await self._applied.cursor()
        await self._ask(0)

    def _heard(self, agent: str) -> None:
        self._seen[agent] = time.time()

    async def news(self, timeout: float) -> None:
        """Reads what there is, and what comes within ``timeout`` seconds.

        Raises:
            ClaveldError: the broker, or every claveld, is away; or a record is not understood.
        """
        if not await self._read():
            await self._claveld.log.news(timeout)
            await self._read()
        self._see()

    async def _read(self) -> bool:
        first = self._cursor
        while found := await self._claveld.log.following(self._cursor):
            seq, record = found
            await self._keep(seq, record)
            self._cursor = seq
            if isinstance(record.what, Reported):
                self._report(record.what.report, record.at)
            else:
                self._wanted = seq
        if self._wanted:
            await self._ask(self._wanted)
            self._wanted = 0
        return self._cursor != first

    async def _keep(self, seq: int, record: Record) -> None:
        """In the journal, with its number. Another console of this journal may have been faster."""
        if await self._applied.is_known(record.id):
            await self._applied.pass_over(seq)
            return
        kind, unit, text = told(record)
        try:
            async with self._applied.record(seq, record.id, record.at) as database, database.transaction() as write:
                await append(write, record.at, [(kind, "", unit, text)])
        except DoneError:
            pass

    def _report(self, report: Report, at: float) -> None:
        state = self.states.get(report.agent)
        if state is None:
            return
        self.states[report.agent] = state.model_copy(update={"reports": latest(state.reports, report, at)})
        self._seen[report.agent] = max(at, self._seen.get(report.agent, 0.0))

    def _see(self) -> None:
        for name, at in self._seen.items():
            if (state := self.states.get(name)) and at > state.seen:
                self.states[name] = state.model_copy(update={"seen": at, "next_poll": at + POLL_S})
        self._seen.clear()

    async def _ask(self, wanted: int) -> None:
        """All of them anew, from a claveld that has carried out that record."""
        for _ in range(TRIES):
            states, logged = await self._claveld.agents()
            self.states = {state.agent.name: state for state in states}
            if logged >= wanted:
                return
            await self._claveld.log.news(AGAIN_S)
        raise ClaveldError(f"claveld at {self._claveld.url} does not keep up with the log")
