"""The demo, wired: its settings, and its past weeks written into its journal. A part of the composition root."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

from clavel_tui.settings import Settings

if TYPE_CHECKING:
    from clavel_tui.demo import Places
    from clavel_tui.demo.life import PastEvaluation, PastOperation
    from clavel_tui.domain.operation import Operation
    from clavel_tui.domain.source import Evaluation
    from clavel_tui.domain.unit import Fleet


def demo_settings(places: Places) -> Settings:
    """Everything in the demo's own folder; no file of the user's is read."""
    return Settings(
        fleet=str(places.hosts),
        db=str(places.database),
        ssh_config=str(places.ssh_config),
        known_hosts=str(places.known_hosts),
        identity=str(places.identity),
        nix=str(places.nix),
        tour=True,
    )


async def live_through(places: Places, now: float | None = None) -> None:
    """The past weeks, as the journal would have them if somebody had sat at this console."""
    from clavel_tui.demo import life
    from clavel_tui.domain.operation import State
    from clavel_tui.history import MIGRATIONS, Journal
    from clavel_tui.history.deployments import Deployments
    from clavel_tui.inventory import load_fleet
    from clavel_tui.nix import Evaluator
    from clavel_tui.operations.evaluate import Evaluating
    from clavel_tui.remote.local import LocalRunner
    from clavel_tui.remote.secrets import Secrets
    from clavel_tui.store import Database

    at = [now or time.time()]
    today = at[0]
    fleet = load_fleet(places.hosts)
    database = await Database.open(places.database, MIGRATIONS)
    deployments = Deployments(database, lambda: at[0])
    evaluating = Evaluating(fleet, Evaluator(LocalRunner(Secrets())), deployments)
    journal = Journal(database, "the demo", lambda: at[0])
    try:
        for past in life.evaluations():
            at[0] = today - past.days * life.DAY_S
            evaluation = _evaluation(fleet, past)
            await deployments.record(evaluation, evaluating.deployments(evaluation), "cameron", "evaluated fleet")
        for one in life.operations():
            begun = today - one.days * life.DAY_S
            operation = _operation(one, begun)
            at[0] = begun
            await journal.begin(operation)
            for number, step in enumerate(one.steps):
                at[0] = begun + one.seconds * number / len(one.steps)
                await journal.record([("step", operation.id, one.unit, step)])
            at[0] = begun + one.seconds
            await journal.settle(operation.model_copy(update={"state": State.SETTLED, "ended": at[0]}))
    finally:
        await database.close()


def _evaluation(fleet: Fleet, past: PastEvaluation) -> Evaluation:
    from clavel_tui.domain.source import Attribute, Evaluation, Listing, Lock
    from clavel_tui.nix.evaluator import sets_of

    attributes = [
        Attribute(
            name=f"{sets_of(unit.type)[0]}.{unit.name}", unit=unit.name, nar_id=past.paths[unit.name],
            drv_path=f"{past.paths[unit.name]}.drv", system=unit.arch, type=unit.type.value,
        )
        for unit in fleet.units
    ]  # fmt: skip
    source = fleet.sources[0]
    lock = Lock(url=f"git+file://{source.url}", nar_hash=past.nar_hash, revision=past.revision, nix="2.31.2-simulated")
    return Evaluation(
        source=source,
        lock=lock,
        listing=Listing(attributes=tuple(one.name for one in attributes)),
        attributes=tuple(attributes),
        processes=1,
    )


def _operation(one: PastOperation, begun: float) -> Operation:
    from clavel_tui.domain.operation import Operation, Origin, Request, State, Verb
    from clavel_tui.domain.outcome import Outcome

    return Operation(
        id=hashlib.sha256(f"{one.days} {one.unit}".encode()).hexdigest()[:16],
        request=Request(unit=one.unit, stack=one.stack, verb=Verb(one.verb)),
        origin=Origin(operator=one.operator, host="stibnite", reason=one.reason),
        state=State.RUNNING,
        outcome=Outcome(one.outcome),
        text=one.text,
        started=begun,
        ended=begun + one.seconds,
    )
