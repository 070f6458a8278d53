"""The details of one unit, line by line: why it is not ok first, then its stacks, then its facts."""

from __future__ import annotations

from collections.abc import Iterator

from clavel_tui.domain.facts import Container, Facts
from clavel_tui.domain.health import container_reason
from clavel_tui.domain.stackview import StackView
from clavel_tui.domain.text import age, short_id
from clavel_tui.fleet.state import UnitState
from clavel_tui.tui.choices import muted_words
from clavel_tui.tui.render.agents import agent_lines
from clavel_tui.tui.render.cells import Cell, Line, level_cell, line


def unit_lines(state: UnitState, now: float) -> list[Line]:
    """Everything that is known of a unit."""
    return [
        *_heading(state),
        *_why(state, now),
        *_agent(state, now),
        *(text for view in state.stacks for text in _stack(view, state)),
        *_facts(state.facts, now),
    ]


def _heading(state: UnitState) -> Iterator[Line]:
    unit = state.unit
    yield line(Cell(unit.name, "head"), "  ", level_cell(state.health.level), Cell(f"  {unit.type.value} {unit.arch}", "dim"))
    words = " ".join((unit.address, *(f"#{t}" for t in unit.tags), *unit.roles))
    yield line(Cell(words, "dim"))


def _why(state: UnitState, now: float) -> Iterator[Line]:
    yield line("")
    for reason in state.health.reasons:
        evidence = Cell(f"  {reason.evidence}", "dim") if reason.evidence else Cell("")
        yield line(Cell(f"{level_cell(reason.level).text[0]} {reason.text}", level_cell(reason.level).role), evidence)
    if state.hint:
        yield line(Cell(f"→ {state.hint}", "away"))
    for drift in state.drift:
        yield line(Cell(f"≠ {drift.text}", "warn"))
    for mute in state.muted:
        yield line(Cell(f"◌ {mute.text}", "dim"), Cell(f"  {muted_words(mute, now)}", "dim"))
    if not state.health.reasons and not state.drift:
        yield line(Cell("nothing is wrong that we know of" if state.facts else "nobody has looked at it yet: R looks", "dim"))


def _agent(state: UnitState, now: float) -> Iterator[Line]:
    """What the unit's agent has said, where it pulls."""
    if state.agent is None:
        return
    yield line("")
    yield from agent_lines(state, state.agent, now)


def _stack(view: StackView, state: UnitState) -> Iterator[Line]:
    yield line("")
    held = Cell(f"  ■ HELD at {view.held.release} by {view.held.operator}", "warn") if view.held else Cell("")
    known = Cell("" if view.declared else "  not in the fleet's files", "dim")
    yield line(Cell(f"▣ {view.name}", "head"), Cell(f"  {view.path}", "dim"), known, held)
    if not view.containers and state.facts:
        yield line(Cell("  does not run: u deploys it" if view.declared else "  does not run", "warn"))
    for container in sorted(view.containers, key=lambda c: (c.service, c.name)):
        yield _service(container)
    for release in view.releases[:4]:
        marks = "runs now" if release.id == view.running else "last known good: r goes there" if release.id == view.good else ""
        gone = view.missing.get(release.id)
        tail = (
            Cell(f"  not restorable here: image gone of {', '.join(gone)}", "bad")
            if gone
            else Cell(f"  {marks}", "ok" if marks else "dim")
        )
        yield line(Cell("  release ", "dim"), release.id, Cell(f"  {release.health}", "dim"), tail)


def _service(container: Container) -> Line:
    reason = container_reason(container)
    glyph, role = ("✗", "bad") if reason else ("✓", "ok") if container.state == "running" else ("·", "dim")
    words = container.health or container.state
    return line(
        Cell(f"  {glyph} ", role),
        f"{container.service:<18} ",
        Cell(f"{words:<10} ", role),
        Cell(f"{short_id(container.image)}  {container.ref}", "dim"),
    )


def stack_lines(view: StackView, state: UnitState) -> list[Line]:
    """One stack by itself: its services and releases."""
    return list(_stack(view, state))[1:]


def _facts(facts: Facts | None, now: float) -> Iterator[Line]:
    if facts is None:
        return
    yield line("")
    words = [facts.os, facts.kernel, f"up {age(facts.uptime)}" if facts.uptime is not None else ""]
    yield line(Cell("  ".join(w for w in words if w), "dim"))
    load = f"load {facts.load[0]:.2f} of {facts.cpus or '?'}" if facts.load else ""
    memory = (
        f"memory {facts.mem_free_kib // 1024} of {facts.mem_total_kib // 1024} MiB free"
        if facts.mem_free_kib and facts.mem_total_kib
        else ""
    )
    heat = f"{facts.temperature_c:.0f} °C" if facts.temperature_c is not None else ""
    yield line(Cell("  ".join(w for w in (load, memory, heat) if w), "dim"))
    for disk in facts.disks[:4]:
        role = "bad" if disk.percent >= 95 else "warn" if disk.percent >= 85 else "dim"  # noqa: PLR2004
        yield line(Cell(f"disk {disk.at}  {disk.percent:.0f} %  {disk.free // 1024} MiB free", role))
    if facts.docker not in {"", "missing"}:
        yield line(Cell(f"Docker {facts.docker}  Compose {facts.compose or '-'}", "dim"))
    yield line(Cell(f"seen {age(now - facts.at)} ago, in {facts.took:.1f} s", "dim"))
