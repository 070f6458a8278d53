"""The one seam through which effects pass. A console in read-only mode is handed a QueryRunner and nothing else."""

from __future__ import annotations

from typing import Protocol

from clavel_tui.remote.effects import Mutation, OnLine, Query, Result
from clavel_tui.remote.target import Target


class QueryRunner(Protocol):
    """Looks at units. All methods raise RemoteError when the unit could not be asked."""

    async def query(self, target: Target, query: Query, on_line: OnLine | None = None) -> Result:
        """Runs a query; ``on_line`` is called with each line of its stdout as it comes."""
        ...

    async def converse(self, target: Target, query: Query, word: str, end: str) -> tuple[list[str], bool]:
        """Asks a resident script (started once, kept warm) and returns its lines up to ``end``, and whether that came."""
        ...

    async def forget(self, target: Target) -> None:
        """Closes the warm connection and its back-off, so that the next effect makes a new one."""
        ...

    def wanted(self, target: Target) -> None:
        """A person wants the unit now: what nobody answered before is asked once more."""
        ...

    async def close(self) -> None:
        """Closes every connection."""
        ...


class Runner(QueryRunner, Protocol):
    """Looks, and changes."""

    async def mutate(self, target: Target, mutation: Mutation, on_line: OnLine | None = None) -> Result:
        """Runs a mutation. RemoteError.uncertain tells that it may have run."""
        ...
