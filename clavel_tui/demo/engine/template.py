"""The part of Go's templates that ``--format`` is used with: fields, index, json, and, or, not, eq, println, if, range."""

from __future__ import annotations

from .store import EngineError, to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    Node = tuple[Any, ...]


def render(text: str, value: object) -> str:
    """The text with its actions carried out on ``value``.

    Raises:
        EngineError: a field that is not there, or an action that is not known.
    """
    nodes, _ = _parse(_pieces(text), 0)
    return _run(nodes, value, value)


def _pieces(text: str) -> list[tuple[str, str]]:
    first, *rest = text.split("{{")
    pieces = [("text", first)]
    for part in rest:
        action, _, after = part.partition("}}")
        pieces += [("do", action.strip()), ("text", after)]
    return pieces


def _parse(pieces: Sequence[tuple[str, str]], at: int) -> tuple[list[Node], int]:
    """Nodes up to the ``end`` or ``else`` that closes them; the index of that piece."""
    nodes: list[Node] = []
    while at < len(pieces):
        kind, text = pieces[at]
        word, _, rest = text.partition(" ")
        if kind == "text":
            nodes.append(("text", text))
        elif word in {"if", "range"}:
            body, at = _parse(pieces, at + 1)
            other: list[Node] = []
            if pieces[at][1] == "else":
                other, at = _parse(pieces, at + 1)
            nodes.append((word, _words(rest), body, other))
        elif word in {"end", "else"}:
            return nodes, at
        else:
            nodes.append(("out", _words(text)))
        at += 1
    return nodes, at


def _run(nodes: Sequence[Node], dot: object, root: object) -> str:
    out: list[str] = []
    for node in nodes:
        match node:
            case ("text", text):
                out.append(text)
            case ("out", words):
                out.append(_said(_value(words, dot, root)))
            case ("if", words, body, other):
                out.append(_run(body if _value(words, dot, root) else other, dot, root))
            case ("range", words, body, other):
                items = _value(words, dot, root) or ()
                out.append("".join(_run(body, item, root) for item in items) or _run(other, dot, root))
    return "".join(out)


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "<no value>" if value is None else str(value)


def _words(text: str) -> list[Any]:
    """Words, strings and bracketed lists of words."""
    stack: list[list[Any]] = [[]]
    at = 0
    while at < len(text):
        char = text[at]
        if char == '"':
            end = text.index('"', at + 1)
            stack[-1].append(("string", text[at + 1 : end]))
            at = end
        elif char == "(":
            stack.append([])
        elif char == ")":
            stack[-2].append(stack.pop())
        elif char != " ":
            end = at
            while end < len(text) and text[end] not in ' ()"':
                end += 1
            stack[-1].append(text[at:end])
            at = end - 1
        at += 1
    return stack[0]


def _value(words: Sequence[Any], dot: object, root: object) -> Any:  # noqa: ANN401  whatever the field holds
    head, *rest = words
    if isinstance(head, str) and not head.startswith((".", "$")):
        return _call(head, [_term(word, dot, root) for word in rest])
    return _term(head, dot, root)


def _term(word: Any, dot: object, root: object) -> Any:  # noqa: ANN401
    match word:
        case list():
            return _value(word, dot, root)
        case ("string", text):
            return text
        case ".":
            return dot
    value: Any = root if word.startswith("$") else dot
    for name in word.removeprefix("$").removeprefix(".").split("."):
        if not isinstance(value, dict) or name not in value:
            raise EngineError(f"template parsing error: template: :1: can't evaluate field {name}")
        value = value[name]
    return value


def _call(name: str, args: list[Any]) -> Any:  # noqa: ANN401
    match name, args:
        case "json", [value]:
            return to_json(value)
        case "println", [value]:
            return f"{_said(value)}\n"
        case "index", [value, key]:
            return (value or {}).get(key, "")
        case "or", [*values]:
            return next((v for v in values if v), values[-1])
        case "and", [*values]:
            return next((v for v in values if not v), values[-1])
        case "not", [value]:
            return not value
        case "eq", [one, other]:
            return one == other
    raise EngineError(f'template parsing error: template: :1: function "{name}" not defined')
