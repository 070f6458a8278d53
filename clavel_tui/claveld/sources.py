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

_WHOLE = re.compile(r"^(/|path:/|(?!path:)[a-z][a-z0-9+.-]*:(?!\.))")
"""What means the same from everywhere: no path from here, and no name of some registry."""


async def add(kept: Sources, of_files: Sequence[Source], source: Source) -> None:
    """It is evaluated from now on.

    Raises:
        RefusedError: fleet.toml has one of that name, it is there already, or it is no source.
    """
    if not re.fullmatch(NAME, source.name):
        raise RefusedError(f"{source.name} is no name of a source", "small letters, digits and hyphens, at most 63")
    if not (re.fullmatch(URL, source.url) and _WHOLE.match(source.url)):
        right = "the whole path, or such as git+https://example.org/fleet, github:ada/fleet"
        raise RefusedError(f"{source.url!r} is no flake reference that means the same from everywhere", right)
    if source.name in {one.name for one in of_files}:
        raise RefusedError(f"fleet.toml names a source {source.name} already", "change it there, or take another name")
    if (source.on is Trigger.SCHEDULE and not source.every_minutes) or (source.on is Trigger.REQUEST and source.every_minutes):
        wants = "wants to know how often" if source.on is Trigger.SCHEDULE else "is on no schedule"
        raise RefusedError(f"on {source.on} it {wants}", "say --on schedule and --every MINUTES")
    if not 0 <= source.every_minutes <= limits.MINUTES:
        raise RefusedError(f"every {source.every_minutes} minutes is no schedule", f"1 to {limits.MINUTES}, a week")
    await kept.add(source)


async def remove(kept: Sources, of_files: Sequence[Source], name: str, operator: str) -> None:
    """One that was added is evaluated no more.

    Raises:
        RefusedError: none of that name was.
    """
    await kept.remove(name, operator, still_named=name in {one.name for one in of_files})


async def pin(kept: Sources, standing: Sequence[Source], name: str, revision: str, said: SourcePin) -> SourcePin:
    """Returns it with its revision: the newest that has yielded something, where none is said.

    Raises:
        RefusedError: there is no such source, or not just one evaluated revision that begins so.
    """
    source = found_in(standing, name)
    found = await kept.revisions(source)
    if revision:
        meant = [one for one in found if one.startswith(revision)]
    elif source.pin:
        raise RefusedError(f"{name} stays at {source.pin.revision[:12]} already", "say another revision, or unpin it")
    else:
        last = await kept.last(source)
        meant = [*found][-1:] if last and last.revision and not last.dirty else []
    if len(meant) != 1:
        which = f"that begins with {revision}" if revision else "that is what it is now: it is dirty, a folder, or new"
        text = f"{'more than one' if meant else 'no'} evaluated revision of {name} {which}"
        raise RefusedError(text, "`claveld deployments` lists them")
    made = said.model_copy(update={"revision": meant[0], "url": found[meant[0]], "of": source.url})
    await kept.pin(name, made)
    return made


def found_in(standing: Sequence[Source], name: str) -> Source:
    """The one of that name.

    Raises:
        RefusedError: there is none.
    """
    for one in standing:
        if one.name == name:
            return one
    known = ", ".join(one.name for one in standing)
    raise RefusedError(f"there is no source {name}", f"its sources are: {known}" if known else "it has none")
