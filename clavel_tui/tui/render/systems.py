"""What a deployment would change on a unit, line by line, and the systems that a unit can be brought back to."""

from __future__ import annotations

from collections.abc import Iterator

from clavel_tui.domain.closure import PackageChange
from clavel_tui.domain.operation import Plan
from clavel_tui.domain.system import Delivery, SystemPlan, base, last_good
from clavel_tui.domain.text import size
from clavel_tui.fleet.state import UnitState
from clavel_tui.tui.render.cells import Cell, Line, Row, line

PACKAGES_MOST = 200
SYSTEM = "system:"
"""Before the store path in the key of a row, where others have the name of a stack."""
_SIGNS = {"added": ("+ ", "ok"), "removed": ("- ", "bad"), "changed": ("± ", "warn"), "resized": ("· ", "dim")}


def system_lines(plan: Plan) -> list[Line]:
    """The most telling first: from what to what, services, a reboot, then packages."""
    system = plan.system
    if system is None:
        return []
    return [*_heading(system), *_services(system), *_packages(system)]


def _heading(system: SystemPlan) -> Iterator[Line]:
    yield line(
        Cell(base(system.current), "dim"),
        Cell(" → ", "warn"),
        Cell(system.label, "head"),
        Cell(f"  {base(system.nar_id)}", "dim"),
    )
    if system.build:
        yield line(Cell("▲ not built yet", "warn"), Cell("  p builds and copies it, and shows what would change", "away"))
    elif system.copies:
        verb = "copies" if system.delivery is Delivery.COPY else "fetches"
        copy = f"  {system.copies} paths, {size(system.copy_bytes)}: p {verb} it, and shows what would be restarted"
        yield line(Cell("▲ not on the unit yet", "warn"), Cell(copy, "away"))
    if system.reboot:
        yield line(Cell(f"▲ a reboot would be due: {system.reboot}", "warn"))


def _services(system: SystemPlan) -> Iterator[Line]:
    for verb in ("stop", "restart", "reload", "start"):
        if names := [service.name for service in system.services if service.verb == verb]:
            yield line(Cell(f"would {verb:<8}", "warn" if verb in {"stop", "restart"} else "dim"), ", ".join(names))
    if system.dry and not system.services:
        yield line(Cell("no service would be stopped or restarted", "dim"))


def _packages(system: SystemPlan) -> Iterator[Line]:
    diff = system.diff
    if diff is None:
        return
    yield line("")
    if diff.same:
        yield line(Cell("the same closure: no package differs", "dim"))
        return
    counts = ", ".join(f"{count} {kind}" for kind, count in diff.counts.items()) or "rebuilt, with the same packages"
    grown = size(diff.size_after - diff.size_before, sign=True)
    yield line(Cell(counts, "head"), Cell(f"  closure {size(diff.size_after)} ({grown})", "dim"))
    for change in diff.changes[:PACKAGES_MOST]:
        yield _package(change)
    if (more := len(diff.changes) - PACKAGES_MOST) > 0:
        yield line(Cell(f"  and {more} more: `clavel-tui diff` has them all", "dim"))


def _package(change: PackageChange) -> Line:
    sign, role = _SIGNS[change.kind]
    grown = f"  {size(change.size, sign=True)}" if change.size else ""
    return line(Cell(sign, role), f"{change.name:<28} ", change.versions, Cell(grown, "dim"))


def system_rows(unit: UnitState) -> tuple[list[Row], str | None]:
    """What the whole system can go back to, the newest first, and the key of the last known good."""
    facts = unit.facts
    if facts is None or not unit.unit.has_system:
        return [], None
    numbers = {path: number for number, path in facts.generations}
    records = {record.path: record for record in facts.systems}
    there = {*facts.rooted, *numbers, facts.current}
    good = last_good(facts.systems, facts.current, tuple(there))
    paths = dict.fromkeys([*reversed(records), *(path for _, path in reversed(facts.generations))])
    rows = []
    for path in paths:
        record = records.get(path)
        told = [f"generation {numbers[path]}"] if path in numbers else []
        told += [f"revision {record.revision}"] if record and record.revision else []
        told += [f"by {record.operator}"] if record and record.operator else []
        note = _note(path, facts.current, good.path if good else "", there=path in there)
        label = (record.label if record else "") or base(path)
        cells = (Cell("system", "head"), Cell(label), Cell(record.verdict if record else ""), Cell("  ".join(told), "dim"), note)
        rows.append(Row(f"{SYSTEM}{path}", cells))
    return rows, f"{SYSTEM}{good.path}" if good else None


def _note(path: str, current: str, good: str, *, there: bool) -> Cell:
    if path == current:
        return Cell("runs now", "dim")
    if path == good:
        return Cell("✓ last known good", "ok")
    return Cell("") if there else Cell("✗ gone from the unit: it is copied again where it can be had", "bad")
