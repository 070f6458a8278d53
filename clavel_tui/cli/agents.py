"""`agents`: the plain twin of the Agents pane. `agent`: what an operator tells one, or does with its ref, over claveld."""

from __future__ import annotations

import time

from clavel_tui.cli import output
from clavel_tui.cli.context import Context
from clavel_tui.domain.agent import Order
from clavel_tui.domain.text import age, clean


async def agents(context: Context) -> int:
    """One line an agent."""
    async with context.doors.client(settle=False) as client:
        found = await client.agents()
    if context.json:
        output.as_json([state.model_dump(mode="json") for state in found])
        return 0
    now = time.time()
    rows = [
        (
            state.agent.name,
            ",".join(state.agent.specification.deployments),
            state.word(now),
            age(now - state.seen) if state.seen else "never",
            state.worst.health.value if state.worst else "",
            state.worst.version if state.worst else "",
            clean(state.refused or (state.worst.text if state.worst else "")),
        )
        for state in found
    ]
    output.table(("AGENT", "DEPLOYMENTS", "IS", "SEEN", "HEALTH", "VERSION", "WHY"), rows)
    return 0


async def agent(context: Context) -> int:
    """Hold, release and poll are told to an agent; rollback, pin and unpin are about the ref that it asks for."""
    args = context.args
    context.refuse_read_only()
    async with context.doors.client(settle=False) as client:
        if args.order in {"rollback", "pin", "unpin"}:
            stays = f"stays there until `clavel-tui agent unpin {args.name}`"
            if args.order == "rollback":
                moved = await client.roll_back_ref(args.name, args.to or "", args.reason or "")
            elif args.order == "pin":
                moved = await client.pin_ref(args.name, args.reason or "")
            else:
                moved, stays = await client.unpin_ref(args.name), "follows its source again"
            text = f"{args.name} points to {moved.short}, and {stays}"
        else:
            await client.tell_agent(args.name, Order(args.order))
            text = f"{args.name} is told to {args.order}; it hears it at once, or when it is back"
    output.as_json({"agent": args.name, "done": text}) if context.json else output.result(text)
    return 0
