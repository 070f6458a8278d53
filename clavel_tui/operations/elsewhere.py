"""Whether a Source that is no folder of this machine differs from what was evaluated last: looked at without an operation."""

from __future__ import annotations

from clavel_tui.domain.source import Lock, Source
from clavel_tui.history import JournalError
from clavel_tui.inventory.watching import local_folder
from clavel_tui.nix import NixError
from clavel_tui.operations.parts import Parts


class Elsewhere:
    """Asked each time that somebody would look: a journal with an evaluation a minute of what has not changed tells nothing."""

    def __init__(self, parts: Parts, source: Source) -> None:
        self._parts = parts
        self._source = source
        self._told: Lock | None = None
        self._trouble = ""

    async def worth_evaluating(self) -> bool:
        """It changed, or cannot be looked at any more, or again: an evaluation then says so in the journal."""
        evaluator = self._parts.evaluator
        if evaluator is None or local_folder(self._source.reference):
            return True
        before = self._trouble
        try:
            lock = await evaluator.lock(self._source.reference)
            known = (await self._parts.deployments.sources()).get(self._source.name)
        except (NixError, JournalError) as error:
            self._trouble = error.text
            return not before
        self._trouble = ""
        if not before and any(_same(lock, one) for one in (self._told, known[1].lock if known else None)):
            return False
        self._told = lock
        return True


def _same(lock: Lock, known: Lock | None) -> bool:
    return known is not None and (lock.nar_hash, lock.revision) == (known.nar_hash, known.revision)
