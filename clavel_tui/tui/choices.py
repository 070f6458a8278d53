"""What a dialog offers, and what it preselects. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from clavel_tui.domain.health import container_reason
from clavel_tui.domain.mute import Mute, said
from clavel_tui.domain.operation import Operation, Request, State, Verb
from clavel_tui.domain.stackview import StackView
from clavel_tui.domain.text import age, short_id
from clavel_tui.fleet.state import FleetState, UnitState
from clavel_tui.tui.render.cells import Cell, Row
from clavel_tui.tui.render.systems import system_rows

STACK_COLUMNS = ("STACK", "SERVICES", "RELEASE", "STATE")
RELEASE_COLUMNS = ("STACK", "RELEASE", "HEALTH", "IMAGES", "NOTE")


class Choice(NamedTuple):
    """What can be chosen from now, the row that is preselected, and what has to be known beside it."""

    rows: Sequence[Row]
    selected: str | None = None
    note: str = ""


def meant(state: FleetState, marks: Collection[str], verb: Verb) -> tuple[list[Request], list[str]]:
    """A request for each stack that the marks mean (`unit` or `unit/stack`), and a sentence for each that is left out."""
    if verb is Verb.DEPLOY:
        return _systems_meant(state, marks)
    requests: list[Request] = []
    left_out: list[str] = []
    for mark in sorted(marks):
        name, _, said = mark.partition("/")
        unit = state.unit(name)
        views = [view for view in unit.stacks if not said or view.name == said] if unit else []
        if verb is Verb.ROLLBACK and unit and not views and unit.has_system:
            _system_back(unit, requests, left_out)
        elif not views:
            left_out.append(f"{name} has no Docker Compose stack")
        for view in views:
            if verb is Verb.ROLLBACK and not view.good:
                left_out.append(f"{name} {view.name}: no recorded good release can be restored")
            else:
                requests.append(
                    Request(unit=name, stack=view.name, verb=verb, release=view.good if verb is Verb.ROLLBACK else "")
                )
    return requests, left_out


def rolled_out(state: FleetState, marks: Collection[str]) -> Verb:
    """What a rollout to the marked ones does: stacks that are marked are updated, and units without a system, too."""
    units = [state.unit(mark.partition("/")[0]) for mark in marks]
    systems = any(unit and unit.has_system for unit in units)
    return Verb.UPDATE if any("/" in mark for mark in marks) or not systems else Verb.DEPLOY


def _system_back(unit: UnitState, requests: list[Request], left_out: list[str]) -> None:
    """A unit without stacks is brought back as a whole."""
    _, good = system_rows(unit)
    if good:
        requests.append(Request(unit=unit.unit.name, stack="", verb=Verb.ROLLBACK, release=good.partition(":")[2]))
    else:
        left_out.append(f"{unit.unit.name}: no other system that was recorded as good is there")


def _systems_meant(state: FleetState, marks: Collection[str]) -> tuple[list[Request], list[str]]:
    requests, left_out = [], []
    for name in sorted({mark.partition("/")[0] for mark in marks}):
        if why := no_system(state.unit(name)):
            left_out.append(why)
        else:
            requests.append(Request(unit=name, stack="", verb=Verb.DEPLOY))
    return requests, left_out


REASON_COLUMNS = ("", "WHAT", "SINCE")
HOW_LONG: tuple[tuple[str, float], ...] = (
    ("until it changes", 0.0), ("for an hour", 3600.0), ("for 8 hours", 28800.0), ("for a day", 86400.0),
    ("for a week", 604800.0),
)  # fmt: skip


def reason_rows(unit: UnitState, now: float) -> tuple[list[Row], dict[str, tuple[str, str, bool]]]:
    """Everything that is wrong with a unit and what was acknowledged, with (code, text, is acknowledged) by the row's key."""
    known = {f"{n}": (code, text, False) for n, (code, text) in enumerate(said(unit.health, unit.drift))}
    known |= {f"m{n}": (m.code, m.text, True) for n, m in enumerate(unit.muted)}
    rows = [Row(key, (Cell("!", "warn"), Cell(text), Cell(""))) for key, (_, text, muted) in known.items() if not muted]
    for n, mute in enumerate(unit.muted):
        rows.append(Row(f"m{n}", (Cell("◌", "dim"), Cell(mute.text, "dim"), Cell(muted_words(mute, now), "dim"))))
    return rows, known


def muted_words(mute: Mute, now: float) -> str:
    """By whom, and for how long still."""
    left = f"for {age(mute.until - now)} still" if mute.until else "until it changes"
    return f"acknowledged by {mute.operator} {left}"


def all_held(state: FleetState, marks: Collection[str]) -> bool:
    """Whether every stack that the marks mean is held: then `H` releases them."""
    requests, _ = meant(state, marks, Verb.HOLD)
    units = ((state.unit(r.unit), r.stack) for r in requests)
    views = [unit.stack(stack) for unit, stack in units if unit]
    return bool(views) and all(view and view.held for view in views)


def no_first_contact(unit: UnitState | None) -> str:
    """Why there is no host key to be accepted; empty where there is one. A key that has changed is never accepted here."""
    if unit is None:
        return "no unit is selected"
    if unit.kind == "host-key-changed":
        return f"{unit.trouble}: {unit.hint}"
    return "" if unit.kind == "host-key-unknown" else f"the host key of {unit.unit.name} is known, or it was not reached yet"


def nothing_to_go_back_to(unit: UnitState | None) -> str:
    """Why nothing of that unit can be rolled back; empty where a stack or the system can."""
    if unit and unit.has_system and unit.facts:
        return f"{unit.unit.name} cannot be reached: {unit.trouble}" if unit.trouble else ""
    return no_stack(unit)


def no_agent(unit: UnitState | None) -> str:
    """Why nobody can be told anything; empty where somebody can."""
    if unit is None:
        return "no unit is selected"
    return "" if unit.agent else f"no claveld knows an agent of {unit.unit.name}"


def not_reached(unit: UnitState | None) -> str:
    """Why nothing can be done to that machine itself; empty where it can."""
    if unit is None:
        return "no unit is selected"
    return f"{unit.unit.name} cannot be reached: {unit.trouble}" if unit.trouble else ""


def no_system(unit: UnitState | None) -> str:
    """Why nothing can be deployed to that unit; empty where it can."""
    if unit is None:
        return "no unit is selected"
    if not unit.unit.has_system:
        return f"{unit.unit.name} is a {unit.unit.type.value} unit: it has no system to deploy, only stacks"
    if unit.head is None:
        return f"{unit.unit.name} has no Deployment yet: e evaluates the fleet's flake"
    # One that is away can wait, and one whose host key nobody knows yet is asked about first.
    wanting = unit.away or unit.kind == "host-key-unknown"
    return f"{unit.unit.name} cannot be reached: {unit.trouble}" if unit.trouble and not wanting else ""


def no_stack(unit: UnitState | None) -> str:
    """Why nothing can be done to a stack of that unit; empty where something can."""
    if unit is None:
        return "no unit is selected"
    if not unit.stacks:
        return f"{unit.unit.name} has no Docker Compose stack"
    return f"{unit.unit.name} cannot be reached: {unit.trouble}" if unit.trouble else ""


def stack(unit: UnitState, said: str | None) -> str | None:
    """The stack that a person most likely means: the one said, the unwell one, the one that changed last."""
    if said or not unit.stacks:
        return said
    return max(unit.stacks, key=lambda v: (_unwell(v), max((r.seq for r in v.releases), default=0), _last(v))).name


def _unwell(view: StackView) -> bool:
    return any(container_reason(c) for c in view.containers)


def _last(view: StackView) -> float:
    return max((float(r.seen_at or 0) for r in view.releases), default=0.0)


def stack_rows(unit: UnitState) -> list[Row]:
    """A row for each stack."""
    return [Row(v.name, (Cell(v.name, "head"), _services(v), Cell(v.running or "not recorded"), _state(v))) for v in unit.stacks]


def _services(view: StackView) -> Cell:
    return Cell(f"{sum(container_reason(c) is None for c in view.containers)}/{len(view.containers)}")


def _state(view: StackView) -> Cell:
    if _unwell(view):
        return Cell("✗ unwell", "bad")
    return Cell("■ HELD", "warn") if view.held else Cell("")


def releases(unit: UnitState, said: str | None, running: Collection[Operation]) -> Choice:
    """What a rollback can go to: the releases of the stack that is meant, or of all, and the unit's systems.

    The last known good is preselected: of what is unwell, else of what changed last. While something goes on there, that is
    said, since what it brings is not in the list yet.
    """
    views = [v for v in unit.stacks if not said or v.name == said]
    rows = [_release_row(v, n) for v in views for n in range(len(v.releases))]
    likely = next((v for v in views if v.name == stack(unit, said)), None)
    good = next((f"{v.name}/{v.good}" for v in ([likely] if likely else []) + views if v.good), None)
    systems, good_system = system_rows(unit) if not said else ([], None)
    if good_system and (good is None or (likely and not _unwell(likely) and _changed(unit) > _last(likely))):
        rows, good = [*systems, *rows], good_system
    else:
        rows = [*rows, *systems]
    note = "" if good else "nothing that was recorded as good can be restored here"
    going_on = next((o for o in running if o.state is not State.PLANNED), None)
    return Choice(rows, good, f"{going_on.request.sentence} is still going on" if going_on else note)


def _changed(unit: UnitState) -> float:
    return max((record.at for record in unit.facts.systems), default=0.0) if unit.facts else 0.0


def _release_row(view: StackView, index: int) -> Row:
    release = view.releases[index]
    if gone := view.missing.get(release.id):
        note = Cell(f"✗ not restorable here: image gone of {', '.join(gone)}", "bad")
    elif release.id == view.running:
        note = Cell("runs now", "dim")
    elif release.id == view.good:
        note = Cell("✓ last known good", "ok")
    else:
        note = Cell("")
    images = " ".join(f"{s.service}={short_id(s.image)}" for s in release.services)
    return Row(
        f"{view.name}/{release.id}", (Cell(view.name, "head"), Cell(release.id), Cell(release.health), Cell(images, "dim"), note)
    )
