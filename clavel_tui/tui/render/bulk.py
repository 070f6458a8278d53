"""The preview of one thing done to many stacks: a line each, what cannot be done first, then the commands that all share."""

from __future__ import annotations

from collections.abc import Sequence

from clavel_tui.domain.operation import Plan
from clavel_tui.domain.system import SystemPlan, base
from clavel_tui.domain.text import size
from clavel_tui.tui.render.cells import Cell, Line, line


def bulk_lines(plans: Sequence[Plan], left_out: Sequence[str]) -> list[Line]:
    """``left_out``: sentences about marked stacks for which nothing is planned."""
    possible = [plan for plan in plans if not plan.refusal]
    refused = [line(Cell(f"✗ {_name(p)}", "bad"), Cell(f"  {p.refusal}", "dim")) for p in plans if p.refusal]
    away = [line(Cell(f"· {text}", "warn")) for text in left_out]
    well = [line(Cell("✓ ", "ok"), Cell(_name(p), "head"), Cell(f"  {_what(p)}", "dim")) for p in possible]
    notes = dict.fromkeys(note for plan in possible for note in plan.notes)
    commands = dict.fromkeys(command for plan in possible for command in plan.commands)
    return [
        *refused,
        *away,
        *well,
        line(""),
        *(line(Cell(f"▲ {note}", "warn")) for note in notes),
        line(Cell("on each of them, as jobs that outlive this console:", "dim")) if possible else line(""),
        *(line(f"  $ {command}") for command in commands),
    ]


def _name(plan: Plan) -> str:
    return f"{plan.request.unit} {plan.request.stack}".strip()


def _what(plan: Plan) -> str:
    if plan.system:
        return _system(plan.system)
    images = [
        f"{one.service}: {one.before or 'nothing'} → {one.after or one.note}" for one in plan.images if one.before != one.after
    ]
    files = f"{len(plan.files)} file{'s' * (len(plan.files) != 1)} change" if plan.files else ""
    release = f"to release {plan.release}" if plan.release else ""
    return "; ".join(part for part in (release, *images, files) if part) or "as it is"


def _system(system: SystemPlan) -> str:
    parts = [f"{base(system.current)} → {system.label}"]
    if system.away:
        parts.append("to be built and copied (p)" if system.build else f"{size(system.copy_bytes)} to {system.delivery.verb} (p)")
    if system.diff:
        parts.extend(f"{count} {kind}" for kind, count in system.diff.counts.items())
    restarts = sum(service.verb in {"restart", "stop"} for service in system.services)
    parts += [f"{restarts} service{'s' * (restarts != 1)} restarted or stopped"] if restarts else []
    return "; ".join([*parts, *(["a reboot would be due"] if system.reboot else [])])
