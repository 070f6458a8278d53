"""What people tell claveld of Sources: one is added or taken out, stays at a revision that it had, or follows again.

A Source is code that will run on every machine of the fleet. So one is added on claveld's own machine alone, and over the
API an operator can do no more than bring back a revision that was evaluated here already.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from clavel_tui.domain import limits
from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.source import URL, Source, SourcePin, Trigger
from clavel_tui.domain.unit import NAME
from clavel_tui.history.sources import Sources


async def add(kept: Sources, of_files: Sequence[Source], source: Source) -> None:
    """It is evaluated from now on.

    Raises:
        RefusedError: fleet.toml has one of that name, it is there already, or it is no source.
    """
    if not re.fullmatch(NAME, source.name):
        raise RefusedError(f"{source.name} is no name of a source", "small letters, digits and hyphens, at most 63")
    if not re.fullmatch(URL, source.url):
        raise RefusedError(
            f"{source.url!r} is no flake reference", "such as git+https://example.org/fleet, github:ada/fleet, /srv/fleet"
        )
    if source.url.removeprefix("path:").startswith("."):
        raise RefusedError(f"{source.url} is a path from here, and claveld runs elsewhere", "say the whole path")
    if source.name in {one.name for one in of_files}:
        raise RefusedError(f"fleet.toml names a source {source.name} already", "change it there, or take another name")
    if source.on is Trigger.SCHEDULE and not source.every_minutes:
        raise RefusedError("a schedule wants to know how often", "say --every MINUTES")
    if not 0 <= source.every_minutes <= limits.MINUTES:
        raise RefusedError(f"every {source.every_minutes} minutes is no schedule", f"1 to {limits.MINUTES}, a week")
    await kept.add(source)


async def pin(kept: Sources, standing: Sequence[Source], name: str, revision: str, said: SourcePin) -> SourcePin:
    """Returns it with its revision: the one that was evaluated last, where none is said.

    Raises:
        RefusedError: there is no such source, or not just one evaluated revision that begins so.
    """
    must_know(standing, name)
    if not revision:
        last = await kept.last(name)
        if last is None or last.dirty or not last.revision:
            why = "was never evaluated" if last is None else "has no revision: it is a folder, or a dirty tree"
            raise RefusedError(f"{name} {why}", "say one that was evaluated")
        revision = last.revision
    found = await kept.revisions(name, revision)
    if len(found) != 1:
        raise RefusedError(
            f"{'more than one' if found else 'no'} evaluated revision of {name} begins with {revision}",
            "`claveld deployments` lists them",
        )
    ((whole, url),) = found.items()
    made = said.model_copy(update={"revision": whole, "url": url})
    await kept.pin(name, made)
    return made


async def unpin(kept: Sources, standing: Sequence[Source], name: str, operator: str) -> None:
    """It follows its reference again.

    Raises:
        RefusedError: there is no such source, or it is not pinned.
    """
    must_know(standing, name)
    await kept.unpin(name, operator)


def must_know(standing: Sequence[Source], name: str) -> None:
    """Raises RefusedError: it is none of them."""
    if name not in {one.name for one in standing}:
        known = ", ".join(one.name for one in standing)
        raise RefusedError(f"there is no source {name}", f"its sources are: {known}" if known else "it has none")
