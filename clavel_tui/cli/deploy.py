"""`deploy`, `diff`, `generations`, `reboot`, `gc`, and `rollback` where no stack is named: the whole system of units."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from clavel_tui.cli import change, output
from clavel_tui.cli.context import Context, refuse_unknown
from clavel_tui.domain.closure import PackageChange
from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.operation import Operation, Plan, Request, Verb
from clavel_tui.domain.outcome import GOOD
from clavel_tui.domain.system import BuildOn, Delivery, Mode, base
from clavel_tui.domain.text import clean, size
from clavel_tui.domain.unit import Unit
from clavel_tui.fleet.client import FleetClient
from clavel_tui.fleet.state import UnitState

NO_CHANGES = 1
WAITS = "it waits until the unit is back; a console that is open deploys it then, without asking again"


async def deploy(context: Context) -> int:
    """Build and copy, preview, confirm, run, verify, settle; for one unit or for many, with one confirmation."""
    args = context.args
    if not args.dry_run:
        context.refuse_read_only()
    async with context.doors.client() as client:
        plans = await planned(client, asked_for(context))
        failed: list[Operation] = []
        if not args.dry_run and args.operation == Verb.DEPLOY:
            plans, failed = await prepared(client, plans, context)
        away = [p for p in plans if p.when_back and getattr(args, "when_back", False)]
        refused = [p for p in plans if p.refusal and p not in away]
        good = [p for p in plans if not p.refusal]
        for plan in refused:
            output.note(f"{plan.title}: refused: {plan.refusal}")
        for plan in good:
            preview(plan)
        for plan in away:
            output.note(f"{plan.title}: {plan.refusal}\n  note: {WAITS}")
        if args.dry_run:
            return change.dry_run(context, plans)
        done: list[Operation] = []
        if good or away:
            if not args.yes and not output.confirmed(f"{args.verb} {_named(good, away)}?"):
                return change.declined(context, failed, refused)
            waiting = [await client.put_off(plan, clean(args.reason or "", 300)) for plan in away]
            done, unbegun = await change.carry_all(client, good, context)
            refused += unbegun
            done += [await client.wait(ident) for ident in waiting]
    return change.report(context, [*failed, *done], refused)


def _named(good: Sequence[Plan], away: Sequence[Plan]) -> str:
    """`h1, h2 now, h3 when it is back`."""
    now = f"{', '.join(p.request.unit for p in good)} now" if good else ""
    then = f"{', '.join(p.request.unit for p in away)} when back" if away else ""
    return ", ".join(filter(None, (now, then)))


async def rollback(context: Context) -> int:
    """A stack where one is named, else the system."""
    return await (change.change(context) if context.args.stack else deploy(context))


async def prepare(context: Context) -> int:
    """Builds and copies, and leaves what runs as it is."""
    context.refuse_read_only()
    async with context.doors.client() as client:
        plans = await planned(client, asked_for(context))
        refused = [p for p in plans if p.refusal]
        for plan in refused:
            output.note(f"{plan.title}: refused: {plan.refusal}")
        good = [p for p in plans if not p.refusal]
        done, unbegun = await change.carry_all(client, good, context)
    return change.report(context, done, [*refused, *unbegun])


async def diff(context: Context) -> int:
    """What a deployment would change, by package. Exit code 1 where anything would, as `diff` has it."""
    async with context.doors.client(settle=False) as client:
        plans = await planned(client, asked_for(context))
    for plan in plans:
        if plan.refusal:
            raise RefusedError(f"{plan.title}: {plan.refusal}")
        if plan.system and plan.system.diff is None:
            raise RefusedError(
                f"{plan.system.label} is not built yet", f"build and copy it: `clavel-tui prepare {plan.request.unit}`"
            )
    if context.json:
        output.as_json([plan.system.model_dump(mode="json") for plan in plans if plan.system])
    else:
        for plan in plans:
            _lines(plan, output.result)
    return NO_CHANGES if any(p.system and p.system.diff and not p.system.diff.same for p in plans) else 0


async def generations(context: Context) -> int:
    """What a unit can be brought back to: its generations and what was deployed to it, with where each came from."""
    async with context.doors.client(settle=False) as client:
        await client.refresh([context.args.name])
        state = client.unit_now(context.args.name)
        if state is None:
            raise RefusedError(f"there is no unit {context.args.name} in this fleet")
        recorded = {r.deployment.nar_id: r for r in await client.deployments(context.args.name)}
    if state.facts is None:
        raise RefusedError(f"{context.args.name}: {state.trouble or 'it was never seen'}", state.hint)
    rows = [row | {"deployment": recorded[row["path"]].short if row["path"] in recorded else ""} for row in systems(state)]
    if context.json:
        output.as_json(rows)
    else:
        keys = ("generation", "now", "verdict", "deployment", "label", "revision", "operator", "there")
        output.table(tuple(key.upper() for key in keys), [tuple(str(row[key]) for key in keys) for row in rows])
    return 0


def systems(state: UnitState) -> list[dict[str, str]]:
    """One row a closure, the newest last: generations by number, then what was deployed and has none."""
    facts = state.facts
    if facts is None:
        return []
    records = {record.path: record for record in facts.systems}
    numbers = {path: str(number) for number, path in facts.generations}
    paths = dict.fromkeys([*records, *(path for _, path in facts.generations), facts.current])
    rows = []
    for path in filter(None, paths):
        record = records.get(path)
        marks = {"runs": facts.current, "profile": facts.profile, "booted": facts.booted}
        rows.append(
            {
                "path": path,
                "generation": numbers.get(path, ""),
                "now": " ".join(mark for mark, marked in marks.items() if marked == path),
                "verdict": record.verdict if record else "",
                "label": (record.label if record else "") or base(path),
                "revision": record.revision if record else "",
                "operator": record.operator if record else "",
                "there": "yes" if path in {*facts.rooted, *numbers, facts.current} else "gone",
            }
        )
    return rows


async def planned(client: FleetClient, requests: Sequence[Request]) -> list[Plan]:
    """What each of them would do; those that cannot be done say why."""
    return list(await asyncio.gather(*(client.plan(request) for request in requests)))


def asked_for(context: Context) -> list[Request]:
    """What the arguments mean, a unit each."""
    args = context.args
    itself = args.operation in {Verb.REBOOT, Verb.GC}
    # By its tags a container or a device with stacks is meant for them; by its name for the closure that it may have.
    names = units_meant(context, lambda u: itself or (u.has_system and not (u.activates_itself and u.stacks)), "a system")
    confirm = 0 if getattr(args, "no_confirm", False) else getattr(args, "confirm_timeout", None)
    return [
        Request(
            unit=name,
            stack="",
            verb=Verb(args.operation),
            release=getattr(args, "to", None) or "",
            mode=Mode(getattr(args, "mode", None) or Mode.SWITCH),
            confirm=confirm,
            keep=getattr(args, "keep", None),
            build_on=BuildOn(args.build_on) if getattr(args, "build_on", None) else None,
            delivery=Delivery(args.delivery) if getattr(args, "delivery", None) else None,
            reason=clean(getattr(args, "reason", None) or "", 300),
        )
        for name in names
    ]


def units_meant(context: Context, fits: Callable[[Unit], bool], what: str) -> list[str]:
    """Named one by one or by their tags: never the whole fleet because nothing was said. ``fits``: of those that tags mean."""
    args, fleet = context.args, context.doors.fleet()
    said = list(dict.fromkeys([*getattr(args, "units", ()), *(getattr(args, "unit", None) or ())]))
    refuse_unknown(said, fleet)
    tagged = [u.name for u in fleet.units if fits(u) and args.tag and set(args.tag) <= set(u.tags)]
    if said and args.tag and not {*said} & {*tagged}:
        raise RefusedError(f"no unit is meant: {', '.join(said)} has not all of these tags and {what}")
    if not said and not tagged:
        words = f"no unit has all of these tags and {what}" if args.tag else "no unit is meant"
        raise RefusedError(words, f"name it: `clavel-tui {args.verb} UNIT`, or mean several with --tag")
    return [name for name in said if not args.tag or name in tagged] if said else tagged


async def prepared(client: FleetClient, plans: Sequence[Plan], context: Context) -> tuple[list[Plan], list[Operation]]:
    """Builds and copies what is not on its unit yet: only then can the unit say what a switch would restart."""
    away = [p for p in plans if p.prepares]
    done, unbegun = await change.carry_all(client, [plan.preparation() for plan in away], context)
    failed = [operation for operation in done if operation.outcome not in GOOD]
    left = {one.request.unit for one in failed} | {plan.request.unit for plan in unbegun}
    again = await planned(client, [p.request for p in away if p.request.unit not in left])
    return [*(p for p in plans if p not in away), *unbegun, *again], failed


def preview(plan: Plan) -> None:
    """What would happen, on stderr: stdout carries results."""
    output.note(plan.title)
    for command in plan.commands:
        output.note(f"  $ {command}")
    _lines(plan, lambda line: output.note(f"  {line}"))
    for text in plan.notes:
        output.note(f"  note: {text}")


def _lines(plan: Plan, put: output.Put) -> None:
    system = plan.system
    if system is None:
        return
    put(f"{base(system.current)} -> {base(system.nar_id)}")
    if system.diff:
        for one in system.diff.changes:
            put(change_line(one))
        grown = system.diff.size_after - system.diff.size_before
        put(f"closure {size(system.diff.size_after)} ({size(grown, sign=True)})" if not system.diff.same else "the same closure")
    if system.copies:
        put(f"{system.copies} paths to {system.delivery.verb}, {size(system.copy_bytes)}")
    for verb in ("stop", "restart", "reload", "start"):
        if names := [s.name for s in system.services if s.verb == verb]:
            put(f"would {verb}: {', '.join(names)}")


def change_line(one: PackageChange) -> str:
    """One package, in the words of `nix store diff-closures`."""
    told = [one.versions] if one.versions else []
    told += [size(one.size, sign=True)] if one.size else []
    return f"{one.name}: {', '.join(told)}"
