"""Rows and details of Deployments and Sources."""

from __future__ import annotations

from collections.abc import Iterator

from clavel_tui.domain.deployment import Recorded, differences
from clavel_tui.domain.source import Attribute, Source, SourcePin
from clavel_tui.domain.text import age
from clavel_tui.fleet.state import FleetState, SourceState
from clavel_tui.tui.render.cells import Cell, Line, Row, line

DEPLOYMENT_COLUMNS = ("DEPLOYMENT", "STATE", "EVALUATED", "REVISION", "BY", "STORE PATH")
SOURCE_COLUMNS = ("SOURCE", "EVALUATED", "REVISION", "NIX", "RESULT", "URL")


def deployment_row(one: Recorded, state: FleetState, now: float) -> Row:
    """Whether it should run, whether it does, and where it came from."""
    unit = state.unit(one.deployment.name)
    head = bool(unit and unit.head and unit.head.short == one.short)
    runs = bool(unit and unit.facts and unit.facts.current == one.deployment.nar_id)
    words = {
        (True, True): Cell("✓ runs", "ok"),
        (True, False): Cell("≠ should run", "warn"),
        (False, True): Cell("▸ runs", "warn"),
        (False, False): Cell(""),
    }
    # Several Deployments may be the same closure: then the one that should run is the one that runs.
    same = bool(unit and unit.head and unit.head.nar_id == one.deployment.nar_id)
    cell = Cell("") if runs and same and not head else words[head, runs]
    return Row(
        one.short,
        (
            Cell(one.short, "head"), cell, Cell(f"{age(now - one.at)} ago", "dim"), _revision(one.revision, dirty=one.dirty),
            Cell(one.operator, "dim"), Cell(one.deployment.nar_id.removeprefix("/nix/store/"), "dim"),
        ),
    )  # fmt: skip


def _revision(revision: str, *, dirty: bool) -> Cell:
    return Cell(f"{revision[:12]}{' ' * bool(revision)}{'dirty' if dirty else ''}", "warn" if dirty else "plain")


def deployment_lines(one: Recorded, before: Recorded | None) -> list[Line]:
    """All of it, and what differs from the one before."""
    template = one.deployment.specification.template
    fields = {
        "id": one.deployment.id,
        **one.deployment.metadata,
        "revision": f"{one.revision}{' (dirty)' if one.dirty else ''}",
        "evaluated": f"{one.evaluations} times, last by {one.operator} from {one.url}",
        "narId": template.nar_id,
        "substituters": "  ".join(template.substituters),
        "substituters-public-keys": "  ".join(template.keys),
        **template.metadata,
    }
    lines = [line(Cell(f"{key:<26}", "dim"), text) for key, text in fields.items() if text]
    if before is None:
        return [*lines, line(""), line(Cell("no Deployment of this unit was recorded before it", "dim"))]
    changed = differences(before.deployment, one.deployment)
    head = line(Cell(f"differs from {before.short} in" if changed else f"the same as {before.short}", "head"))
    return [*lines, line(""), head, *(part for key, pair in changed.items() for part in _difference(key, *pair))]


def _difference(key: str, old: str, new: str) -> Iterator[Line]:
    yield line(Cell(f"  {key}", "plain"))
    yield line(Cell(f"  - {old or 'nothing'}", "bad"))
    yield line(Cell(f"  + {new or 'nothing'}", "ok"))


def source_row(state: SourceState, now: float) -> Row:
    """When it was evaluated, at which revision, and what came of it."""
    evaluation = state.evaluation
    if evaluation is None:
        never = (Cell("never", "warn"), Cell(""), Cell(""), Cell("e evaluates it", "away"))
        return Row(state.source.name, (Cell(state.source.name, "head"), *never, _reference(state.source)))
    failed = len(evaluation.failed)
    good = len(evaluation.attributes) - failed
    result = f"{good} Deployment{'s' * (good != 1)}"
    cell = Cell(f"✗ {result}, {failed} failed", "bad") if failed else Cell(f"✓ {result}", "ok")
    return Row(
        state.source.name,
        (
            Cell(state.source.name, "head"), Cell(f"{age(now - state.at)} ago"),
            _revision(evaluation.lock.revision, dirty=evaluation.lock.dirty), Cell(evaluation.lock.nix, "dim"), cell,
            _reference(state.source),
        ),
    )  # fmt: skip


def _reference(source: Source) -> Cell:
    """What it follows, or where it stays."""
    return Cell(f"stays at {source.pin.revision[:12]}  {source.url}", "warn") if source.pin else Cell(source.url, "dim")


def source_lines(state: SourceState, now: float) -> list[Line]:
    """What failed first, then what is well, then what matches no unit."""
    evaluation = state.evaluation
    if evaluation is None:
        return [line(state.source.url), line(""), line(Cell("it was never evaluated: e evaluates it", "away"))]
    lock = evaluation.lock
    dirty = " (dirty)" if lock.dirty else ""
    head = [
        line(lock.url),
        line(Cell(f"{lock.nar_hash}  revision {lock.revision or '-'}{dirty}  Nix {lock.nix}  {age(now - state.at)} ago", "dim")),
        *([line(Cell(_stays(state.source.pin), "warn"))] if state.source.pin else []),
        line(""),
    ]
    failed = [part for one in evaluation.failed for part in _failed(one)]
    good = [line(Cell("✓ ", "ok"), f"{one.name:<36} ", Cell(one.nar_id, "dim")) for one in evaluation.attributes if not one.fault]
    others = [line(Cell(f"· {name}", "dim"), Cell("  matches no unit", "dim")) for name in evaluation.others]
    warnings = [line(Cell(f"▲ {text}", "warn")) for text in evaluation.warnings]
    return [*head, *failed, *good, *others, *warnings]


def _stays(pin: SourcePin) -> str:
    return f"it stays at {pin.revision}: {pin.operator}{f', {pin.why}' if pin.why else ''}"


def _failed(one: Attribute) -> Iterator[Line]:
    yield line(Cell(f"✗ {one.name}", "bad"), Cell(f"  {one.fault.value if one.fault else ''}", "dim"))
    yield line(f"    {one.text}")
