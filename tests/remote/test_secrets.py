"""What is typed is asked once, by however many effects that need it, and never again by a look that comes by itself."""

import asyncio

from clavel_tui.remote.secrets import Secrets


class Person:
    """Answers what it is asked, in turn."""

    def __init__(self, *answers: str | None) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str]] = []

    async def __call__(self, unit: str, question: str) -> str | None:
        self.asked.append((unit, question))
        await asyncio.sleep(0)
        return self.answers.pop(0)


async def test_many_effects_of_one_unit_ask_once() -> None:
    person = Person("a", "b")
    secrets = Secrets(person)
    assert await asyncio.gather(*(secrets.password(unit) for unit in ("h1", "h1", "h2", "h1"))) == ["a", "a", "b", "a"]
    assert person.asked == [("h1", "sudo password on h1"), ("h2", "sudo password on h2")]


async def test_who_would_not_answer_is_asked_again_only_for_what_he_wants_himself() -> None:
    person = Person(None, None, "a")
    secrets = Secrets(person)
    assert [await secrets.password("h1") for _ in range(3)] == [None, None, None]
    assert len(person.asked) == 1
    secrets.ask_again("h1")
    assert await secrets.password("h1") is None
    secrets.ask_again("h1")
    assert await secrets.password("h1") == "a"
    assert len(person.asked) == 3


async def test_a_wrong_one_is_asked_anew() -> None:
    person = Person("wrong", "right")
    secrets = Secrets(person)
    assert await secrets.password("h1") == "wrong"
    secrets.forget("h1")
    assert await secrets.password("h1") == "right"


async def test_a_key_is_opened_once_for_all_units() -> None:
    person = Person("open", "again")
    secrets = Secrets(person)
    assert [await secrets.passphrase("/k", unit) for unit in ("h1", "h2")] == ["open", "open"]
    secrets.forget_key("/k")
    assert await secrets.passphrase("/k", "h2") == "again"
    assert person.asked == [("h1", "passphrase of /k"), ("h2", "passphrase of /k")]


async def test_nobody_to_ask() -> None:
    assert await Secrets().password("h1") is None
