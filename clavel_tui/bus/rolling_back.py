"""A rollback that claveld and an agent carry out: planned and followed from any console that may speak to claveld."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from clavel_tui.bus.claveld import ClaveldError
from clavel_tui.domain.agent import AgentState, Phase, RefState
from clavel_tui.domain.deployment import Recorded
from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.facts import Facts
from clavel_tui.domain.operation import Plan, PullPlan, Request
from clavel_tui.domain.outcome import Outcome

if TYPE_CHECKING:
    from clavel_tui.bus.for_console import ConsoleClient, LookingClient

WAIT_S = 15.0
GIVE_UP_S = 1800.0
"""A closure over a slow line, an activation, its confirmation; then it is told that nobody knows."""


async def plan_rollback(claveld: LookingClient, request: Request, title: str, facts: Facts | None) -> Plan:
    """Where the unit's ref would go.

    Raises:
        ClaveldError: it does not answer.
        RefusedError: it knows no such Deployment.
    """
    name = request.unit
    ref, known, good = await claveld.ref(name), await claveld.deployments(name), await claveld.good(name)
    target = _target(request.release, ref, known, good, facts)
    moved = PullPlan(
        name=name,
        deployment=target.deployment.id,
        short=target.short,
        nar_id=target.deployment.nar_id,
        revision=ref.revision,
        before=ref.short,
    )
    return Plan(
        request=request.model_copy(update={"pull": True}),
        title=f"{title} to {target.short}",
        release=target.short,
        pull=moved,
        commands=(f"claveld rollback {name} --to {target.deployment.id[:12]}",),
        notes=(
            f"{name} pulls: its ref goes from {ref.short} to {target.short}, and its agent applies that",
            f"it stays there until `clavel-tui agent unpin {name}`: evaluations leave it",
        ),
    )


def held(agent: AgentState, unit: str) -> bool:
    """It leaves everything as it is: a ref that moves is nothing to it."""
    said = agent.of(unit)
    return said is not None and said.phase is Phase.HELD


def _target(said: str, ref: RefState, known: list[Recorded], good: list[str], facts: Facts | None) -> Recorded:
    """The recorded Deployment that is meant: by its name or id, by its store path, by a generation that runs it."""
    by_id = {one.deployment.id: one for one in known}
    if not said:
        found = [by_id[ident] for ident in good if ident in by_id and ident != ref.deployment.id]
        if not found:
            hint = f"say which one: `clavel-tui rollback --unit {ref.name} --to ID`; `claveld deployments {ref.name}` lists them"
            raise RefusedError(f"no agent has reported another Deployment of {ref.name} as applied and well", hint)
        return found[0]
    path = dict(facts.generations).get(int(said), "") if said.isdecimal() and facts else said
    ident = said.rpartition("@")[2]
    found = [one for one in known if one.deployment.nar_id == path or (ident and one.deployment.id.startswith(ident))]
    if len({one.deployment.nar_id for one in found}) != 1:
        hint = f"to push it all the same: `clavel-tui agent hold {ref.name}` first"
        many = "more than one" if found else "no"
        raise RefusedError(f"claveld has recorded {many} Deployment of {ref.name} that is {said}", hint)
    return found[0]


async def carry_rollback(
    claveld: ConsoleClient,
    pull: PullPlan,
    reason: str,
    moved: Callable[[], Awaitable[None]],
    sleep: Callable[[float], Awaitable[None]],
    now: Callable[[], float] = time.monotonic,
) -> tuple[Outcome, str]:
    """Moves the ref, tells ``moved`` so, and waits until the agent has said what became of it. ``now``: of no wall's clock."""
    if not_moved := await _not_moved(claveld, pull, reason):
        return not_moved
    await moved()
    begun, seq = now(), 0
    while now() - begun < GIVE_UP_S:
        try:
            if seq:
                await claveld.events(seq, WAIT_S)
            states, seq = await claveld.agents()
        except ClaveldError:
            await sleep(WAIT_S)
            continue
        reports = [report for state in states if (report := state.of(pull.name)) and report.desired == pull.deployment]
        for report in reports:
            if report.phase is Phase.IDLE and report.running == pull.nar_id:
                return Outcome.SUCCEEDED, f"{pull.short} runs, as its agent has seen"
            if report.phase in {Phase.FAILED, Phase.QUARANTINED} and report.running == pull.nar_id:  # of its stacks, say
                return Outcome.UNITS_FAILED, f"{pull.short} runs, as its agent has seen; but {report.text}"
            if report.phase is Phase.QUARANTINED:
                return Outcome.RETURNED, report.text
    return Outcome.UNKNOWN, f"the ref points to {pull.short}, and its agent has not said that it runs"


async def _not_moved(claveld: ConsoleClient, pull: PullPlan, reason: str) -> tuple[Outcome, str] | None:
    try:
        await claveld.roll_back(pull.name, pull.deployment, reason, pull.revision)
    except ClaveldError as error:
        if error.refused:
            return Outcome.REFUSED, f"nothing was changed: {error}"
        if unknown := await _not_there(claveld, pull):
            return Outcome.UNKNOWN, f"claveld did not say whether it moved the ref ({error}); {unknown}"
    return None


async def _not_there(claveld: ConsoleClient, pull: PullPlan) -> str:
    """Where the ref points, if not to what was wanted: what was asked may have been done though no answer came."""
    try:
        ref = await claveld.ref(pull.name)
    except ClaveldError:
        return "and it cannot be asked now: `clavel-tui agents` tells when it can"
    return "" if ref.deployment.id == pull.deployment else f"it points to {ref.short} now"
