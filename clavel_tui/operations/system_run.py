"""The workstation's part of a deployment, before the unit's own job begins: build, sign and copy."""

from __future__ import annotations

import asyncio

from clavel_tui.domain.operation import Plan, Verb
from clavel_tui.domain.outcome import Outcome
from clavel_tui.domain.system import BuildOn, Delivery, SystemPlan
from clavel_tui.domain.unit import Unit
from clavel_tui.nix import NixError, Workshop
from clavel_tui.nix.closures import absent
from clavel_tui.nix.here import nix_store, workstation
from clavel_tui.nix.system_job import system_bundle
from clavel_tui.operations.parts import Parts
from clavel_tui.operations.run import Run
from clavel_tui.operations.watch import RECENT_S
from clavel_tui.remote.errors import RemoteError
from clavel_tui.remote.target import LOCAL, Target


class SystemRun:
    """Carries one deployment: until the job is put, nothing that runs has been touched."""

    def __init__(self, parts: Parts, run: Run, unit: Unit, plan: Plan, system: SystemPlan) -> None:
        self._parts = parts
        self._run = run
        self._unit = unit
        self._plan = plan
        self._system = system

    @property
    def preparing(self) -> bool:
        """Nothing was started on the unit yet: until then it is stopped here, and afterwards the unit's job is told."""
        return not self._run.begun

    async def carry(self) -> None:
        """The whole life. Cancelled while it prepares it ends there; later it is the unit's job that is told."""
        try:
            await self._prepare()
            await self._go_on()
        except NixError as error:
            await self._run.end(Outcome.FAILED, f"nothing was changed: {error.text}{f'; {error.hint}' if error.hint else ''}")
        except RemoteError as error:
            if not self.preparing:
                raise
            outcome = Outcome.UNREACHABLE if error.kind == "unreachable" else Outcome.FAILED
            await self._run.end(outcome, f"nothing was changed: {error.text}")
        except OSError as error:  # of the workstation: its disk is full, say
            if not self.preparing:
                raise
            await self._run.end(Outcome.FAILED, f"nothing was changed: {error}")
        except asyncio.CancelledError:
            if self.preparing:
                await asyncio.shield(self._run.end(Outcome.CANCELLED, "it was stopped before anything was changed"))
            raise

    async def _go_on(self) -> None:
        operation = self._run.operation
        if operation.request.verb is Verb.PREPARE:
            await self._run.end(Outcome.SUCCEEDED, f"{self._system.label} is on {self._unit.name}; nothing that runs was changed")
            return
        now = self._parts.clock.wall()
        bundle = system_bundle(operation.id, self._plan, self._system, self._unit, operation.origin, now)
        before = await self._run.failing_outside()
        if before:
            async with self._run.flushing():
                self._run.tell("warn", f"already failing from here, and so not judged: {', '.join(sorted(before))}")
        await self._run.from_the_start(bundle, tuple(sorted(before)))

    async def _prepare(self) -> None:
        """Looked at anew: between preview and now somebody may have built, copied or collected it."""
        self._parts.checkpoint("begun")
        path, target = self._system.nar_id, self._parts.target(self._unit)
        if not self._system.away and 0 <= self._parts.clock.wall() - self._system.looked < RECENT_S:
            return
        # And to copy what is there by now changes nothing.
        known_away = self._parts.workshop is not None and self._system.away and not self._system.build
        if not known_away and not await absent(self._parts.runner, target, [path]):
            return
        workshop = self._parts.workshop
        if workshop is None:
            raise NixError("this console has no Nix to build and copy with")
        async with self._run.flushing():
            if self._system.delivery is Delivery.SUBSTITUTE:
                self._run.tell("step", "fetch")
                await workshop.substitute(path, target, self._unit, self._system.substituters, self._system.keys, self._out)
                self._parts.checkpoint("copied")
                return
            if not await self._here(path):
                if known_away and not await absent(self._parts.runner, target, [path]):
                    return  # somebody else has copied it meanwhile, and here it was collected as garbage
                if self._system.build_on is BuildOn.UNIT:
                    await self._build_there(workshop, target)
                    return
                await self._build(workshop)
            if target.address == LOCAL:  # its store is this one
                return
            await workshop.sign(path, self._out)
            self._run.tell("step", "copy")
            try:
                await workshop.copy(path, target, self._unit.type.value, self._out)
            except NixError:
                await self._raise_if_away(target, path)
                raise
        self._parts.checkpoint("copied")

    async def _raise_if_away(self, target: Target, path: str) -> None:
        """A unit that went away is no failure of the copy; of one that is there Nix has said what was wrong."""
        try:
            await absent(self._parts.runner, target, [path])
        except RemoteError as error:
            if error.kind == "unreachable":
                raise

    async def _build(self, workshop: Workshop) -> None:
        """A derivation that was collected as garbage is written again by the evaluator, from the very revision."""
        drv = await self._derivation(workshop)
        await workshop.build(drv, self._unit.name, self._out)
        if not await self._here(self._system.nar_id):
            raise NixError(f"the build of {self._system.label} made another path than {self._system.nar_id}")
        self._parts.checkpoint("built")

    async def _build_there(self, workshop: Workshop, target: Target) -> None:
        drv, path = await self._derivation(workshop), self._system.nar_id
        await workshop.build_there(drv, path, target, self._unit, self._out)
        if await absent(self._parts.runner, target, [path]):
            raise NixError(f"the build of {self._system.label} made another path than {path}")
        self._parts.checkpoint("built")

    async def _derivation(self, workshop: Workshop) -> str:
        """What it is built from, in this workstation's store."""
        drv = self._system.drv
        if not drv:
            raise NixError(f"{self._system.label} is nowhere any more, and nothing says how it was built")
        self._run.tell("step", "build")
        if self._system.url and not await self._here(drv):
            await workshop.instantiate(self._system.url, self._system.attribute, self._out)
        return drv

    async def _here(self, path: str) -> bool:
        """Whether the path is valid on this workstation."""
        return not await absent(self._parts.runner, workstation(), [path], nix_store(self._parts.nix))

    def _out(self, line: str) -> None:
        self._run.tell("out", line)
