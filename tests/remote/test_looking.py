"""The runner of a read-only console cannot be made to change anything."""

import pytest

from clavel_tui.remote import Query, Target
from clavel_tui.remote.effects import Effect, Mutation, OnLine, Result
from clavel_tui.remote.looking import LookingRunner

H1 = Target("h1", "h1")


class Deaf:
    """Takes everything, and keeps what it took."""

    def __init__(self) -> None:
        self.took: list[Effect] = []

    async def query(self, target: Target, query: Query, on_line: OnLine | None = None) -> Result:
        self.took.append(query)
        return Result(0, target.name, "")

    async def converse(self, target: Target, query: Query, word: str, end: str) -> tuple[list[str], bool]:
        self.took.append(query)
        return [target.name, word, end], True

    async def mutate(self, target: Target, mutation: Mutation, on_line: OnLine | None = None) -> Result:
        self.took.append(mutation)
        return Result(0, "", "")

    async def forget(self, target: Target) -> None: ...

    async def close(self) -> None: ...


async def test_queries_pass() -> None:
    runner = LookingRunner(Deaf())
    assert (await runner.query(H1, Query.script("look", "true"))).out == "h1"
    assert await runner.converse(H1, Query.script("look", "true"), "a", "b") == (["h1", "a", "b"], True)


async def test_a_mutation_goes_nowhere_whatever_it_is_called() -> None:
    class Disguised(Query):
        """A subclass might carry anything."""

    deaf = Deaf()
    runner = LookingRunner(deaf)
    assert not hasattr(runner, "mutate")
    for effect in (Mutation.script("x", "reboot"), Disguised.script("x", "reboot")):
        with pytest.raises(TypeError):
            await runner.query(H1, effect)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            await runner.converse(H1, effect, "a", "b")  # type: ignore[arg-type]
    assert deaf.took == []
