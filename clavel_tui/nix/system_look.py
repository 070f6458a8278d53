"""What a preview reads of a closure that is on the unit. A query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clavel_tui.domain.text import clean
from clavel_tui.remote.effects import Query
from clavel_tui.remote.runner import QueryRunner
from clavel_tui.remote.target import Target
from clavel_tui.unit import script


@dataclass(frozen=True)
class Look:
    """What a closure means for the unit that it lies on.

    ``due``: parts that are not those that the unit was booted with; ``inhibitors``: why it cannot be activated live;
    ``secrets``: keys that it looks for and that are not there.
    """

    due: tuple[str, ...] = ()
    inhibitors: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()

    @property
    def why_reboot(self) -> str:
        """Why a reboot would be due, or nothing."""
        if self.inhibitors:
            return f"it cannot be activated while the unit runs: {'; '.join(self.inhibitors[:4])}"
        return f"another {', '.join(self.due)}" if self.due else ""


async def look(runner: QueryRunner, target: Target, path: str, secrets: Sequence[str] = ()) -> Look:
    """``secrets``: files that it needs beside those that it names itself.

    Raises:
        RemoteError: the unit could not be asked.
    """
    lines: list[str] = []
    query = Query.script("system_look", look_text(), path, *secrets)
    await runner.query(target, query, lines.append)
    rows = [line.partition("\t")[::2] for line in lines]
    return Look(
        due=tuple(clean(value, 80) for key, value in rows if key == "due"),
        inhibitors=tuple(clean(value, 200) for key, value in rows if key == "inhibitor"),
        secrets=tuple(clean(value, 300) for key, value in rows if key == "secret"),
    )


def look_text() -> str:
    """The script of the look."""
    return script("lib.sh") + script("secrets.sh") + script("system_look.sh")
