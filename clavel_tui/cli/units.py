"""`units`, `stacks` and `show`: what runs where, and why a unit is not ok."""

from __future__ import annotations

import time
from typing import Any

from clavel_tui.cli import output
from clavel_tui.cli.context import Context
from clavel_tui.domain.doctor import advise
from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.stackview import StackView
from clavel_tui.domain.text import age, short_id
from clavel_tui.fleet.state import FleetState, UnitState


async def _seen(context: Context) -> FleetState:
    names = context.chosen(context.doors.fleet())
    async with context.doors.client() as client:
        await client.refresh(names or ["\0"])
        state = await client.snapshot()
    if state.through and state.claveld:
        raise RefusedError(state.claveld)
    return state.model_copy(update={"units": tuple(u for u in state.units if u.unit.name in names)})


def _unit_json(state: UnitState) -> dict[str, Any]:
    facts = state.facts
    return {
        "name": state.unit.name,
        "type": state.unit.type.value,
        "arch": state.unit.arch,
        "address": state.unit.address,
        "tags": list(state.unit.tags),
        "roles": list(state.unit.roles),
        "health": state.health.level.value,
        "reasons": [r.model_dump(mode="json") for r in state.health.reasons],
        "drift": [d.model_dump(mode="json") for d in state.drift],
        "muted": [m.model_dump(mode="json") for m in state.muted],
        "trouble": state.trouble,
        "seen_at": facts.at if facts else None,
        "os": facts.os if facts else None,
        "docker": facts.docker if facts else None,
        "compose": facts.compose if facts else None,
        "agent": facts.agent if facts else None,
        "jobs": [j.model_dump() for j in facts.jobs] if facts else [],
        "stacks": [s.name for s in state.stacks],
    }


def stack_json(view: StackView) -> dict[str, Any]:
    """The documented keys of a stack."""
    return {
        "unit": view.unit,
        "name": view.name,
        "path": view.path,
        "declared": view.declared is not None,
        "held": view.held.model_dump() if view.held else None,
        "running": view.running,
        "last_known_good": view.good,
        "services": [
            {
                "service": c.service,
                "container": c.id,
                "image": c.image,
                "ref": c.ref,
                "state": c.state,
                "health": c.health,
            }
            for c in sorted(view.containers, key=lambda c: (c.service, c.name))
        ],
        "releases": [
            {
                "id": r.id,
                "seq": r.seq,
                "health": r.health,
                "seen_at": r.seen_at,
                "images": r.images(),
                "restorable": r.id not in view.missing,
                "missing": list(view.missing.get(r.id, ())),
            }
            for r in view.releases
        ],
    }


async def units(context: Context) -> int:
    """One line a unit."""
    state = await _seen(context)
    if context.json:
        output.as_json([_unit_json(u) for u in state.units])
        return 0
    rows = [
        (
            u.unit.name,
            u.unit.type.value,
            u.health.level.value,
            "drift" if u.drift else "",
            f"{len(u.stacks)}",
            u.facts.os if u.facts else "",
            u.health.headline or (u.drift[0].text if u.drift else ""),
        )
        for u in state.units
    ]
    output.table(("UNIT", "TYPE", "HEALTH", "DRIFT", "STACKS", "SYSTEM", "WHY"), rows)
    return 0


async def stacks(context: Context) -> int:
    """One line a stack."""
    state = await _seen(context)
    views = [view for unit in state.units for view in unit.stacks]
    if context.json:
        output.as_json([stack_json(v) for v in views])
        return 0
    rows = [
        (
            v.unit,
            v.name,
            f"{sum(c.state == 'running' for c in v.containers)}/{len(v.containers)}",
            v.running or "-",
            f"HELD {v.held.release}" if v.held else "",
            v.good or "-",
            f"{len(v.releases)}",
        )
        for v in views
    ]
    output.table(("UNIT", "STACK", "RUNNING", "RELEASE", "HOLD", "LAST GOOD", "RELEASES"), rows)
    return 0


async def show(context: Context) -> int:
    """Everything that is known of one unit."""
    if context.doors.fleet().unit(context.args.name) is None:
        raise RefusedError(f"there is no unit {context.args.name} in this fleet")
    async with context.doors.client() as client:
        await client.refresh([context.args.name])
        state = (await client.snapshot()).unit(context.args.name)
    if state is None:
        return 1
    if context.json:
        facts = state.facts.model_dump(mode="json") if state.facts else None
        output.as_json({**_unit_json(state), "stacks": [stack_json(s) for s in state.stacks], "facts": facts})
        return 0
    _print_unit(state)
    return 0


def _print_unit(state: UnitState) -> None:
    unit, facts = state.unit, state.facts
    output.result(f"{unit.name}  {unit.type.value}  {unit.arch}  {unit.address}  {state.health.level.value}")
    if state.trouble:
        output.result(f"  {state.trouble}{f' ({state.hint})' if state.hint else ''}")
    for reason in state.health.reasons:
        output.result(f"  {reason.level.value}: {reason.text}{f' ({reason.evidence})' if reason.evidence else ''}")
    for drift in state.drift:
        output.result(f"  drift: {drift.text}")
    if facts:
        up = f", up {age(facts.uptime)}" if facts.uptime else ""
        output.result(f"  {facts.os}, {facts.kernel}{up}, seen {age(time.time() - facts.at)} ago")
        output.result(f"  Docker {facts.docker or '-'}, Compose {facts.compose or '-'}, clavel-agent {facts.agent or 'not seen'}")
    for view in state.stacks:
        _print_stack(view)


def _print_stack(view: StackView) -> None:
    held = f"  HELD at {view.held.release} by {view.held.operator}" if view.held else ""
    output.result(f"\n  {view.name}  {view.path}  release {view.running or 'not recorded'}{held}")
    for c in sorted(view.containers, key=lambda c: c.service):
        output.result(f"    {c.service:20} {c.state:10} {c.health or '-':10} {short_id(c.image)}  {c.ref}")
    for r in view.releases:
        gone = view.missing.get(r.id)
        marks = " (runs now)" if r.id == view.running else " (last known good)" if r.id == view.good else ""
        output.result(
            f"    release {r.id}  {r.health}{marks}{f'  not restorable here: image gone of {chr(44).join(gone)}' if gone else ''}"
        )


async def doctor(context: Context) -> int:
    """What each unit lacks, and what mends it. Exit code 1 where something is lacking."""
    state = await _seen(context)
    found = {u.unit.name: advise(u.unit, u.facts, u.stacks, u.trouble, u.hint) for u in state.units}
    if context.json:
        output.as_json({name: [a.model_dump() for a in advices] for name, advices in found.items()})
    else:
        for name, advices in found.items():
            output.result(f"{name}: {'nothing is lacking' if not advices else ''}".rstrip())
            for advice in advices:
                output.result(f"  {advice.what}\n      → {advice.mend}")
    return 1 if any(found.values()) else 0
