"""What a verb is given: its arguments, and the doors that the wiring opens for it."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.unit import Fleet
from clavel_tui.fleet.client import FleetClient
from clavel_tui.fleet.newcomer import Newcomer


class Doors(Protocol):
    """Opened by the wiring, since a face knows neither files nor connections."""

    @property
    def read_only(self) -> str:
        """Who wants that nothing is changed; empty where changes are allowed."""
        ...

    def fleet(self) -> Fleet:
        """The fleet's files, read and checked.

        Raises:
            InventoryError: with everything that is wrong.
        """
        ...

    def files(self) -> Fleet:
        """The same, and never what a claveld elsewhere says of them."""
        ...

    def newcomer(self) -> AbstractAsyncContextManager[Newcomer]:
        """For hosts that no fleet knows yet."""
        ...

    def client(self, *, settle: bool = True) -> AbstractAsyncContextManager[FleetClient]:
        """A client for one command. ``settle``: what a crash left open is settled first."""
        ...


@dataclass(frozen=True)
class Context:
    """One run of one verb."""

    args: argparse.Namespace
    doors: Doors

    @property
    def json(self) -> bool:
        """Whether results are wanted as JSON."""
        return bool(getattr(self.args, "json", False))

    def refuse_read_only(self) -> None:
        """Said before anything is planned. Below, the wall stands by itself.

        Raises:
            RefusedError: nothing may be changed.
        """
        if self.doors.read_only:
            raise RefusedError(f"this console is read-only: {self.doors.read_only} says so")

    def chosen(self, fleet: Fleet) -> list[str]:
        """Names of the units that --unit and --tag mean; all where neither was said.

        Raises:
            RefusedError: a unit was named that is none, or none is named that has these tags.
        """
        said, tags = list(self.args.unit or ()), set(self.args.tag or ())
        refuse_unknown(said, fleet)
        names = [u.name for u in fleet.units if (not said or u.name in said) and tags <= set(u.tags)]
        if said and not names:
            raise RefusedError(f"no unit is meant: {', '.join(said)} has not the tag {', '.join(sorted(tags))}")
        return names


def refuse_unknown(said: Iterable[str], fleet: Fleet) -> None:
    """A name that is none is never passed over: who typed it meant something.

    Raises:
        RefusedError: with the nearest name that is one.
    """
    known = [unit.name for unit in fleet.units]
    if unknown := [name for name in said if name not in known]:
        near = difflib.get_close_matches(unknown[0], known, n=1)
        raise RefusedError(f"there is no unit {unknown[0]} in this fleet", f"did you mean {near[0]}?" if near else "")
