"""`update`, `rollback`, `restart`, `stop`, `remove`, `hold`, `release`, `forget`: plan, preview, confirm, run, verify, settle."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Sequence

from clavel_tui.cli import output
from clavel_tui.cli.context import Context
from clavel_tui.domain.errors import ClavelError, RefusedError
from clavel_tui.domain.operation import Event, Operation, Plan, Request, State, Verb
from clavel_tui.domain.outcome import EXIT_CODES, Outcome
from clavel_tui.domain.text import clean
from clavel_tui.fleet.client import FleetClient

SEVERAL = 4


async def change(context: Context) -> int:
    """One verb on one stack of one unit, or of all units that --unit and --tag mean."""
    args = context.args
    if args.verb == "update" and args.check:
        return await _check_images(context)
    if not args.dry_run:
        context.refuse_read_only()
    async with context.doors.client() as client:
        requests = _requests(context)
        plans = await asyncio.gather(*(client.plan(r) for r in requests))
        refused = [p for p in plans if p.refusal]
        good = [p for p in plans if not p.refusal]
        for plan in refused:
            output.note(f"{plan.title}: refused: {plan.refusal}")
        for plan in good:
            preview(plan)
        if args.dry_run:
            return dry_run(context, plans)
        if not good:
            return report(context, [], refused)
        if not args.yes and not output.confirmed(f"{args.verb} {len(good)} stack{'s' if len(good) > 1 else ''} now?"):
            return declined(context, [], refused)
        done, unbegun = await carry_all(client, good, context)
    return report(context, done, [*refused, *unbegun])


def _requests(context: Context) -> list[Request]:
    args = context.args
    names = context.chosen(context.doors.fleet())
    if not args.unit and not args.tag:
        names = [u.name for u in context.doors.fleet().units if u.stack(args.stack)]
    if not names:
        raise RefusedError(f"no unit is meant: no unit has a stack {args.stack}, or --unit and --tag name none")
    if len(names) > 1 and not args.tag and not args.unit:
        raise RefusedError(f"{args.stack} is on {', '.join(names)}: say which with --unit, or mean several with --tag")
    return [
        Request(
            unit=name,
            stack=args.stack,
            verb=Verb(args.operation),
            release=getattr(args, "to", None) or "",
            service=getattr(args, "service", None) or "",
            unhold=getattr(args, "unhold", False),
            reason=clean(args.reason or "", 300),
        )
        for name in names
    ]


def preview(plan: Plan) -> None:
    """What would happen to a stack, on stderr."""
    output.note(plan.title)
    for command in plan.commands:
        output.note(f"  $ {command}")
    for image in plan.images:
        after = f" -> {image.after}" if image.after and image.after != image.before else ""
        output.note(f"  image {image.service}: {image.before or 'none'}{after}  {image.note}")
    for file in plan.files:
        output.note(f"  {file.kind} file {file.path}")
        for line in file.diff:
            output.note(f"    {line}")
    for text in plan.notes:
        output.note(f"  note: {text}")


async def carry_all(client: FleetClient, plans: Sequence[Plan], context: Context) -> tuple[list[Operation], list[Plan]]:
    """Each to its end, whatever becomes of the others; and those that could not be begun, with why.

    Raises:
        ClavelError: of a plan that is the only one.
    """
    ended = await asyncio.gather(*(_carry(client, plan, context) for plan in plans), return_exceptions=len(plans) > 1)
    done: list[Operation] = []
    unbegun: list[Plan] = []
    for plan, one in zip(plans, ended, strict=True):
        if isinstance(one, ClavelError):
            output.note(f"{plan.title}: {one.text}")
            unbegun.append(plan.model_copy(update={"refusal": one.text}))
        elif isinstance(one, BaseException):
            raise one
        else:
            done.append(one)
    return done, unbegun


async def _carry(client: FleetClient, plan: Plan, context: Context) -> Operation:
    """Runs one confirmed plan to its end, and tells its steps."""
    ident = await client.submit(plan, clean(context.args.reason or "", 300))
    telling = asyncio.create_task(_tell(client, ident, plan))
    try:
        return await client.wait(ident)
    finally:
        with contextlib.suppress(TimeoutError):  # one that is left unknown has no last word
            await asyncio.wait_for(telling, 1)


async def _tell(client: FleetClient, ident: str, plan: Plan) -> None:
    """Progress: steps and words on a terminal and in a log alike; the commands' own output only with --verbose."""
    async for event in since_its_beginning(client, ident):
        if event.operation == ident and event.kind == "settled":
            return
        if event.operation == ident and (line := _line(event)):
            print(f"{plan.request.unit}: {line}", file=sys.stderr)


async def since_its_beginning(client: FleetClient, ident: str) -> AsyncIterator[Event]:
    """What is journalled from the beginning of that operation on: years of history before it are not read."""
    said = await client.operation_events(ident)
    async for event in client.events(said[0].seq - 1 if said else 0):
        yield event


def _line(event: Event) -> str:
    return {"step": f"· {event.text}", "say": event.text, "warn": f"! {event.text}", "state": event.text}.get(event.kind, "")


def dry_run(context: Context, plans: Sequence[Plan]) -> int:
    """The end of a command that was to preview only."""
    if context.json:
        output.as_json([plan.model_dump(mode="json") for plan in plans])
    return EXIT_CODES[Outcome.REFUSED] if any(p.refusal for p in plans) else 0


def declined(context: Context, done: Sequence[Operation], refused: Sequence[Plan]) -> int:
    """The end of a command whose question was answered no: what was done and refused before it is the result."""
    report(context, done, refused)
    return EXIT_CODES[Outcome.CANCELLED]


def report(context: Context, done: Sequence[Operation], refused: Sequence[Plan]) -> int:
    """The outcomes as the result; returns the exit code that stands for them all."""
    if context.json:
        output.as_json(
            {
                "operations": [o.model_dump(mode="json") for o in done],
                "refused": [{"unit": p.request.unit, "stack": p.request.stack, "why": p.refusal} for p in refused],
            }
        )
    else:
        for o in done:
            output.result(": ".join(filter(None, (" ".join(filter(None, (o.request.unit, o.request.stack))), o.word, o.text))))
    codes = {EXIT_CODES[o.outcome or (Outcome.UNREACHABLE if o.state is State.PLANNED else Outcome.UNKNOWN)] for o in done}
    if refused:
        codes.add(EXIT_CODES[Outcome.REFUSED])
    return codes.pop() if len(codes) == 1 else SEVERAL


async def _check_images(context: Context) -> int:
    """`update --check`: which images have another digest at their registry. Changes nothing."""
    found: list[dict[str, str]] = []
    async with context.doors.client(settle=False) as client:
        for request in _requests(context):
            images = await client.check_images(request.unit, request.stack)
            found.extend(
                {"unit": request.unit, "stack": request.stack, "ref": ref, "state": word, "why": why}
                for ref, (word, why) in images.items()
            )
    if context.json:
        output.as_json(found)
    else:
        output.table(("UNIT", "STACK", "IMAGE", "STATE", "WHY"), [tuple(row.values()) for row in found])
    return 0
