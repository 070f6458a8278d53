"""What the demo's engine of one unit knows, as one JSON file; and JSON without the json module.

``import json`` brings ``re`` with it: 12 ms of each call, more than all the rest. Its C scanner alone costs nothing.
"""

from __future__ import annotations

import fcntl
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Json = dict[str, Any]

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class _Plain:
    """What the C scanner asks of its decoder."""

    strict = False
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = None
    memo: dict[str, str] = {}  # noqa: RUF012  the scanner's own


def load_json(text: str) -> Any:  # noqa: ANN401  whatever was written
    """The value that a JSON text means."""
    try:
        from _json import make_scanner
    except ImportError:
        import json

        return json.loads(text)
    return make_scanner(_Plain())(text, 0)[0]  # type: ignore[arg-type]


def to_json(value: object) -> str:
    """As Go's ``json`` writes it: no blanks."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return f'"{"".join(_ESCAPES.get(c) or (c if c >= " " else f"{chr(92)}u{ord(c):04x}") for c in value)}"'
        case dict():
            return "{" + ",".join(f"{to_json(str(k))}:{to_json(v)}" for k, v in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(to_json(v) for v in value) + "]"
    raise TypeError(value)


class EngineError(Exception):
    """What the command says on stderr before it ends with ``code``."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


class Store:
    """One unit's images, tags and containers. Readers take no lock: the file is replaced as a whole."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.folder = f"{root}/var/lib/docker"
        self._file = f"{self.folder}/engine.json"
        self._lock: int | None = None
        self.state: Json = {}
        self.read()

    def read(self) -> None:
        """As it is on the disk now.

        Raises:
            EngineError: there is no engine.
        """
        try:
            with open(self._file, encoding="utf-8") as file:  # noqa: PTH123  pathlib costs 8 ms a call
                self.state = load_json(file.read())
        except OSError as error:
            text = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
            raise EngineError(text) from error

    def __enter__(self) -> Json:
        """The state, to be changed; nobody else changes it meanwhile."""
        self._lock = os.open(f"{self.folder}/lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.read()
        return self.state

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Writes what was changed, unless something went wrong."""
        if kind is None:
            write_state(self._file, self.state)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def images(self) -> dict[str, Json]:
        """By id."""
        found: dict[str, Json] = self.state["images"]
        return found

    @property
    def tags(self) -> dict[str, str]:
        """Reference → image id."""
        found: dict[str, str] = self.state["tags"]
        return found

    @property
    def containers(self) -> dict[str, Json]:
        """By id, oldest first."""
        found: dict[str, Json] = self.state["containers"]
        return found

    def image_id(self, said: str) -> str | None:
        """The image that a tag, a digest, an id or the beginning of an id names."""
        if said in self.tags:
            return self.tags[said]
        if f"{said}:latest" in self.tags:
            return self.tags[f"{said}:latest"]
        bare = said.removeprefix("sha256:")
        for ident, image in self.images.items():
            if said in image["digests"] or (len(bare) >= 6 and ident.removeprefix("sha256:").startswith(bare)):  # noqa: PLR2004
                return ident
        return None

    def container_id(self, said: str) -> str | None:
        """The container of that name or id."""
        for ident, container in self.containers.items():
            if container["name"] == said.removeprefix("/") or (len(said) >= 6 and ident.startswith(said)):  # noqa: PLR2004
                return ident
        return None

    def of_project(self, project: str) -> Iterator[tuple[str, Json]]:
        """The containers of one Compose project."""
        for ident, container in list(self.containers.items()):
            if container["labels"].get("com.docker.compose.project") == project:
                yield ident, container


def write_state(file: str, state: Json) -> None:
    """Replaces the file as a whole."""
    with open(f"{file}.new", "w", encoding="utf-8") as out:  # noqa: PTH123
        out.write(to_json(state))
    os.replace(f"{file}.new", file)  # noqa: PTH105
