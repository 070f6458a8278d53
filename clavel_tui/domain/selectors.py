"""The `/` filter: words and typed selectors such as ``tag:pi health:degraded``; all of them must hold."""

from __future__ import annotations

from typing import NamedTuple

from clavel_tui.domain.drift import Drift
from clavel_tui.domain.health import Health
from clavel_tui.domain.unit import Unit

KINDS = ("tag", "role", "type", "stack", "health", "drift", "name")


class Term(NamedTuple):
    """One word of a filter: what it is about, what it asks for, and whether the opposite is wanted."""

    kind: str
    value: str
    inverse: bool


def parse(text: str) -> tuple[Term, ...]:
    """The words of a filter. An unknown kind is a plain word."""
    return tuple(_term(word.lower()) for word in text.split())


def _term(word: str) -> Term:
    bare = word.removeprefix("!")
    kind, colon, value = bare.partition(":")
    return Term(kind, value, word != bare) if colon and kind in KINDS else Term("any", bare, word != bare)


def matches(terms: tuple[Term, ...], unit: Unit, health: Health, drift: tuple[Drift, ...]) -> bool:
    """Whether the unit is meant by the filter: all of its words must hold, and no word means every unit."""
    return all(_one(kind, value, unit, health, drift) is not inverse for kind, value, inverse in terms)


def _one(kind: str, value: str, unit: Unit, health: Health, drift: tuple[Drift, ...]) -> bool:
    match kind:
        case "tag":
            return value in _lower(unit.tags)
        case "role":
            return value in _lower(unit.roles)
        case "type":
            return unit.type.value == value
        case "stack":
            return any(value in s.name for s in unit.stacks)
        case "health":
            return health.level.value.startswith(value)
        case "drift":
            return bool(drift) is (value in {"yes", "y", "true"})
        case "name":
            return value in unit.name
        case _:
            return (
                value in unit.name
                or any(value in s.name for s in unit.stacks)
                or _part(value, unit.tags)
                or _part(value, unit.roles)
            )


def _part(value: str, words: tuple[str, ...]) -> bool:
    return any(value in word for word in _lower(words))


def _lower(words: tuple[str, ...]) -> list[str]:
    """Tags and roles may be written with capitals; a filter is typed without them."""
    return [word.lower() for word in words]
