"""Drift: what runs is not what should run, with the difference. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from clavel_tui.domain.deployment import Head
from clavel_tui.domain.facts import Facts
from clavel_tui.domain.model import Model
from clavel_tui.domain.stackview import StackView, stack_views
from clavel_tui.domain.unit import Unit


class Drift(Model):
    """One difference: ``code`` is stable, ``text`` a sentence."""

    code: str
    stack: str = ""
    text: str


def drifts(unit: Unit, facts: Facts | None, wanted: Mapping[str, tuple[str, ...]], head: Head | None = None) -> tuple[Drift, ...]:
    """All differences of a unit. ``wanted``: by stack, the lines "kind hash path" of its folder in the repository."""
    if facts is None:
        return ()
    found: list[Drift] = []
    for view in stack_views(unit, facts):
        if view.declared:
            found.extend(_stack(view, facts, wanted.get(view.name, ())))
    if head and facts.current and facts.current != head.nar_id:
        found.append(Drift(code="deployment", text=_behind(facts.current, head)))
    if facts.current and facts.profile and facts.current != facts.profile:
        found.append(Drift(code="profile", text="the running system is not the one that its profile names"))
    if facts.reboot_due:
        # Any switch runs another system than was booted; only these parts of it need a reboot to be the new ones.
        found.append(Drift(code="booted", text=f"a reboot is due: its {', '.join(facts.reboot_due)} is not what was booted"))
    return tuple(found)


def _behind(current: str, head: Head) -> str:
    known = head.behind(current)
    if known is None:
        return f"runs {current.rpartition('/')[2][33:] or current}, which was never evaluated here; should run {head.short}"
    short, steps = known
    return f"{steps} evaluation{'s' * (steps != 1)} behind: runs {short}, should run {head.short}"


def _stack(view: StackView, facts: Facts, wanted: tuple[str, ...]) -> Iterator[Drift]:
    name = view.name
    if facts.docker in {"", "missing", "silent"}:
        return
    if not view.containers:
        yield Drift(code="not-running", stack=name, text=f"{name} is declared and does not run")
        return
    known = facts.stack(name)
    if wanted and known and known.files and set(wanted) != set(known.files):
        changed = sorted({line.split(" ", 2)[2].removeprefix("./") for line in set(wanted) ^ set(known.files)})
        yield Drift(code="files", stack=name, text=f"files of {name} differ from the repository: {', '.join(changed[:4])}")
    elif wanted and not (known and known.files):
        yield Drift(code="unmanaged", stack=name, text=f"{name} was not put there by clavel-tui: its files are not compared")
    if view.held:
        yield Drift(code="held", stack=name, text=f"{name} is HELD at release {view.held.release}")
    yield from _tags(view, facts)


def _tags(view: StackView, facts: Facts) -> Iterator[Drift]:
    by_tag = {tag: image.id for image in facts.images for tag in image.tags}
    for container in view.containers:
        named = by_tag.get(container.ref)
        if named and named != container.image:
            yield Drift(
                code="image",
                stack=view.name,
                text=f"{view.name}/{container.service} does not run the image that {container.ref} names here",
            )
