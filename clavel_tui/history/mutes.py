"""What was acknowledged, in the journal: shared by all consoles of this workstation."""

from __future__ import annotations

from collections.abc import Sequence

from clavel_tui.domain.mute import Mute
from clavel_tui.store import Database


class Mutes:
    """The table of acknowledgements."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def all(self) -> dict[str, tuple[Mute, ...]]:
        """By unit."""
        found: dict[str, list[Mute]] = {}
        for unit, code, text, until, at, operator in await self._db.rows("SELECT * FROM mutes ORDER BY at"):
            found.setdefault(unit, []).append(Mute(unit=unit, code=code, text=text, until=until, at=at, operator=operator))
        return {unit: tuple(mutes) for unit, mutes in found.items()}

    async def add(self, mute: Mute) -> None:
        """Again with another end: the later word counts."""
        row = (mute.unit, mute.code, mute.text, mute.until, mute.at, mute.operator)
        async with self._db.transaction() as write:
            await write.execute("INSERT OR REPLACE INTO mutes VALUES (?,?,?,?,?,?)", row)

    async def remove(self, mutes: Sequence[Mute]) -> None:
        """They alarm again."""
        async with self._db.transaction() as write:
            keys = [(m.unit, m.code, m.text) for m in mutes]
            await write.executemany("DELETE FROM mutes WHERE unit=? AND code=? AND text=?", keys)
