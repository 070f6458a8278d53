"""What is done to a unit itself, and not to what it runs: restart it, collect the garbage of its Nix store."""

from __future__ import annotations

from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.facts import Facts
from clavel_tui.domain.operation import Origin, Plan, Request, Verb
from clavel_tui.domain.rollout import ills
from clavel_tui.domain.system import base
from clavel_tui.domain.text import clean, size
from clavel_tui.domain.unit import Unit
from clavel_tui.operations.fit import busy, looked, unread
from clavel_tui.operations.parts import Parts
from clavel_tui.operations.watch import Watch
from clavel_tui.remote.bundle import Bundle, assignments
from clavel_tui.remote.effects import Query
from clavel_tui.unit import job_files, script

VERBS = {Verb.REBOOT, Verb.GC}
BOOT_S = 900.0
"""How long a unit may take to come up: a server with much memory counts it for minutes."""
DEAD_S = 300.0
"""A store of a terabyte takes that long to say what nobody needs."""


class MachinePlanner:
    """Makes a Plan of a Request whose verb is one of VERBS. Asks the unit, and changes nothing there."""

    def __init__(self, parts: Parts, watch: Watch) -> None:
        self._parts = parts
        self._watch = watch

    async def plan(self, request: Request, unit: Unit, title: str) -> Plan:
        """Raises RefusedError, UnitError or RemoteError where there is nothing to plan."""
        facts = await looked(self._watch, unit)
        if unfit := unread(facts, unit) or busy(facts, unit):
            raise unfit
        plan = Plan(request=request, title=title, born=facts.born)
        return self._reboot(plan, unit, facts) if request.verb is Verb.REBOOT else await self._collect(plan, unit, facts)

    def _reboot(self, plan: Plan, unit: Unit, facts: Facts) -> Plan:
        notes = [f"it is waited for, {BOOT_S / 60:.0f} min at most, and then looked at: what is wrong with it now does not count"]
        if facts.reboot_due:
            notes.append(f"a reboot is due: another {', '.join(facts.reboot_due)}")
        if facts.profile:
            changes = "" if facts.profile == facts.current else f"; {base(facts.current)} runs now"
            notes.append(f"{base(facts.profile)} comes up{changes}")
        if up := sum(container.state == "running" for container in facts.containers):
            notes.append(f"{up} container{'s' * (up != 1)} go down with it, and come up again as their restart policy says")
        known = ills(self._watch.state(unit).health)
        return plan.model_copy(
            update={"release": facts.profile, "commands": ("systemctl reboot",), "notes": tuple(notes), "excused": known}
        )

    async def _collect(self, plan: Plan, unit: Unit, facts: Facts) -> Plan:
        if not facts.nix:
            raise RefusedError(f"there is no Nix on {unit.name}")
        query = Query.script("garbage", script("garbage.sh"), timeout=DEAD_S)
        result = await self._parts.runner.query(self._parts.target(unit), query)
        fields = result.out.split()
        if result.code or len(fields) != 3:  # noqa: PLR2004  dead COUNT BYTES
            raise RefusedError(f"{unit.name} cannot say what is garbage: {clean(result.err.strip()) or 'nix-store --gc failed'}")
        keep, going = plan.request.keep, _going(facts, plan.request.keep)
        first = [f"nix-env --profile {unit.profile} --delete-generations +{keep}"] if going else []
        notes = [f"{fields[1]} paths, {size(int(fields[2]))}, are needed by nobody"]
        if going:
            numbers = ", ".join(str(number) for number in going)
            notes.append(f"generations {numbers} go, with what only they need: nothing brings that back but a build or a copy")
        if facts.rooted:
            systems = f"{len(facts.rooted)} system{'s' * (len(facts.rooted) != 1)}"
            notes.append(f"kept: what runs, was booted or has a generation, and the {systems} deployed last")
        if not going and fields[1] == "0":
            notes.append("nothing would be changed")
        request = plan.request if going else plan.request.model_copy(update={"keep": None})
        return plan.model_copy(update={"request": request, "commands": (*first, "nix-store --gc"), "notes": tuple(notes)})


def _going(facts: Facts, keep: int | None) -> list[int]:
    """The numbers of the generations that would be removed: all but the newest ``keep`` and the one that the profile names."""
    if keep is None:
        return []
    old = sorted(facts.generations)[:-keep]
    return [number for number, path in old if path != facts.profile]


def machine_bundle(ident: str, plan: Plan, unit: Unit, origin: Origin, now: float) -> Bundle:
    """What job ``ident`` needs on the unit. ``now``: wall clock, for display."""
    content = job_files("machine.sh")
    keep = plan.request.keep
    params = {"verb": plan.request.verb.value, "type": unit.type.value, "target": plan.release}
    content["params"] = (assignments({**params, "keep_generations": "" if keep is None else str(keep)}), 0o600)
    content["owner"] = (origin.owner_file(ident, plan.request, now).encode(), 0o600)
    return Bundle(content)
