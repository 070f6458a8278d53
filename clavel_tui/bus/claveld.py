"""HTTP to a claveld, by the standard library's own client: an agent is to be small."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Self
from urllib.parse import urlsplit

from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.text import clean

CONNECT_S = 10.0
NOT_UNDERSTOOD = http.client.UNPROCESSABLE_ENTITY
"""As if it had refused: what answers there is no claveld, or one of another version."""
NOT_EVALUATED = http.client.NOT_FOUND
"""There is no such Deployment, yet."""
SLOWER = http.client.TOO_MANY_REQUESTS
WELL = frozenset({http.client.OK, http.client.ACCEPTED, http.client.NO_CONTENT, http.client.NOT_MODIFIED})
ANSWER_S = 20.0
"""For an answer that nobody has to wait for; added to what claveld is asked to wait."""
BODY_BYTES = 64 * 1024 * 1024
"""A thousand agents with their reports take some MiB."""
Said = tuple[int, http.client.HTTPMessage, bytes]
"""Status, headers and body."""


class ClaveldError(Exception):
    """``status`` is HTTP's; 0 where there was no answer at all."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status

    @property
    def refused(self) -> bool:
        """Asking the same again at once would not help."""
        return http.client.BAD_REQUEST <= self.status < http.client.INTERNAL_SERVER_ERROR and self.status != SLOWER

    @property
    def hopeless(self) -> bool:
        """Nor would it help later: what was sent is not taken."""
        return self.status in {http.client.FORBIDDEN, http.client.REQUEST_ENTITY_TOO_LARGE, http.client.UNPROCESSABLE_ENTITY}


class Claveld:
    """``token``: of whoever asks, read for each question: a new one needs no restart. ``who``: for claveld's log.

    ``ca``: a file of certificates to trust instead of the machine's.

    Raises:
        RefusedError: that file cannot be read.
    """

    def __init__(self, url: str, token: Callable[[], str], who: str, ca: str = "") -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port
        try:
            self._context = ssl.create_default_context(cafile=ca or None) if parts.scheme == "https" else None
        except OSError as error:  # an ssl.SSLError is one
            text = f"ca_file: {ca} cannot be read: {clean(str(error), 200)}"
            raise RefusedError(text, "name the file of the certificate that claveld shows, in PEM") from error
        self._prefix = parts.path.rstrip("/")
        self._token = token
        self._who = who
        self.url = url

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Self]:
        """As long as the block lasts it is reached. Over HTTP each question is a connection of its own."""
        yield self

    async def there(self) -> bool:
        """Whether it answers at all."""
        try:
            await self.asked("GET", "/healthz", None, {}, ANSWER_S / 4)
        except ClaveldError:
            return False
        return True

    async def asked(self, method: str, path: str, body: bytes | None, headers: dict[str, str], timeout: float) -> Said:
        """In a thread. Cancelled, its connection is cut: a thread that waits a minute would hold up the end of the agent."""
        connection = self._connection()
        try:
            return await asyncio.to_thread(self._ask, connection, method, path, body, headers, timeout)
        except asyncio.CancelledError:
            if connection.sock:
                with contextlib.suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)
            raise

    def _ask(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None, headers: dict[str, str],
        timeout: float,
    ) -> Said:  # fmt: skip
        try:
            try:
                connection.connect()
                connection.sock.settimeout(timeout)
                who = {"Authorization": f"Bearer {self._token()}", "User-Agent": self._who}
                connection.request(method, self._prefix + path, body, {**who, **headers})
                answer = connection.getresponse()
                said = answer.read(BODY_BYTES)
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            raise ClaveldError(f"{self.url} cannot be reached: {clean(str(error) or type(error).__name__, 200)}") from error
        if answer.status not in WELL:
            raise ClaveldError(f"{self.url} says {answer.status}: {detail(said)}", answer.status)
        return answer.status, answer.headers, said

    def _connection(self) -> http.client.HTTPConnection:
        if self._context:
            return http.client.HTTPSConnection(self._host, self._port, timeout=CONNECT_S, context=self._context)
        return http.client.HTTPConnection(self._host, self._port, timeout=CONNECT_S)


@contextlib.contextmanager
def as_refusal() -> Iterator[None]:
    """What claveld refuses, or that it is away, in the domain's words."""
    try:
        yield
    except ClaveldError as error:
        raise RefusedError(str(error)) from error


def detail(body: bytes) -> str:
    """What a problem says, and its hint."""
    try:
        said = json.loads(body)
        return clean("; ".join(part for part in (said["detail"], said.get("hint")) if part), 300)
    except (ValueError, KeyError, TypeError):
        return clean(body.decode(errors="replace"), 200) or "nothing more"
