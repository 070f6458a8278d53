"""`rollout`: many units in waves, with one preview and one confirmation; and what one says to a rollout that runs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from clavel_tui.cli import change, deploy, output
from clavel_tui.cli.context import Context
from clavel_tui.domain.operation import Operation, Plan, Request, Verb
from clavel_tui.domain.outcome import EXIT_CODES, Outcome
from clavel_tui.domain.rollout import Word, wave_names
from clavel_tui.domain.text import clean
from clavel_tui.domain.waves import RolloutSettings
from clavel_tui.fleet.client import FleetClient
from clavel_tui.fleet.state import RolloutState


async def rollout(context: Context) -> int:
    """Begins one, or shows or steers one that is there."""
    args = context.args
    if args.show:
        async with context.doors.client(settle=False) as client:
            return _show(context, await client.rollout(args.show))
    for word in Word:
        if ident := getattr(args, word.value):
            context.refuse_read_only()
            # What a dead console has begun is told first: settled before, it would be waited for, and confirmed.
            async with context.doors.client(settle=False) as client:
                return await _tell(context, client, ident, word)
    return await _begin(context)


async def _tell(context: Context, client: FleetClient, ident: str, word: Word) -> int:
    """One whose console has ended is carried by this command, to its end."""
    ident = (await client.rollout(ident)).operation.id
    output.note(await client.tell_rollout(ident, word))
    operation = await _followed(client, ident)
    shown = _show(context, await client.rollout(ident))
    return EXIT_CODES[operation.outcome] if operation.outcome else shown


async def _begin(context: Context) -> int:
    args = context.args
    settings = _settings(context)
    if not args.dry_run:
        context.refuse_read_only()
    async with context.doors.client() as client:
        plans = await deploy.planned(client, _requests(context))
        failed: list[Operation] = []
        if not args.dry_run and not args.stack:
            plans, failed = await deploy.prepared(client, plans, context)
        good = [plan for plan in plans if not plan.refusal]
        _preview(plans, failed, settings)
        if args.dry_run:
            return change.dry_run(context, plans)
        if not good:
            return change.report(context, failed, [plan for plan in plans if plan.refusal])
        if not args.yes and not output.confirmed("roll it out now?"):
            return change.declined(context, failed, [plan for plan in plans if plan.refusal])
        ident = await client.roll_out(good, settings, clean(args.reason or "", 300))
        output.note(f"rollout {ident}: `clavel-tui rollout --pause`, `--abort` or `--show {ident[:6]}` from another terminal")
        operation = await _followed(client, ident)
        _show(context, await client.rollout(ident))
    left_out = len(good) < len(plans) + len(failed)
    code = EXIT_CODES[operation.outcome or Outcome.UNKNOWN]
    return change.SEVERAL if left_out and not code else code


def _settings(context: Context) -> RolloutSettings:
    """As fleet.toml says, but for what was said here."""
    args = context.args
    said = {
        "canary": args.canary,
        "wave": args.wave,
        "soak_seconds": args.soak,
        "stop_at": args.stop_at,
        "on_stop": args.on_stop,
    }
    fleets = context.doors.fleet().rollout.model_dump()
    return RolloutSettings.model_validate(fleets | {key: value for key, value in said.items() if value is not None})


def _requests(context: Context) -> list[Request]:
    stack = context.args.stack
    if not stack:
        return deploy.asked_for(context)
    names = deploy.units_meant(context, lambda unit: unit.stack(stack) is not None, f"a stack {stack}")
    reason = clean(context.args.reason or "", 300)
    return [Request(unit=name, stack=stack, verb=Verb.UPDATE, reason=reason) for name in names]


def _preview(plans: Sequence[Plan], failed: Sequence[Operation], settings: RolloutSettings) -> None:
    """Who goes when first: it is what differs from a deployment to all of them at once."""
    for operation in failed:
        output.note(f"{operation.request.unit}: left out: {operation.word}: {operation.text}")
    for plan in plans:
        if plan.refusal:
            output.note(f"{plan.title}: left out: {plan.refusal}")
    good = [plan for plan in plans if not plan.refusal]
    for plan in good:
        deploy.preview(plan) if plan.system else change.preview(plan)
    for number, names in enumerate(wave_names(good, settings), 1):
        output.note(f"wave {number}: {', '.join(names)}")
    output.note(settings.sentence)


async def _followed(client: FleetClient, ident: str) -> Operation:
    """Tells what the rollout itself says, and how each unit ended."""
    telling = asyncio.create_task(_tell_events(client, ident))
    try:
        return await client.wait(ident)
    finally:
        await asyncio.sleep(0.3)
        telling.cancel()


async def _tell_events(client: FleetClient, ident: str) -> None:
    parts = {ident}
    async for event in change.since_its_beginning(client, ident):
        if event.operation not in parts and event.kind == "begun":
            operation = await client.operation(event.operation)
            parts |= {event.operation} if operation and operation.parent == ident else set()
        if event.operation in parts and event.kind in {"step", "failure", "settled", "warn", "word"}:
            mark = {"step": "· ", "failure": "! ", "warn": "! "}.get(event.kind, "")
            output.note(f"{event.unit or 'rollout'}: {mark}{event.text}")


def _show(context: Context, state: RolloutState) -> int:
    """The table of outcomes as the result."""
    if context.json:
        output.as_json(state.model_dump(mode="json"))
    else:
        rows = [(f"{one.wave}", one.request.unit, one.word, one.text) for one in state.units]
        output.table(("WAVE", "UNIT", "OUTCOME", "TEXT"), rows)
        output.result(
            f"{state.operation.request.sentence}: {state.operation.word}: {state.operation.text or state.operation.step}"
        )
    return 0
