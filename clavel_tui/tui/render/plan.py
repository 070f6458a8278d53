"""A preview: the units, the exact commands, images and files as they would change, and what is not rolled back."""

from __future__ import annotations

from collections.abc import Iterator

from clavel_tui.domain.operation import FileChange, Plan
from clavel_tui.tui.render.cells import Cell, Line, line
from clavel_tui.tui.render.systems import system_lines


def plan_lines(plan: Plan) -> list[Line]:
    """The whole preview, the most telling first."""
    if plan.when_back:
        return [
            line(Cell("… away", "away"), f"  {plan.refusal}"),
            line(""),
            line(Cell(plan.when_back.sentence, "head"), " can wait until the unit is back:"),
            line("a console that is open deploys it then, without asking again; c takes it out of the queue."),
        ]
    if plan.refusal:
        return [line(Cell("✗ refused", "bad")), line(plan.refusal)]
    return [
        *system_lines(plan),
        *_images(plan),
        *(text for file in plan.files for text in _file(file)),
        *_commands(plan),
        *_notes(plan),
    ]


def _images(plan: Plan) -> Iterator[Line]:
    if plan.release and not plan.system and not plan.pull:
        yield line(Cell("to release ", "dim"), Cell(plan.release, "head"))
    for image in plan.images:
        changes = bool(image.after) and image.after != image.before
        after = Cell(f" → {image.after}", "warn") if changes else Cell("")
        yield line(f"{image.service:<18} ", Cell(image.before or "none", "dim"), after, Cell(f"  {image.note}", "dim"))


def _file(file: FileChange) -> Iterator[Line]:
    yield line("")
    yield line(
        Cell({"new": "+ ", "removed": "- ", "changed": "± "}[file.kind], "warn"),
        Cell(f"{file.path}", "head"),
        Cell(f"  {file.kind}", "dim"),
    )
    for text in file.diff:
        role = "ok" if text.startswith("+") else "bad" if text.startswith("-") else "dim"
        yield line(Cell(f"  {text}", role))


def _commands(plan: Plan) -> Iterator[Line]:
    if plan.commands:
        yield line("")
        where = "at claveld, and then by the unit's own agent:" if plan.pull else "as a job that outlives this console:"
        yield line(Cell(where if plan.pull else f"on {plan.request.unit}, {where}", "dim"))
    for command in plan.commands:
        yield line(f"$ {command}")


def _notes(plan: Plan) -> Iterator[Line]:
    if plan.notes:
        yield line("")
    for note in plan.notes:
        yield line(Cell(f"! {note}", "away"))
