"""`eval`, `sources`, `deployments` and `compare`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from clavel_tui.cli import output
from clavel_tui.cli.context import Context
from clavel_tui.domain.deployment import Head, differences
from clavel_tui.domain.operation import Operation
from clavel_tui.domain.outcome import EXIT_CODES, Outcome
from clavel_tui.domain.source import Evaluation
from clavel_tui.fleet.client import FleetClient
from clavel_tui.fleet.state import SourceState


async def evaluate(context: Context) -> int:
    """A line for every unit; what failed, and Nix's warnings, to stderr. With --watch again whenever the source changes."""
    context.refuse_read_only()
    async with context.doors.client() as client:
        if not context.args.watch:
            return await _once(context, client)
        changes = client.source_changes(context.args.source)
        output.note("watching: Ctrl-C ends it")
        while True:
            # Waited for from before the evaluation on: what changes meanwhile is not lost.
            changed = asyncio.ensure_future(anext(changes))
            await asyncio.sleep(WATCH_STARTS_S)
            await _once(context, client)
            await changed


async def _once(context: Context, client: FleetClient) -> int:
    before = await _heads(client)
    operation = await client.wait(await client.evaluate(context.args.source, context.args.reason or ""))
    for event in await client.operation_events(operation.id):
        if event.kind == "warn":
            output.note(event.text)
    state = await _state(client, operation.request.stack)
    after = await _heads(client)
    evaluation = state.evaluation if state and operation.outcome in _RECORDED else None
    if context.json:
        output.as_json(_document(operation, evaluation, after))
    else:
        _lines(operation, evaluation, before, after)
    return EXIT_CODES[operation.outcome or Outcome.UNKNOWN]


async def _heads(client: FleetClient) -> dict[str, Head]:
    return {unit.unit.name: unit.head for unit in (await client.snapshot()).units if unit.head}


WATCH_STARTS_S = 0.2
"""Until the system tells of changes: what changes before would be seen only with the next one."""
_RECORDED = {Outcome.SUCCEEDED, Outcome.NO_CHANGE, Outcome.UNITS_FAILED}


async def _state(client: FleetClient, name: str) -> SourceState | None:
    return next((state for state in await client.sources() if state.source.name == name), None)


def _lines(operation: Operation, evaluation: Evaluation | None, before: Mapping[str, Head], after: Mapping[str, Head]) -> None:
    if evaluation:
        rows = []
        for one in evaluation.attributes:
            known = one.unit in before and before[one.unit].nar_id == one.nar_id
            short = after[one.unit].short if one.unit in after and not one.fault else ""
            rows.append((one.unit, "failed" if one.fault else ("same" if known else "changed"), short, one.nar_id))
        output.table(("UNIT", "WHAT", "DEPLOYMENT", "STORE PATH"), rows)
        for name in evaluation.others:
            output.note(f"{name} matches no unit")
    output.note(f"{operation.word}: {operation.text}")


def _document(operation: Operation, evaluation: Evaluation | None, after: Mapping[str, Head]) -> dict[str, Any]:
    attributes = evaluation.attributes if evaluation else ()
    ids = {one.unit: after[one.unit].id if one.unit in after and not one.fault else "" for one in attributes}
    return {
        "operation": operation.id,
        "outcome": operation.outcome,
        "text": operation.text,
        "lock": evaluation.lock.model_dump(mode="json") if evaluation else None,
        "processes": evaluation.processes if evaluation else 0,
        "units": [{**one.model_dump(mode="json"), "deployment": ids[one.unit]} for one in attributes],
        "others": list(evaluation.others) if evaluation else [],
        "warnings": list(evaluation.warnings) if evaluation else [],
    }


async def sources(context: Context) -> int:
    """One line a source."""
    async with context.doors.client(settle=False) as client:
        states = await client.sources()
    if context.json:
        output.as_json([state.model_dump(mode="json") for state in states])
        return 0
    rows = [
        (
            state.source.name,
            f"{state.source.url}{f' (stays at {state.source.pin.revision[:12]})' if state.source.pin else ''}",
            output.when(state.at) if state.at else "never",
            (state.evaluation.lock.revision[:12] + " (dirty)" * state.evaluation.lock.dirty) if state.evaluation else "",
            _counts(state.evaluation),
        )
        for state in states
    ]
    output.table(("SOURCE", "URL", "EVALUATED", "REVISION", "RESULT"), rows)
    if not rows:
        output.note("no source: write [sources.<name>] with its url into fleet.toml, or put a flake.nix beside hosts/")
    return 0


def _counts(evaluation: Evaluation | None) -> str:
    if evaluation is None:
        return ""
    failed = len(evaluation.failed)
    return f"{len(evaluation.attributes) - failed} Deployments" + (f", {failed} failed" if failed else "")


async def deployments(context: Context) -> int:
    """One line a Deployment; the one that the ref points to is marked."""
    async with context.doors.client(settle=False) as client:
        found = list(await client.deployments(context.args.name))[: context.args.limit]
        heads = {unit.head.short for unit in (await client.snapshot()).units if unit.head}
    if context.json:
        output.as_json([recorded.model_dump(mode="json", by_alias=True) for recorded in found])
        return 0
    rows = [
        (
            "*" if r.short in heads else "",
            r.short,
            output.when(r.at),
            r.revision[:12] + " (dirty)" * r.dirty,
            r.operator,
            r.deployment.nar_id,
        )
        for r in found
    ]
    output.table(("", "DEPLOYMENT", "EVALUATED", "REVISION", "BY", "STORE PATH"), rows)
    return 0


async def compare(context: Context) -> int:
    """What differs, field by field."""
    async with context.doors.client(settle=False) as client:
        old = await client.deployment(context.args.old)
        new = await client.deployment(context.args.new)
    found = differences(old, new)
    if context.json:
        output.as_json({key: {"old": before, "new": after} for key, (before, after) in found.items()})
    else:
        output.table(("FIELD", "OLD", "NEW"), [(key, before or "-", after or "-") for key, (before, after) in found.items()])
    return 1 if found else 0
