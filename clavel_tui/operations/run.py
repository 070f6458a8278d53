"""One operation from its intent to its end: journal, put, start, follow, verify, settle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from clavel_tui.domain.facts import Facts
from clavel_tui.domain.operation import Operation, State, Verb
from clavel_tui.domain.outcome import Outcome
from clavel_tui.domain.rollout import ills
from clavel_tui.domain.text import clean
from clavel_tui.domain.unit import Unit
from clavel_tui.history.journal import Note
from clavel_tui.operations import outside, proof
from clavel_tui.operations.machine import BOOT_S
from clavel_tui.operations.parts import Parts
from clavel_tui.operations.watch import Watch
from clavel_tui.remote.bundle import Bundle
from clavel_tui.remote.errors import RemoteError
from clavel_tui.remote.jobs import FollowLostError, JobClient, JobEnd
from clavel_tui.remote.target import Target

RETRY_S = 3.0
"""Between two tries to reach a unit whose connection was lost; the pool's own back-off is ended before each."""
GIVE_UP_S = 180.0
"""After so long the operation is left `unknown`, and is settled when the unit is seen again."""
ACKNOWLEDGE_TRIES = 1200
"""For as long as the longest wait for a confirmation lasts; the job has long returned when they end."""
LOOK_S = 60.0
"""How long a unit that went away behind its job's last word is waited for, to see what runs."""
FLUSH_S = 0.25
"""Log lines are journalled together: a transaction for each of a thousand lines of `docker pull` would be the slow part."""


class Run:
    """Carries one operation. It ends settled, or unknown."""

    def __init__(self, parts: Parts, jobs: JobClient, watch: Watch, unit: Unit, operation: Operation) -> None:
        self._parts = parts
        self._jobs = jobs
        self._watch = watch
        self._unit = unit
        self._target: Target = parts.target(unit)
        self.operation = operation
        self.begun = False
        """The start was sent: from now on the unit's job may run."""
        self._notes: list[Note] = []
        self._acknowledging: asyncio.Task[None] | None = None
        self._withheld = ""
        """Why no word of ours reached the unit: what did not hold from here."""

    async def from_the_start(self, bundle: Bundle, excused: tuple[str, ...] = ()) -> None:
        """The whole life, behind the journal's first row. ``excused``: checks from here that failed before it."""
        self.operation = self.operation.model_copy(update={"excused": excused})
        self._parts.checkpoint("begun")
        try:
            folder = await self._jobs.put(self._target, bundle)
        except RemoteError as error:
            outcome = Outcome.UNREACHABLE if error.kind != "put" else Outcome.REFUSED
            await self.end(outcome, f"nothing was changed: {error.text}")
            return
        self._parts.checkpoint("put")
        await self._note("state", "files are put; starting")
        self.begun = True
        if await self._start(folder, bundle):
            self._parts.checkpoint("started")
            await self.from_offset(0)

    async def _start(self, folder: str, bundle: Bundle) -> bool:
        """Sent again for as long as its answer is lost: at most one of them runs."""
        waited = 0.0
        while True:
            try:
                born = await self._jobs.start(self._target, self.operation.id, folder, bundle)
            except RemoteError as error:
                if not error.uncertain and error.kind != "unreachable":
                    await self.settle_by_unit(f"it could not be started: {error.text}", Outcome.REFUSED)
                    return False
                if waited >= self._patience:
                    await self._leave_unknown(error.text)
                    return False
                await self._lost(f"the start was not acknowledged ({error.text}): asking again")
                waited += await self._again()
            else:
                self.operation = self.operation.model_copy(update={"born": born or self.operation.born})
                await self._note("state", "started")
                return True

    async def from_offset(self, offset: int) -> None:
        """Follows the job's log to its end, over as many connections as it takes."""
        if self.operation.step == "confirm":  # taken over from a console that died: we have reached it as well
            self._begin_to_acknowledge()
        waited = 0.0
        while True:
            try:
                async with self.flushing():
                    end = await self._jobs.follow(self._target, self.operation.id, offset, self.tell)
                    waited, offset = 0.0, end.offset
            except FollowLostError as error:
                waited, offset = (0.0 if error.offset > offset else waited), error.offset
                end = JobEnd("lost")
                await self._lost(f"connection lost ({error.text}): looking again")
            await self._flush(offset)
            self._parts.checkpoint(f"followed:{end.word}")
            if end.word == "ended":
                await self._finish(end)
                return
            if end.word in {"dead", "missing"}:
                await self.settle_by_unit("", patience=self._patience)
                return
            if end.word == "lost":
                waited += await self._again()
                if waited >= self._patience:
                    await self._leave_unknown(f"{self._unit.name} could not be reached for {self._patience:.0f} s")
                    return

    async def settle_by_unit(self, why: str, unstarted: Outcome = Outcome.NEVER_STARTED, *, patience: float = 0.0) -> bool:
        """Asks the unit what became of it, again for ``patience`` seconds; False when it cannot be asked: it stays unknown."""
        waited = 0.0
        while True:
            try:
                end = await self._jobs.settle(self._target, self.operation.id, self.operation.born)
                break
            except RemoteError as error:
                if waited >= patience:
                    await self._leave_unknown(error.text)
                    return False
                waited += await self._again()
        if end.word == "running":
            await self.from_offset(await self._offset())
            return True
        if end.word == "unknown":
            await self.end(Outcome.UNKNOWN, end.result.get("text", why))
            return True
        if why and end.result.get("outcome") == "never-started":
            end = JobEnd("ended", 0, {**end.result, "outcome": unstarted.value, "text": f"{why}; nothing was changed"})
        await self._finish(end)
        return True

    @property
    def _patience(self) -> float:
        return BOOT_S if self.operation.request.verb is Verb.REBOOT else GIVE_UP_S

    async def _offset(self) -> int:
        for operation, _, offset in await self._parts.journal.open_operations():
            if operation.id == self.operation.id:
                return offset
        return 0

    async def _again(self) -> float:
        await self._parts.clock.sleep(RETRY_S)
        await self._parts.runner.forget(self._target)
        return RETRY_S

    def tell(self, kind: str, text: str) -> None:
        """One line of what happens: step, say, warn, run, out. It is journalled within `flushing`."""
        self._notes.append((kind, self.operation.id, self._unit.name, text))
        if kind == "step":
            self.operation = self.operation.model_copy(update={"step": text})
        if kind == "step" and text == "confirm":
            self._begin_to_acknowledge()
        if kind == "step" and text == "return" and self._acknowledging:
            self._acknowledging.cancel()  # too late: and what kept the word back is told at the end

    def _begin_to_acknowledge(self) -> None:
        if self._acknowledging is None:
            self._acknowledging = asyncio.create_task(self._acknowledge())

    async def _acknowledge(self) -> None:
        """Over a new connection, when what is looked at from here holds as well.

        A failure needs no word here: without it the job returns by itself, and says so.
        """
        for _ in range(ACKNOWLEDGE_TRIES):
            failing = await self.failing_outside() - {*self.operation.excused}
            self._withheld = ", ".join(sorted(failing))
            if failing:
                self.tell("warn", f"from here it does not hold: {', '.join(sorted(failing))}")
                await self._parts.clock.sleep(RETRY_S)
                continue
            try:
                await self._jobs.acknowledge(self._target, self.operation.id)
            except RemoteError:
                await self._parts.clock.sleep(RETRY_S)
            else:
                return

    async def failing_outside(self) -> frozenset[str]:
        """The unit's checks that are looked at from this workstation and do not hold now."""
        failing = await outside.failing(self._unit, self._parts.workshop.files if self._parts.workshop else None)
        return failing | (await self._parts.failing_too() if self._parts.failing_too else frozenset())

    @asynccontextmanager
    async def flushing(self) -> AsyncIterator[None]:
        """What is told meanwhile goes to the journal as it comes."""
        flusher = asyncio.create_task(self._keep_flushing())
        try:
            yield
        finally:
            flusher.cancel()
            await asyncio.shield(self._flush(None))

    async def _keep_flushing(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            if self._notes:
                # Shielded: cancelled in the middle of it, the lines that it took would be lost to the journal.
                await asyncio.shield(self._flush(None))

    async def _flush(self, offset: int | None) -> None:
        notes, self._notes = self._notes, []
        if notes or offset is not None:
            await self._parts.journal.record(notes, self.operation, offset)

    async def _note(self, kind: str, text: str) -> None:
        await self._parts.journal.record([(kind, self.operation.id, self._unit.name, text)], self.operation)

    async def _lost(self, text: str) -> None:
        self.operation = self.operation.model_copy(update={"lost": True})
        await self._note("warn", text)

    async def _leave_unknown(self, text: str) -> None:
        self.operation = self.operation.model_copy(
            update={"state": State.UNKNOWN, "text": f"{text}: settled when the unit is seen again"}
        )
        await self._note("state", self.operation.text)

    async def _finish(self, end: JobEnd) -> None:
        """What the job said, checked against what is seen on the unit."""
        outcome = Outcome(end.result.get("outcome", "unknown")) if end.result.get("outcome") in set(Outcome) else Outcome.UNKNOWN
        text, release, before = (clean(end.result.get(key, "")) for key in ("text", "release", "from"))
        # Of a job that ended while nobody followed it the last step is not known from its log.
        step = clean(end.result.get("step", "")) or self.operation.step
        self.operation = self.operation.model_copy(update={"release": release, "came_from": before, "step": step})
        self._parts.checkpoint("ended")
        facts = await self._look()
        wrong = self._wrong() if facts else ""
        if outcome is Outcome.SUCCEEDED and wrong:
            outcome, text = Outcome.FAILED, f"{text}; but now {wrong}"
        if outcome is Outcome.SUCCEEDED and self.operation.request.verb is Verb.REBOOT and (ill := await self._still_ill()):
            outcome, text = Outcome.UNITS_FAILED, f"{text}; since then it is not well: {ill}"
        if outcome is Outcome.RETURNED and self._withheld:
            text = f"{text}; the word was kept back, since from here it did not hold: {self._withheld}"
        if outcome is Outcome.INTERRUPTED:
            text = f"{text}; {self._runs_now() if facts else 'what runs now could not be seen'}"
        if self.operation.lost and outcome in {Outcome.SUCCEEDED, Outcome.RETURNED}:
            text = f"{text} (the connection was lost meanwhile; this was verified on the unit)"
        await self.end(outcome, text)

    async def _look(self) -> Facts | None:
        """What runs now. A unit that goes down, or that lost its line just now, is waited for a while."""
        waited = 0.0
        while (facts := await self._watch.look(self._unit)) is None and waited < LOOK_S:
            waited += await self._again()
        return facts

    async def _still_ill(self) -> str:
        """What is wrong behind a reboot that was not before it; services have their time to come up."""
        waited = 0.0
        while True:
            state = self._watch.state(self._unit)
            ill = {*ills(state.health), *await self.failing_outside()} - {*self.operation.excused}
            if not ill or waited >= self._unit.system.check_seconds:
                return "; ".join(sorted(ill))
            await self._parts.clock.sleep(RETRY_S)
            waited += RETRY_S
            await self._watch.look(self._unit)

    def _wrong(self) -> str:
        """Exit 0 with the wrong thing running is a failure."""
        return proof.wrong(self._watch.state(self._unit), self.operation)

    def _runs_now(self) -> str:
        return proof.runs_now(self._watch.state(self._unit), self.operation)

    async def end(self, outcome: Outcome, text: str) -> None:
        """The last word, in the journal."""
        if self._acknowledging:
            self._acknowledging.cancel()
        self.operation = self.operation.ended_with(outcome, text, self._parts.clock.wall())
        self._parts.checkpoint("settling")
        await self._parts.journal.settle(self.operation)
        self._parts.checkpoint("settled")
