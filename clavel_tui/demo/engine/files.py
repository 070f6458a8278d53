"""Compose files: as much of YAML as people write in small ones, with variables from ``.env``, and Compose's own complaints."""

from __future__ import annotations

import os

from .store import EngineError, to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]
    Line = tuple[int, int, str]

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_KEYS = {"name", "services", "volumes", "networks", "configs", "secrets", "version"}
_WORD = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"


def parse(text: str) -> Any:  # noqa: ANN401  whatever the file holds
    """The document of a YAML text: block mappings and lists, flow lists, plain and quoted scalars, comments.

    Raises:
        EngineError: with the line, as Compose says it.
    """
    lines = [(n, len(raw) - len(raw.lstrip(" ")), raw.strip()) for n, raw in enumerate(_stripped(text), 1) if raw.strip()]
    if not lines:
        raise EngineError("empty compose file")
    value, at = _block(lines, 0, lines[0][1])
    if at < len(lines):
        raise EngineError(f"yaml: line {lines[at][0]}: did not find expected key")
    return value


def _stripped(text: str) -> list[str]:
    out = []
    for n, line in enumerate(text.splitlines(), 1):
        if line[: len(line) - len(line.lstrip())].count("\t"):
            raise EngineError(f"yaml: line {n}: found character that cannot start any token")
        quote, end = "", len(line)
        for at, char in enumerate(line):
            if quote:
                quote = "" if char == quote else quote
            elif char in "\"'":
                quote = char
            elif char == "#" and (at == 0 or line[at - 1] == " "):
                end = at
                break
        out.append(line[:end].rstrip())
    return out


def _block(lines: list[Line], at: int, indent: int) -> tuple[Any, int]:
    if lines[at][2].startswith("- ") or lines[at][2] == "-":
        return _list(lines, at, indent)
    found: Json = {}
    while at < len(lines) and lines[at][1] == indent:
        number, _, text = lines[at]
        key, rest = _pair(text, number)
        at += 1
        if rest:
            found[key] = _scalar(rest, number)
        elif at < len(lines) and (lines[at][1] > indent or (lines[at][1] == indent and lines[at][2].startswith("- "))):
            found[key], at = _block(lines, at, lines[at][1])
        else:
            found[key] = None
    if at < len(lines) and lines[at][1] > indent:
        raise EngineError(f"yaml: line {lines[at][0]}: mapping values are not allowed in this context")
    return found, at


def _list(lines: list[Line], at: int, indent: int) -> tuple[list[Any], int]:
    found = []
    while at < len(lines) and lines[at][1] == indent and lines[at][2].startswith("- "):
        found.append(_scalar(lines[at][2][2:].strip(), lines[at][0]))
        at += 1
    return found, at


def _pair(text: str, number: int) -> tuple[str, str]:
    key, colon, rest = text.partition(":")
    if not colon or (rest and not rest.startswith(" ")):
        raise EngineError(f"yaml: line {number}: could not find expected ':'")
    return key.strip().strip("\"'"), rest.strip()


def _scalar(text: str, number: int) -> Any:  # noqa: ANN401
    if text.startswith("["):
        if not text.endswith("]"):
            raise EngineError(f"yaml: line {number}: did not find expected ',' or ']'")
        return [_scalar(part.strip(), number) for part in text[1:-1].split(",") if part.strip()]
    if text == "{}":
        return {}
    if text[0] in "\"'":
        if len(text) < 2 or text[-1] != text[0]:  # noqa: PLR2004
            raise EngineError(f"yaml: line {number}: found unexpected end of stream")
        return text[1:-1]
    if text[0] in "@`%&*!|>{":
        raise EngineError(f"yaml: line {number}: found character that cannot start any token")
    return {"true": True, "false": False, "null": None, "~": None}.get(text, text)


def dump(value: Any, indent: int = 0) -> str:  # noqa: ANN401
    """A document as ``docker compose config`` prints it: keys in order, two blanks a level."""
    pad = "  " * indent
    out = []
    for key in value:
        item = value[key]
        if isinstance(item, dict) and item:
            out.append(f"{pad}{key}:\n{dump(item, indent + 1)}")
        elif isinstance(item, list):
            out.append(f"{pad}{key}:\n" + "".join(f"{pad}  - {part}\n" for part in item))
        else:
            out.append(f"{pad}{key}: {item if isinstance(item, str) and item else to_json(item)}\n")
    return "".join(out)


class Project:
    """What Compose makes of the files of one folder."""

    def __init__(self, folder: str, said: list[str], environ: dict[str, str], name: str = "") -> None:
        self.folder = folder
        self.files = [f"{folder}/{name}" for name in said] or _found(folder)
        self._variables = {**_env_file(folder), **environ}
        document: Json = {}
        for file in self.files:
            document = _merged(document, self._read(file))
        self.services: dict[str, Json] = document.get("services") or {}
        if not self.services:
            raise EngineError("no service selected" if "services" in document else "empty compose file")
        self.name = str(name or environ.get("COMPOSE_PROJECT_NAME") or document.get("name") or _name(folder))
        self.volumes: Json = document.get("volumes") or {}

    def _read(self, file: str) -> Json:
        try:
            with open(file, encoding="utf-8") as text:  # noqa: PTH123
                document = parse(text.read())
        except OSError as error:
            raise EngineError(f"open {file}: no such file or directory") from error
        return _checked(file, _filled(document, self._variables))

    def config(self) -> str:
        """As ``docker compose config`` prints it."""
        services = {name: {**self.services[name], "networks": {"default": None}} for name in sorted(self.services)}
        volumes = {"volumes": {name: {"name": f"{self.name}_{name}"} for name in sorted(self.volumes)}} if self.volumes else {}
        networks = {"networks": {"default": {"name": f"{self.name}_default"}}}
        return dump({"name": self.name, "services": services, **networks, **volumes})


def _found(folder: str) -> list[str]:
    for name in NAMES:
        if os.path.isfile(f"{folder}/{name}"):  # noqa: PTH113
            base = f"{folder}/{name.rpartition('.')[0]}"
            return [f"{folder}/{name}", *[f for f in (f"{base}.override.yaml", f"{base}.override.yml") if os.path.isfile(f)]]  # noqa: PTH113
    raise EngineError("no configuration file provided: not found")


def _name(folder: str) -> str:
    base = folder.rstrip("/").rpartition("/")[2].lower()
    return "".join(c for c in base if c.isalnum() or c in "_-").lstrip("_-")


def _merged(one: Json, other: Json) -> Json:
    """A later file's mappings are joined with an earlier one's, key by key."""
    joined = dict(one)
    for key, value in other.items():
        mine = joined.get(key)
        joined[key] = _merged(mine, value) if isinstance(mine, dict) and isinstance(value, dict) else value
    return joined


def _checked(file: str, document: object) -> Json:
    if not isinstance(document, dict):
        raise EngineError(f"validating {file}: top-level object must be a mapping")
    for key in document:
        if key not in _KEYS and not key.startswith("x-"):
            raise EngineError(f"validating {file}: additional properties '{key}' not allowed")
    services = document.get("services") or {}
    if not isinstance(services, dict):
        raise EngineError(f"validating {file}: services must be a mapping")
    for name, service in services.items():
        if not isinstance(service, dict):
            raise EngineError(f"validating {file}: services.{name} must be a mapping")
        if "image" not in service:
            text = f'service "{name}" has neither an image nor a build context specified: invalid compose project'
            raise EngineError(text)
    return document


def _env_file(folder: str) -> dict[str, str]:
    try:
        with open(f"{folder}/.env", encoding="utf-8") as file:  # noqa: PTH123
            lines = [line.strip() for line in file if "=" in line and not line.lstrip().startswith("#")]
    except OSError:
        return {}
    return {key.strip(): value.strip().strip("\"'") for key, _, value in (line.partition("=") for line in lines)}


def _filled(value: Any, variables: dict[str, str]) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        return {key: _filled(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, variables) for item in value]
    return _interpolated(value, variables) if isinstance(value, str) and "$" in value else value


def _interpolated(text: str, variables: dict[str, str]) -> str:
    out, rest = "", text
    while "$" in rest:
        before, _, rest = rest.partition("$")
        out += before
        if rest.startswith("$"):
            out, rest = out + "$", rest[1:]
        elif rest.startswith("{") and "}" in rest:
            inside, _, rest = rest[1:].partition("}")
            name, _, default = inside.partition(":-")
            out += variables.get(name) or default
        else:
            end = next((n for n, char in enumerate(rest) if char not in _WORD), len(rest))
            out, rest = out + variables.get(rest[:end], ""), rest[end:]
    return out + rest
