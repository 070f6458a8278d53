"""The `/` filter: words and typed selectors such as ``tag:pi health:degraded``; all of them must hold."""

from __future__ import annotations

from clavel_tui.domain.drift import Drift
from clavel_tui.domain.health import Health
from clavel_tui.domain.unit import Unit

KINDS = ("tag", "role", "type", "stack", "health", "drift", "name")


def matches(text: str, unit: Unit, health: Health, drift: tuple[Drift, ...]) -> bool:
    """Whether the unit is meant by the filter. An empty filter means all; an unknown kind is a plain word."""
    return all(_holds(word.lower(), unit, health, drift) for word in text.split())


def _holds(word: str, unit: Unit, health: Health, drift: tuple[Drift, ...]) -> bool:
    inverse = word.startswith("!")
    kind, colon, value = word.removeprefix("!").partition(":")
    if not colon or kind not in KINDS:
        kind, value = "any", word.removeprefix("!")
    return _one(kind, value, unit, health, drift) is not inverse


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
            return any(value in text for text in _lower((unit.name, *unit.tags, *unit.roles, *(s.name for s in unit.stacks))))


def _lower(words: tuple[str, ...]) -> list[str]:
    """Tags and roles may be written with capitals; a filter is typed without them."""
    return [word.lower() for word in words]
