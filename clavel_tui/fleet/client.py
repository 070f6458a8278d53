"""The one door of every face. Operations implement it in process; a client of a coordinator elsewhere may do so over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

from clavel_tui.domain.agent import AgentState, Order, RefState
from clavel_tui.domain.deployment import Deployment, Recorded
from clavel_tui.domain.operation import Event, Operation, Plan, Request
from clavel_tui.domain.rollout import Word
from clavel_tui.domain.waves import RolloutSettings
from clavel_tui.fleet.state import FleetState, RolloutState, SourceState, UnitState


class FleetClient(Protocol):
    """Subscribe first, then take a snapshot: no event falls between. A gap in ``seq`` asks for a fresh snapshot."""

    async def snapshot(self) -> FleetState:
        """The fleet as it is known now; the first one comes from the cache, before any connection is made."""
        ...

    async def changed(self) -> None:
        """Returns when anything is known anew since the last call."""
        ...

    def events(self, after: int) -> AsyncIterator[Event]:
        """Events behind ``after``, as they come, for ever."""
        ...

    async def refresh(self, units: Sequence[str] = ()) -> None:
        """Looks at these units now, or at all; returns when all have answered or failed."""
        ...

    async def plan(self, request: Request) -> Plan:
        """What would happen. Changes nothing."""
        ...

    async def sources(self) -> Sequence[SourceState]:
        """The fleet's Sources, and any other that was evaluated, with what came of it."""
        ...

    async def evaluate(self, source: str, reason: str = "") -> str:
        """Starts to evaluate a Source, by its name or as a flake reference; returns the operation's id at once."""
        ...

    def source_changes(self, source: str) -> AsyncIterator[None]:
        """Goes on for ever: once after each change of the Source's files or revision."""
        ...

    async def deployments(self, name: str = "") -> Sequence[Recorded]:
        """Recorded Deployments, of one unit or of all, the newest first."""
        ...

    async def deployment(self, said: str) -> Deployment:
        """`cinnabar` is where its ref points, `cinnabar@3f9c` a recorded one.

        Raises:
            RefusedError: there is none of that name, or more than one.
        """
        ...

    async def acknowledge(self, unit: str, code: str, text: str, until: float) -> None:
        """That reason or drift alarms no more: until that time, or where it is 0 until it changes or goes."""
        ...

    async def alarm_again(self, unit: str, code: str, text: str) -> None:
        """Takes an acknowledgement back."""
        ...

    async def agents(self) -> Sequence[AgentState]:
        """Every agent as claveld knows it.

        Raises:
            RefusedError: no claveld is named, or it does not answer. So do the three below.
        """
        ...

    async def tell_agent(self, agent: str, order: Order) -> None:
        """Hold, release or poll."""
        ...

    async def roll_back_ref(self, name: str, to: str = "", why: str = "") -> RefState:
        """Points a ref to a recorded Deployment, the last known good where none is said; it stays there."""
        ...

    async def pin_ref(self, name: str, why: str = "") -> RefState:
        """Evaluations leave the ref where it is."""
        ...

    async def unpin_ref(self, name: str) -> RefState:
        """The ref follows its source again."""
        ...

    async def submit(self, plan: Plan, reason: str = "") -> str:
        """Starts what was confirmed and returns the operation's id at once."""
        ...

    async def put_off(self, plan: Plan, reason: str = "") -> str:
        """Has a deployment wait until its unit is back: a console that is open then carries it, without asking again."""
        ...

    async def roll_out(self, plans: Sequence[Plan], settings: RolloutSettings, reason: str = "") -> str:
        """Starts these in waves, as they were confirmed; returns the rollout's id at once.

        Raises:
            RefusedError: one of them cannot be carried out.
        """
        ...

    async def rollout(self, ident: str) -> RolloutState:
        """How a rollout stands, unit by unit.

        Raises:
            RefusedError: the operation is no rollout.
        """
        ...

    async def tell_rollout(self, ident: str, word: Word) -> str:
        """Pause, resume or abort, also from another console than its own; returns a sentence for the person who said it."""
        ...

    async def wait(self, operation: str) -> Operation:
        """Returns when the operation is settled, or left unknown because its unit cannot be reached."""
        ...

    async def cancel(self, operation: str) -> str:
        """Asks it to stop at its next safe point; returns a sentence for the person who asked."""
        ...

    async def history(self, limit: int = 200, unit: str = "") -> Sequence[Operation]:
        """Operations, the newest first."""
        ...

    async def operation(self, ident: str) -> Operation | None:
        """One operation by its id or an unmistakable beginning of it."""
        ...

    async def operation_events(self, operation: str) -> Sequence[Event]:
        """All that was journalled of one operation."""
        ...

    async def logs(self, unit: str, stack: str, service: str, *, tail: int, follow: bool, on_line: Callable[[str], None]) -> str:
        """A stack's logs by line; returns what went wrong, or nothing."""
        ...

    async def check_images(self, unit: str, stack: str) -> dict[str, tuple[str, str]]:
        """For each image reference that runs, whether its registry has a newer one. Changes nothing."""
        ...

    async def unlock(self, unit: str) -> Sequence[str]:
        """Settles dead jobs of the unit; never breaks a live lock."""
        ...

    async def fingerprint(self, unit: str) -> tuple[str, str]:
        """The host key that the unit shows now: its fingerprint, and the line that accepting it would write."""
        ...

    async def trust(self, line: str) -> str:
        """Writes that line to known_hosts; returns the file's name."""
        ...

    async def look_key(self, unit: str, key: str) -> str:
        """The line of authorized_keys with which this public key may look at the unit, and nothing else."""
        ...

    async def install_look_key(self, unit: str, key: str) -> str:
        """Puts that line on the unit with what it runs; returns where it stands."""
        ...

    async def install_helper(self, unit: str, login: str, root: str, keys: Sequence[str]) -> Sequence[str]:
        """Lets a login without root's rights deploy signed systems there.

        ``root``: with whose login it is put, where that is not the unit's own. ``keys``: the public keys of Nix by which a
        system may be signed; none: that of this workstation's signing key.
        Returns what was done, and what is left to do, a line each.
        """
        ...

    async def watch(self) -> None:
        """Goes on looking at every unit until cancelled, and settles what a crash left open."""
        ...

    async def close(self) -> None:
        """Leaves. Jobs that run go on, on their units."""
        ...

    def unit_now(self, name: str) -> UnitState | None:
        """The unit as it is known at this moment, without waiting."""
        ...
