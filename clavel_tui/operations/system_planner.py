"""Plans of a whole system: which closure is meant, where it is, and what it would change on the unit."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from clavel_tui.domain.agent import AgentState, Phase
from clavel_tui.domain.closure import PATH, Closure, compare
from clavel_tui.domain.deployment import Recorded, Template
from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.facts import Facts
from clavel_tui.domain.operation import Plan, Request, Verb
from clavel_tui.domain.system import BuildOn, Delivery, Mode, SystemPlan, base, last_good
from clavel_tui.domain.unit import Unit, UnitType
from clavel_tui.nix import builders, substitute, system_look
from clavel_tui.nix.closures import absent, closures
from clavel_tui.nix.here import nix_store, workstation
from clavel_tui.nix.workshop import store_url
from clavel_tui.operations.fit import busy, looked, unread
from clavel_tui.operations.parts import Parts
from clavel_tui.operations.watch import Watch
from clavel_tui.remote.errors import RemoteError
from clavel_tui.remote.target import Target

CLOSURES_KEPT = 128
"""Some 300 KiB each, of a system with 2,000 paths."""


@dataclass(frozen=True)
class Wanted:
    """The closure that a request means. ``recorded``: the Deployment that it is, where one was evaluated here."""

    nar_id: str
    label: str
    recorded: Recorded | None = None
    revision: str = ""

    @property
    def template(self) -> Template | None:
        """The Deployment's."""
        return self.recorded.deployment.specification.template if self.recorded else None

    @property
    def drv(self) -> str:
        """What it is built from."""
        return self.template.metadata.get("drvPath", "") if self.template else ""


class SystemPlanner:
    """Makes a Plan of a Request that names no stack. Asks the unit, and changes nothing there but for its dry activation."""

    def __init__(self, parts: Parts, watch: Watch) -> None:
        self._parts = parts
        self._watch = watch
        self._known: dict[str, Closure] = {}

    async def plan(self, request: Request, unit: Unit, title: str) -> Plan:
        """Raises RefusedError, UnitError or RemoteError where there is nothing to plan."""
        if not unit.has_system:
            raise RefusedError(f"{unit.name} is a {unit.type.value} unit: it has no system to deploy, only stacks")
        if unit.type is not UnitType.NIXOS and request.mode is not Mode.SWITCH:
            raise RefusedError(f"a {unit.type.value} unit knows no mode {request.mode.value}: it can only activate")
        facts = await self._facts(request, unit)
        wanted = self._for_this_unit(await self._wanted(request, unit, facts), unit)
        target = self._parts.target(unit)
        system = SystemPlan(
            nar_id=wanted.nar_id,
            label=wanted.label,
            revision=wanted.revision,
            mode=request.mode,
            current=facts.current,
            profile=facts.profile,
            drv=wanted.drv,
            url=wanted.recorded.url if wanted.recorded else "",
            attribute=wanted.recorded.deployment.metadata.get("attribute", "") if wanted.recorded else "",
            confirm_seconds=_confirm(request, unit),
            build_on=request.build_on or unit.system.build_on,
            delivery=request.delivery or unit.system.delivery,
            substituters=wanted.template.substituters if wanted.template else (),
            keys=wanted.template.keys if wanted.template else (),
        )
        system = (await self._looked(system, unit, target, facts)).model_copy(update={"looked": self._parts.clock.wall()})
        return Plan(
            request=request,
            title=f"{title} to {wanted.label}" if wanted.label not in title else title,
            fingerprint=f"{facts.current} {facts.profile}",
            born=facts.born,
            release=wanted.nar_id,
            system=system,
            commands=_commands(system, unit, target),
            notes=(*_notes(system, unit, facts), *_undone(wanted, self._watch.state(unit).agent, unit)),
        )

    async def _facts(self, request: Request, unit: Unit) -> Facts:
        """A moment old where it is planned once more behind its copy. What was good last, and why not, is always looked at."""
        recent = self._watch.recent(unit) if request.verb is not Verb.ROLLBACK else None
        if recent and not _unfit(recent, unit):
            return recent
        facts = await looked(self._watch, unit)
        if unfit := _unfit(facts, unit):
            raise unfit
        return facts

    async def _wanted(self, request: Request, unit: Unit, facts: Facts) -> Wanted:
        said = request.release
        recorded = await self._parts.deployments.deployments(unit.name)
        if not said and request.verb is Verb.ROLLBACK:
            return _good(unit, facts, recorded)
        if not said or said == unit.name:
            head = self._watch.state(unit).head
            if head is None:
                raise RefusedError(f"{unit.name} has no Deployment yet", "evaluate its source first: `clavel-tui eval`, or e")
            return _labelled(head.nar_id, facts, recorded)
        if said.startswith("/"):
            if not PATH.fullmatch(said):
                raise RefusedError(f"{said} is not a store path", "it is /nix/store/, 32 letters, a dash and a name, and no more")
            return _labelled(said, facts, recorded)
        if said.isdecimal():
            return _labelled(_generation(unit, facts, int(said)), facts, recorded)
        return await self._named(said, unit, facts, recorded)

    async def _named(self, said: str, unit: Unit, facts: Facts, recorded: list[Recorded]) -> Wanted:
        name, at, ident = said.partition("@")
        if at and (name or unit.name) != unit.name:
            raise RefusedError(f"{said} is a Deployment for {name}, and this is {unit.name}")
        found = await self._parts.deployments.find(f"{unit.name}@{ident}") if at and ident else []
        if len(found) == 1:
            return _labelled(found[0].nar_id, facts, recorded)
        if known := {record.path for record in facts.systems if record.label == said}:
            return _labelled(known.pop(), facts, recorded)
        many = "more than one Deployment begins so" if found else "no Deployment, generation or store path"
        raise RefusedError(f"{said} for {unit.name}: {many}", f"look at `clavel-tui generations {unit.name}`")

    @staticmethod
    def _for_this_unit(wanted: Wanted, unit: Unit) -> Wanted:
        metadata = wanted.template.metadata if wanted.template else {}
        system = metadata.get("system", "")
        if system and system != unit.arch:
            raise RefusedError(f"{wanted.label} is for {system}, and unit.toml of {unit.name} says {unit.arch}")
        profile = metadata.get("profile", "")
        if profile and profile != unit.profile:
            hint = f"leave it out of clavelUnits.{unit.name}: a unit's profile follows from its type and the folder of its state"
            raise RefusedError(f"{wanted.label} wants the profile {profile}, and that of {unit.name} is {unit.profile}", hint)
        return wanted

    async def _looked(self, system: SystemPlan, unit: Unit, target: Target, facts: Facts) -> SystemPlan:
        """With what the closure would change: asked of the unit where it is there, else of this workstation."""
        runner = self._parts.runner
        there = await self._there(target, {system.current, system.nar_id} - {""})
        current = there.get(system.current, {})
        if system.nar_id in there:
            seen = await system_look.look(runner, target, system.nar_id, unit.system.secrets)
            services = None
            if self._parts.workshop and unit.type is UnitType.NIXOS and system.mode is not Mode.BOOT:
                services = await self._parts.workshop.dry_activate(target, system.nar_id)
            diff = compare(current, there[system.nar_id])
            changes = {
                "diff": diff,
                "services": services or (),
                "dry": services is not None,
                "reboot": seen.why_reboot,
                "secrets": seen.secrets,
            }
            return system.model_copy(update=changes)
        if system.delivery is Delivery.SUBSTITUTE:
            return await self._offered(system, unit, target, facts)
        here = await self._here(system.nar_id)
        if here is None:
            if not system.drv:
                raise RefusedError(
                    f"{system.label} is neither on {unit.name} nor on this workstation, and was not evaluated here",
                    "choose another one: `clavel-tui generations` marks those that are there",
                )
            if self._parts.workshop is None and self._parts.read_only == "":
                raise RefusedError("there is no Nix on this workstation to build it with")
            if system.build_on is BuildOn.HERE:
                why, ways = await builders.why_not(runner, self._parts.nix, system.drv)
                if why:
                    raise RefusedError(why, ways)
            return system.model_copy(update={"build": True})
        missing = await absent(runner, target, here)
        size = sum(here[path] for path in missing)
        _room(unit, facts, size)
        return system.model_copy(update={"diff": compare(current, here), "copies": len(missing), "copy_bytes": size})

    async def _offered(self, system: SystemPlan, unit: Unit, target: Target, facts: Facts) -> SystemPlan:
        """With what the unit would fetch. Of what it consists is known only when it is there."""
        offer = await substitute.offer(self._parts.runner, target, system.nar_id, system.substituters, system.keys)
        if offer.missing:
            text, hint = substitute.why_not(system.nar_id, offer, system.substituters)
            raise RefusedError(f"{unit.name} cannot fetch {system.label}: {text}", hint)
        _room(unit, facts, offer.size)
        return system.model_copy(update={"copies": offer.paths, "copy_bytes": offer.size})

    async def _here(self, nar_id: str) -> Closure | None:
        """The closure as this workstation has it; None where it does not, or has no Nix."""
        try:
            found = await closures(self._parts.runner, workstation(), [nar_id], nix_store(self._parts.nix))
        except RemoteError:
            return None
        self._remember(found)
        return found.get(nar_id)

    async def _there(self, target: Target, paths: set[str]) -> dict[str, Closure]:
        """The closures of those that are valid there. What a path needs never changes, so that it is asked only once."""
        known = {path: self._known[path] for path in paths if path in self._known}
        gone = await absent(self._parts.runner, target, known) if known else frozenset()
        found = {path: closure for path, closure in known.items() if path not in gone}
        if unknown := sorted(paths - known.keys()):
            found |= await closures(self._parts.runner, target, unknown)
            self._remember(found)
        return found

    def _remember(self, found: dict[str, Closure]) -> None:
        for path, closure in found.items():
            self._known[path] = closure
            if len(self._known) > CLOSURES_KEPT:
                self._known.pop(next(iter(self._known)))


def _unfit(facts: Facts, unit: Unit) -> RefusedError | None:
    """Why nothing can be planned for a unit that was seen so."""
    if "nixos" in facts.silent or not (facts.current or unit.activates_itself):
        return RefusedError(f"{unit.name} has no /run/current-system: it does not run a {unit.type.value} system")
    return unread(facts, unit) or busy(facts, unit)


def _good(unit: Unit, facts: Facts, recorded: list[Recorded]) -> Wanted:
    valid = {*facts.rooted, *(path for _, path in facts.generations)}
    good = last_good(facts.systems, facts.current, tuple(valid))
    if good is None:
        raise RefusedError(
            f"{unit.name} has no other system that was recorded as good and is still there",
            f"choose one with --to: `clavel-tui generations {unit.name}` lists them",
        )
    return _labelled(good.path, facts, recorded)


def _labelled(path: str, facts: Facts, recorded: list[Recorded]) -> Wanted:
    """With the name that people know it by: of a Deployment, else of the unit's own record, else of the path."""
    if one := next((r for r in recorded if r.deployment.nar_id == path), None):
        return Wanted(path, one.short, one, f"{one.revision[:12]}{' (dirty)' if one.dirty else ''}".strip())
    label = next((r.label for r in reversed(facts.systems) if r.path == path and r.label), "")
    return Wanted(path, label or base(path))


def _generation(unit: Unit, facts: Facts, number: int) -> str:
    found = dict(facts.generations).get(number)
    if found is None:
        known = ", ".join(str(n) for n, _ in facts.generations[-8:]) or "none"
        raise RefusedError(f"{unit.name} has no generation {number} (collected as garbage?); it has {known}")
    return found


def _confirm(request: Request, unit: Unit) -> int:
    if request.mode is Mode.BOOT:
        return 0
    return unit.system.confirm_seconds if request.confirm is None else request.confirm


def _room(unit: Unit, facts: Facts, size: int) -> None:
    """The store's own disk where it has one, else the root's."""
    disks = {disk.at: disk for disk in facts.disks}
    disk = next((disks[at] for at in ("/nix/store", "/nix", "/") if at in disks), None)
    if disk and size > disk.free * 1024:
        text = f"{disk.at} of {unit.name} has {disk.free // 1024} MiB free, and {size >> 20} MiB are to be copied"
        raise RefusedError(text, "free some there: `nix-collect-garbage`; what was deployed last is kept by roots")


def _commands(system: SystemPlan, unit: Unit, target: Target) -> tuple[str, ...]:
    path = system.nar_id
    url = store_url(target, unit.type.value)
    build = [f"nix-store --realise {system.drv}"] if system.build else []
    if system.build and system.build_on is BuildOn.UNIT:
        build.insert(0, f"nix copy --derivation --to '{url}' {system.drv}")
    there = system.build and system.build_on is BuildOn.UNIT
    copy = [f"nix copy --substitute-on-destination --to '{url}' {path}"] if system.away and not there else []
    if system.away and system.delivery is Delivery.SUBSTITUTE:
        copy = [shlex.join(substitute.words(path, system.substituters, system.keys))]
    if unit.activates_itself:
        return (*build, *copy, f"{path}/bin/activate", f"nix-env --profile {unit.profile} --set {path}")
    if unit.type is UnitType.DARWIN:
        return (*build, *copy, f"{path}/activate", f"nix-env --profile {unit.profile} --set {path}")
    keep = [f"nix-env --profile {unit.profile} --set {path}", f"{path}/bin/switch-to-configuration boot"]
    test = [f"{path}/bin/switch-to-configuration test"]
    return (*build, *copy, *{Mode.SWITCH: [*test, *keep], Mode.TEST: test, Mode.BOOT: keep}[system.mode])


def _undone(wanted: Wanted, agent: AgentState | None, unit: Unit) -> list[str]:
    """What an agent that pulls would make of it."""
    said = agent.of(unit.name) if agent else None
    same = said and wanted.recorded and said.desired == wanted.recorded.deployment.id
    if agent is None or same or (said and said.phase is Phase.HELD):
        return []
    hold = f"`clavel-tui agent hold {agent.agent.name}`, or roll its ref back"
    return [f"its agent pulls, and would put back what claveld says within a minute: hold it first, {hold}"]


def _protection(system: SystemPlan, unit: Unit, facts: Facts) -> str:
    if system.mode is Mode.BOOT:
        return "not protected: nothing is tried before the next boot, and nothing returns by itself"
    if not facts.current:
        return f"the first one here: nothing is known to run on {unit.name} that it could return to"
    if system.confirm_seconds:
        return f"it returns to {base(facts.current)} unless it is reached over a new connection within {system.confirm_seconds} s"
    return "nobody is waited for: it returns only where the activation or a check on the unit itself fails"


def _notes(system: SystemPlan, unit: Unit, facts: Facts) -> list[str]:
    notes = []
    if system.current == system.nar_id and system.profile == system.nar_id:
        notes.append(f"{unit.name} runs it already: nothing would be changed")
    if system.build:
        where = " on the unit itself" if system.build_on is BuildOn.UNIT else ""
        notes.append(f"it is not built yet: what it would change is known when it is, by prepare{where}")
    notes.append(_protection(system, unit, facts))
    if system.mode is Mode.TEST:
        notes.append("until the next boot: profile and boot entry stay as they are")
    if system.secrets:
        notes.append(f"not on {unit.name}, and it needs them: {', '.join(system.secrets)}")
    if system.reboot:
        notes.append(f"a reboot would be due: {system.reboot}")
    if not system.dry and not system.away and unit.type is UnitType.NIXOS and system.mode is not Mode.BOOT:
        notes.append("the unit could not say what would be restarted")
    if unit.type is UnitType.DARWIN:
        notes.append("nix-darwin has no dry activation: what it would restart is not known")
    return notes
