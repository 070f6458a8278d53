"""A Stack as a person sees it: what should be, what runs, its releases, and whether it is held."""

from __future__ import annotations

from pydantic import Field

from clavel_tui.domain.facts import Container, Facts, StackState
from clavel_tui.domain.model import Model
from clavel_tui.domain.release import Held, Release, last_known_good
from clavel_tui.domain.unit import Stack, Unit


class StackView(Model):
    """One stack of one unit, joined from the fleet's files and the unit's facts."""

    unit: str
    name: str
    declared: Stack | None = None
    path: str = ""
    containers: tuple[Container, ...] = ()
    held: Held | None = None
    releases: tuple[Release, ...] = ()
    """Newest first."""
    missing: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Services whose image is gone, by release: such a release is not restorable here."""
    running: str | None = None
    """The release that runs now, where what runs is recorded."""
    good: str | None = None
    """The last known good release: what `r` offers first. None where there is none that could be restored."""

    def release(self, ident: str) -> Release | None:
        """The release of that id, or the only one whose id begins so."""
        found = [r for r in self.releases if r.id.startswith(ident)]
        return found[0] if len(found) == 1 else None

    @property
    def services(self) -> tuple[str, ...]:
        """Names of the services that have a container."""
        return tuple(sorted({c.service for c in self.containers}))


def stack_views(unit: Unit, facts: Facts | None) -> tuple[StackView, ...]:
    """Every stack of the unit: declared ones first, then projects that only the unit knows."""
    if facts is None:
        return tuple(StackView(unit=unit.name, name=s.name, declared=s, path=s.path) for s in unit.stacks)
    grouped: dict[str, list[Container]] = {}
    for container in facts.containers:
        grouped.setdefault(container.project, []).append(container)
    left = {project: tuple(containers) for project, containers in grouped.items()}
    present, views = frozenset(facts.image_ids), []
    for stack in unit.stacks:
        project = _project_of(stack, left)
        views.append(_view(unit, stack.name, stack, left.pop(project, ()) if project else (), facts, present))
    views.extend(_view(unit, project, None, containers, facts, present) for project, containers in sorted(left.items()))
    return tuple(views)


def _project_of(stack: Stack, projects: dict[str, tuple[Container, ...]]) -> str | None:
    """A project belongs to the stack whose folder it was started in; its name may differ (``name:`` in the file)."""
    for project, containers in projects.items():
        if any(c.working_dir == stack.path for c in containers):
            return project
    return stack.name if stack.name in projects else None


def _view(
    unit: Unit, name: str, stack: Stack | None, containers: tuple[Container, ...], facts: Facts, present: frozenset[str]
) -> StackView:
    known = facts.stack(name) or StackState(name=name)
    releases = tuple(sorted(known.releases, key=lambda r: -r.seq))
    missing = {r.id: gone for r in releases if (gone := r.missing(present))}
    running = _running(releases, containers)
    good = last_known_good([r for r in releases if r.id not in missing], running)
    return StackView(
        unit=unit.name,
        name=name,
        declared=stack,
        path=stack.path if stack else next((c.working_dir for c in containers), ""),
        containers=containers,
        held=known.held,
        releases=releases,
        missing=missing,
        running=running,
        good=good.id if good else None,
    )


def _running(releases: tuple[Release, ...], containers: tuple[Container, ...]) -> str | None:
    """The newest release whose services run exactly the recorded images."""
    now = {(c.service, c.image) for c in containers}
    for release in releases:
        if now and {(s.service, s.image) for s in release.services} == now:
            return release.id
    return None
