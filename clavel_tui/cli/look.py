"""`logs`, `history`, `unlock`, `trust` and `check`."""

from __future__ import annotations

from clavel_tui.cli import output
from clavel_tui.cli.context import Context
from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.text import clean


async def logs(context: Context) -> int:
    """A stack's logs to stdout, cleaned of control characters."""
    args = context.args
    names = (
        context.chosen(context.doors.fleet())
        if args.unit
        else [u.name for u in context.doors.fleet().units if u.stack(args.stack)]
    )
    if len(names) != 1:
        raise RefusedError(f"{args.stack} is on {', '.join(names) or 'no unit'}: say which with --unit")
    async with context.doors.client(settle=False) as client:
        await client.refresh(names)
        problem = await client.logs(
            names[0],
            args.stack,
            args.service or "",
            tail=args.tail,
            follow=args.follow,
            on_line=lambda line: output.result(clean(line)),
        )
    if problem.strip():
        output.note(problem.strip())
        return 1
    return 0


async def history(context: Context) -> int:
    """Operations, newest first; with an id everything that was journalled of one; `export` writes all as JSON."""
    args = context.args
    async with context.doors.client() as client:
        if args.id and args.id != "export":
            return await _one(context, args.id)
        found = await client.history(100_000 if args.id == "export" else args.limit)
        if args.id == "export":
            output.as_json(
                [
                    {
                        **o.model_dump(mode="json"),
                        "events": [e.model_dump(mode="json") for e in await client.operation_events(o.id)],
                    }
                    for o in found
                ]
            )
            return 0
    if context.json:
        output.as_json([o.model_dump(mode="json") for o in found])
        return 0
    rows = [
        (
            o.id[:8],
            output.when(o.started),
            o.request.unit,
            o.request.stack,
            o.request.verb.value,
            o.word,
            o.origin.operator,
            o.told,
        )
        for o in found
    ]
    output.table(("ID", "WHEN", "UNIT", "STACK", "WHAT", "OUTCOME", "BY", "TEXT"), rows)
    return 0


async def _one(context: Context, ident: str) -> int:
    async with context.doors.client(settle=False) as client:
        operation = await client.operation(ident)
        if operation is None:
            raise RefusedError(f"no operation, or more than one, begins with {ident}")
        events = await client.operation_events(operation.id)
    if context.json:
        output.as_json({**operation.model_dump(mode="json"), "events": [e.model_dump(mode="json") for e in events]})
        return 0
    revision = (
        f", revision {operation.origin.revision[:12]}{' (dirty)' if operation.origin.dirty else ''}"
        if operation.origin.revision
        else ""
    )
    output.result(f"{operation.id}  {operation.request.sentence}: {operation.word}")
    why = f": {operation.origin.reason}" if operation.origin.reason else ""
    output.result(f"by {operation.origin.operator}@{operation.origin.host}{revision}{why}")
    for event in events:
        output.result(f"{output.when(event.at)}  {event.kind:8} {event.text}")
    return 0


async def unlock(context: Context) -> int:
    """Settles dead jobs. A live lock is never broken: the exit code then is 3."""
    context.refuse_read_only()
    async with context.doors.client(settle=False) as client:
        lines = list(await client.unlock(context.args.name))
    if context.json:
        output.as_json(lines)
    else:
        for line in lines:
            output.result(line)
    return 3 if any(line.startswith("held") for line in lines) else 0


async def trust(context: Context) -> int:
    """First contact: shows the fingerprint and asks."""
    context.refuse_read_only()
    names = context.chosen(context.doors.fleet()) if context.args.unit else []
    if not names:
        raise RefusedError("say whose host key with --unit")
    async with context.doors.client(settle=False) as client:
        for name in names:
            fingerprint, line = await client.fingerprint(name)
            output.note(f"{name} shows the host key {fingerprint}")
            if not output.confirmed("Is that the key of this machine?", "run it on one"):
                return 7
            output.result(f"written to {await client.trust(line)}")
    return 0


async def completion(context: Context) -> int:
    """A script that completes verbs and options."""
    import shtab

    from clavel_tui.cli.parser import build

    output.result(shtab.complete(build(), shell=context.args.shell))
    return 0


async def check(context: Context) -> int:
    """Reads the fleet's files without touching a unit; an error has said everything that is wrong."""
    fleet = context.doors.files()
    if context.json:
        output.as_json({"fleet": fleet.name, "units": [u.model_dump(mode="json") for u in fleet.units]})
    else:
        output.result(
            f"{fleet.name}: {len(fleet.units)} units, {sum(len(u.stacks) for u in fleet.units)} stacks; all files are well"
        )
    return 0
