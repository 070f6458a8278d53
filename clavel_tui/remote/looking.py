"""The runner of a read-only console: it has no way to take a Mutation, so nothing above it can find one."""

from __future__ import annotations

from clavel_tui.remote.effects import OnLine, Query, Result
from clavel_tui.remote.runner import QueryRunner
from clavel_tui.remote.target import Target


class LookingRunner:
    """Passes queries on. What is no Query goes nowhere, whatever the caller's types say."""

    def __init__(self, runner: QueryRunner) -> None:
        self.__runner = runner

    async def query(self, target: Target, query: Query, on_line: OnLine | None = None) -> Result:
        """See QueryRunner."""
        return await self.__runner.query(target, _only(query), on_line)

    async def converse(self, target: Target, query: Query, word: str, end: str) -> tuple[list[str], bool]:
        """See QueryRunner."""
        return await self.__runner.converse(target, _only(query), word, end)

    async def forget(self, target: Target) -> None:
        """See QueryRunner."""
        await self.__runner.forget(target)

    def wanted(self, target: Target) -> None:
        """See QueryRunner."""
        self.__runner.wanted(target)

    async def close(self) -> None:
        """See QueryRunner."""
        await self.__runner.close()


def _only(query: Query) -> Query:
    if type(query) is not Query:
        raise TypeError(f"a read-only runner was handed a {type(query).__name__}")
    return query
