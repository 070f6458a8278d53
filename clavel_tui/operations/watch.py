"""What is known of every unit, kept fresh: each unit at its own pace, so that one that is down delays nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from clavel_tui.domain import limits
from clavel_tui.domain.agent import AgentState
from clavel_tui.domain.deployment import Head
from clavel_tui.domain.drift import drifts
from clavel_tui.domain.facts import Facts
from clavel_tui.domain.health import Health, judge, worse
from clavel_tui.domain.mute import Mute, outlived, said, without
from clavel_tui.domain.stackview import stack_views
from clavel_tui.domain.unit import Unit
from clavel_tui.fleet.state import UnitState
from clavel_tui.history import JournalError
from clavel_tui.inventory import tree_lines
from clavel_tui.operations.parts import Parts
from clavel_tui.probe import probe
from clavel_tui.remote.errors import RemoteError

TOLD_S = 660.0
"""For so long an agent's own word counts where its unit cannot be reached: it looks every five minutes."""
RECENT_S = 5.0
"""So old may be what a deployment is planned by: its job looks again under the lock, and refuses where something else runs."""
TOGETHER_S = 60.0
"""Facts that are older than the known ones by more are no late look: then the clock was set back."""


class Trouble(NamedTuple):
    """Why a unit could not be looked at; all empty where it could."""

    text: str = ""
    hint: str = ""
    kind: str = ""


class Watch:
    """The facts of all units; each look is journalled before it is shown."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._facts: dict[str, Facts | None] = {}
        self._trouble: dict[str, Trouble] = {}
        self._looking: set[str] = set()
        self._seen: dict[str, Facts] = {}
        self._states: dict[str, UnitState] = {}
        self._probes = asyncio.Semaphore(64)
        self.changed = asyncio.Event()
        self._heads: dict[str, Head] = {}
        self._mutes: dict[str, tuple[Mute, ...]] = {}
        self._agents: dict[str, AgentState] = {}
        self._told: dict[str, float] = {}
        self.claveld_trouble = ""
        self.claveld_asked = False
        self.unwritten = ""
        """Why the journal could not be written last; empty where it could."""
        self.wanted: dict[str, dict[str, tuple[str, ...]]] = {}

    async def load(self) -> None:
        """From the cache: what was last known, with its age, before any connection is made."""
        for name, (facts, trouble) in (await self._parts.journal.facts()).items():
            self._facts[name], self._trouble[name] = facts, Trouble(trouble)

    def should_run(self, heads: dict[str, Head]) -> None:
        """Where the units' refs point."""
        for name in {*heads, *self._heads}:
            if heads.get(name) != self._heads.get(name):
                self._states.pop(name, None)
        self._heads = heads
        self.changed.set()

    def mute(self, mutes: dict[str, tuple[Mute, ...]]) -> None:
        """What was acknowledged."""
        for name in {*mutes, *self._mutes}:
            if mutes.get(name) != self._mutes.get(name):
                self._states.pop(name, None)
                self.changed.set()
        self._mutes = mutes

    def agents(self, agents: dict[str, AgentState]) -> None:
        """What claveld says of each unit's agent."""
        for name in {*agents, *self._agents}:
            if agents.get(name) != self._agents.get(name):
                self._states.pop(name, None)
                self.changed.set()
        self._agents = agents
        self.claveld("")

    def claveld(self, trouble: str) -> None:
        """Why it cannot be asked; empty where it was."""
        self.claveld_asked = True
        if trouble != self.claveld_trouble:
            self.claveld_trouble = trouble
            self.changed.set()

    def state(self, unit: Unit) -> UnitState:
        """The unit as it is known now."""
        if unit.name not in self._states:
            facts = self._facts.get(unit.name)
            trouble, hint, kind = self._trouble.get(unit.name, Trouble())
            head = self._heads.get(unit.name)
            mutes, now = self._mutes.get(unit.name, ()), self._parts.clock.wall()
            everything = self._judged(unit, facts, trouble), drifts(unit, facts, self.wanted.get(unit.name, {}), head)
            health, drift, muted = without(*everything, mutes, now)
            self._states[unit.name] = UnitState(
                unit=unit,
                facts=facts,
                trouble=trouble,
                kind=kind,
                hint=hint,
                health=health,
                drift=drift,
                muted=muted,
                head=head,
                agent=self._agents.get(unit.name),
                stacks=stack_views(unit, facts),
                looking=unit.name in self._looking,
            )
        return self._states[unit.name]

    def _judged(self, unit: Unit, facts: Facts | None, trouble: str = "") -> Health:
        """What was seen of the unit, and what claveld says of its agent."""
        agent = self._agents.get(unit.name)
        return worse(judge(unit, facts, trouble), agent.reason if agent else None)

    async def look(self, unit: Unit) -> Facts | None:
        """Looks at one unit now; None when it could not be reached, which is data and not an error."""
        self._looking.add(unit.name)
        if known := self._states.get(unit.name):  # all else is as it was, and costs more to find out than to ask
            self._states[unit.name] = known.model_copy(update={"looking": True})
        self.changed.set()
        facts: Facts | None = None
        trouble = Trouble()
        try:
            async with self._probes:
                before = self._facts.get(unit.name)
                facts = await probe(self._parts.runner, unit, self._parts.target(unit), self._parts.clock.wall, before)
            await self._read_files(unit)
        except RemoteError as error:
            trouble = Trouble(error.text, error.hint, error.kind)
            self._seen.pop(unit.name, None)
        finally:
            self._looking.discard(unit.name)
        if trouble.text and self._parts.clock.wall() - self._told.get(unit.name, 0.0) < TOLD_S:
            self._forget_state(unit)
            return None  # it cannot be reached from here, and its agent says how it is
        try:
            await self._keep(unit, facts, trouble)
        except JournalError as error:  # a disk that is full for a while must not make anybody blind
            self.not_written(error.text)
        else:
            self.not_written("")
        if facts and self._facts[unit.name] is facts:
            self._seen[unit.name] = facts
        return facts

    def recent(self, unit: Unit) -> Facts | None:
        """What was seen from here a moment ago, if it was."""
        seen = self._seen.get(unit.name)
        age = self._parts.clock.wall() - seen.at if seen else RECENT_S
        return seen if seen and age >= 0 and age + seen.took < RECENT_S else None

    async def learn(self, unit: Unit, facts: Facts) -> None:
        """What somebody else saw of it."""
        self._told[unit.name] = self._parts.clock.wall()
        self._seen.pop(unit.name, None)
        await self._read_files(unit)
        await self._keep(unit, facts, Trouble())

    async def _read_files(self, unit: Unit) -> None:
        if unit.stacks:
            self.wanted[unit.name] = await asyncio.to_thread(_wanted, unit)

    async def look_at(self, units: Sequence[Unit], *, now: bool) -> None:
        """Looks at many at once. ``now`` also ends the back-off of those that are down."""
        if now:
            for unit in units:
                if self._trouble.get(unit.name, Trouble()).text:
                    self._parts.runner.wanted(self._parts.target(unit))
                    await self._parts.runner.forget(self._parts.target(unit))
        await asyncio.gather(*(self.look(unit) for unit in units))

    async def keep_looking(self) -> None:
        """For ever, each unit by itself."""
        async with asyncio.TaskGroup() as group:
            for unit in self._parts.fleet.units:
                group.create_task(self._keep_looking_at(unit))

    async def _keep_looking_at(self, unit: Unit) -> None:
        while True:
            await self.look(unit)
            await self._parts.clock.sleep(limits.REFRESH_S)

    def not_written(self, why: str) -> None:
        """Why the journal could not be written; empty where it was."""
        if why != self.unwritten:
            self.unwritten = why
            self.changed.set()

    def _forget_state(self, unit: Unit) -> None:
        self._states.pop(unit.name, None)
        self.changed.set()

    async def _keep(self, unit: Unit, facts: Facts | None, trouble: Trouble) -> None:
        before = self.state(unit).health.level
        known = self._facts.get(unit.name)
        if facts and known and 0 < known.at - facts.at < TOGETHER_S:
            self._forget_state(unit)
            return  # two looks at once, and this one, which ends last, saw what was before
        if facts:
            self._facts[unit.name] = facts
        self._trouble[unit.name] = trouble
        self._forget_state(unit)
        await self._parts.journal.save_facts(unit.name, facts, trouble.text)
        await self._end_mutes(unit, facts)
        after = self.state(unit).health.level
        if before is not after:
            await self._parts.journal.record(
                [("health", "", unit.name, f"{before.value} → {after.value}: {self.state(unit).health.headline}")]
            )

    async def _end_mutes(self, unit: Unit, facts: Facts | None) -> None:
        """One that was to last until it changes is over when it has; a unit that was not seen tells nothing."""
        mutes = self._mutes.get(unit.name, ())
        if not mutes or facts is None:
            return
        health, drift = self._judged(unit, facts), drifts(unit, facts, self.wanted.get(unit.name, {}), self._heads.get(unit.name))
        seen = said(health, drift)
        if over := outlived(mutes, seen, self._parts.clock.wall()):
            await self._parts.mutes.remove(over)
            self.mute({**self._mutes, unit.name: tuple(m for m in mutes if m not in over)})


def _wanted(unit: Unit) -> dict[str, tuple[str, ...]]:
    """What the repository says that each stack's folder should hold; a folder that cannot be read says nothing."""
    from pathlib import Path

    from clavel_tui.domain.errors import RefusedError

    found = {}
    for stack in unit.stacks:
        try:
            found[stack.name] = tree_lines(Path(stack.source)) if stack.source else ()
        except (RefusedError, OSError):
            continue
    return found
