"""The Runner that the wiring hands out: local for units whose address is ``local``, SSH for all others."""

from __future__ import annotations

from clavel_tui.remote.effects import Mutation, OnLine, Query, Result
from clavel_tui.remote.local import LocalRunner
from clavel_tui.remote.ssh import SshRunner
from clavel_tui.remote.target import LOCAL, Target


class EitherRunner:
    """Chooses by the target's address."""

    def __init__(self, ssh: SshRunner, local: LocalRunner) -> None:
        self._ssh = ssh
        self._local = local

    def _of(self, target: Target) -> SshRunner | LocalRunner:
        return self._local if target.address == LOCAL else self._ssh

    async def query(self, target: Target, query: Query, on_line: OnLine | None = None) -> Result:
        """See QueryRunner."""
        return await self._of(target).query(target, query, on_line)

    async def mutate(self, target: Target, mutation: Mutation, on_line: OnLine | None = None) -> Result:
        """See Runner."""
        return await self._of(target).mutate(target, mutation, on_line)

    async def converse(self, target: Target, query: Query, word: str, end: str) -> tuple[list[str], bool]:
        """See QueryRunner."""
        return await self._of(target).converse(target, query, word, end)

    async def forget(self, target: Target) -> None:
        """See QueryRunner."""
        await self._of(target).forget(target)

    def wanted(self, target: Target) -> None:
        """See QueryRunner."""
        self._of(target).wanted(target)

    async def close(self) -> None:
        """See QueryRunner."""
        await self._ssh.close()
