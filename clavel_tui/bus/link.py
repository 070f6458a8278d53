"""A connection to a NATS server, and the few things that we ask of it. The only place of nats-py.

What a reader has read he knows himself: there is no consumer on the server that a restart or a cut line could lose.
He is told by a plain subscription that there is something, and reads it by its number.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clavel_tui.bus.claveld import ClaveldError
from clavel_tui.domain.broker import Broker
from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.text import clean

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

ANSWER_S = 5.0
"""For an answer of the server itself."""
CONNECT_S = 10.0
RECONNECT_S = 1
PING_S, PINGS = 5, 2
"""A line that was cut without a word is known to be so within fifteen seconds, and not within six minutes."""
SILENT_S = 60.0
"""nats-py's longest step on its way back takes half of it. It says what went wrong at each."""
PENDING = 8 * 1024 * 1024
_SEQUENCE = "Nats-Sequence"


@dataclass(frozen=True)
class Message:
    """One message that the server keeps. ``seq``: its number in its stream; ``at``: when the server got it."""

    seq: int
    subject: str
    data: bytes
    at: float = 0.0


Heard = Callable[[str, bytes], Awaitable[None]]
Asked = Callable[[bytes], Awaitable[bytes]]


class OvertakenError(ClaveldError):
    """Somebody else has written there since it was read."""


class NobodyError(ClaveldError):
    """Nobody is there who would answer: nothing was done."""


class Link:
    """Connected anew by itself, however long the server was away. All that asks raises ClaveldError meanwhile."""

    def __init__(self, broker: Broker, who: str, inbox: str = "_INBOX") -> None:
        """``who``: shown by the server's own tools. ``inbox``: where answers come; see bus.permissions.

        Raises:
            RefusedError: a file that ``broker`` names cannot be read, or nats-py is not installed.
        """
        try:
            from nats.aio.client import Client
        except ModuleNotFoundError as error:
            raise RefusedError(f"{error.name} is not installed", "pip install 'clavel-tui[nats]'") from error
        self.broker = broker
        self._who = who
        self._make = Client
        self._client: Client = Client()
        self._options = {**_options(broker), "inbox_prefix": inbox}
        self._trouble = "not connected yet"
        self._connecting: asyncio.Task[None] | None = None
        self._back: list[Callable[[], object]] = []
        self._up = asyncio.Event()
        self._served: set[tuple[str, object]] = set()
        self._subscribed: list[tuple[str, str, Callable[[Msg], Awaitable[None]]]] = []
        self._ending = False
        self._heard = time.monotonic()
        """When nats-py called back last."""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Link]:
        """As long as the block lasts. Whether the server is there is seen when it is asked."""
        self._connecting = asyncio.create_task(self._connect())
        watching = asyncio.create_task(self._watch())
        try:
            yield self
        finally:
            self._ending = True
            tasks = (watching, self._connecting)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await _end(self._client)

    async def _connect(self) -> None:
        """Again where nats-py gives up by itself, which it does at a key that it cannot read."""
        while True:
            try:
                await self._connect_once()
            except Exception as error:  # noqa: BLE001  said by whatever is asked next
                await self._failed(error)
                await asyncio.sleep(CONNECT_S)
            else:
                await self._connected()
                return

    async def _closed(self) -> None:
        """nats-py gives up for good at most errors that a server says, such as credentials that have expired: begin anew."""
        if self._ending or self._connecting is None or not self._connecting.done():
            return
        self._begin_anew()

    async def _watch(self) -> None:
        """Its way back also ends without a word at an error that it did not think of: uvloop's of a write behind the end."""
        while True:
            await asyncio.sleep(RECONNECT_S)
            if self.connected:
                self._heard = time.monotonic()
            silent = time.monotonic() - self._heard > SILENT_S
            if silent and not self.connected and (self._connecting is None or self._connecting.done()):
                self._begin_anew()

    def _begin_anew(self) -> None:
        self._up.clear()
        self._trouble = self._trouble or "the connection was closed"
        before, self._client = self._client, self._make()
        self._connecting = asyncio.create_task(self._connect_soon(before))

    async def _connect_soon(self, before: Client) -> None:
        await _end(before)
        await asyncio.sleep(RECONNECT_S)
        await self._connect()

    async def _connect_once(self) -> None:
        await self._client.connect(
            servers=self.broker.url,
            name=self._who,
            error_cb=self._failed,
            disconnected_cb=self._lost,
            reconnected_cb=self._connected,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RECONNECT_S,
            connect_timeout=int(CONNECT_S),
            ping_interval=PING_S,
            max_outstanding_pings=PINGS,
            pending_size=PENDING,
            closed_cb=self._closed,
            **self._options,
        )
        for subject, queue, hear in self._subscribed:  # none, unless another client had them before
            await self._client.subscribe(subject, queue=queue, cb=hear)

    async def _failed(self, error: Exception) -> None:
        self._heard = time.monotonic()
        if isinstance(error, ConnectionResetError) and self._trouble.startswith("nats:"):
            return  # right behind what the server has said, which is why
        self._trouble = clean(str(error) or type(error).__name__, 200)

    async def _lost(self) -> None:
        self._heard = time.monotonic()
        self._trouble = "the connection was lost"
        self._up.clear()

    async def _connected(self) -> None:
        self._trouble = ""
        self._up.set()
        for hear in self._back:
            hear()

    def when_back(self, hear: Callable[[], object]) -> None:
        """Called behind each connection: what was told meanwhile was not heard."""
        self._back.append(hear)

    @property
    def connected(self) -> bool:
        """As far as is known."""
        return self._client.is_connected

    async def ready(self, timeout: float = CONNECT_S) -> None:
        """Returns when it is connected.

        Raises:
            ClaveldError: it is not, within ``timeout`` seconds.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._up.wait()
        self._there()

    def _there(self) -> Client:
        if not self.connected:
            raise ClaveldError(f"{self.broker.url} cannot be reached: {self._trouble}")
        return self._client

    async def _request(self, subject: str, data: bytes, timeout: float, headers: dict[str, str] | None = None) -> Msg:
        """nats-py waits with asyncio.wait_for, which up to Python 3.11 forgets a cancellation that comes with the answer."""
        found: Msg = await self._there().request(subject, data, timeout, headers=headers or None)
        task = asyncio.current_task()
        if task and task.cancelling():
            raise asyncio.CancelledError
        return found

    # ---- what the server keeps

    async def append(self, subject: str, data: bytes, ident: str = "", expected: int | None = None) -> int:
        """Has it kept, on disk, and returns its number. With ``ident`` once, however often it is sent within two minutes.

        ``expected``: the number of the last one of that subject, 0 where there is to be none.

        Raises:
            OvertakenError: that is another one.
            ClaveldError: no answer; it may be kept all the same.
        """
        headers = {"Nats-Msg-Id": ident} if ident else {}
        if expected is not None:
            headers["Nats-Expected-Last-Subject-Sequence"] = str(expected)
        with self._errors():
            said = json.loads((await self._request(subject, data, ANSWER_S, headers)).data)
        if error := said.get("error"):
            text = f"{self.broker.url} refuses {subject}: {clean(str(error.get('description')), 200)}"
            raise (OvertakenError if error.get("err_code") == _WRONG_LAST else ClaveldError)(text)
        return int(said["seq"])

    async def say(self, subject: str, data: bytes) -> None:
        """As the last word of that subject, if it comes through: nobody waits for an answer."""
        with self._errors():
            await self._there().publish(subject, data)

    async def last(self, stream: str, subject: str) -> Message | None:
        """What was kept last under that subject."""
        return await self._read(f"$JS.API.DIRECT.GET.{stream}.{subject}", b"")

    async def following(self, stream: str, seq: int) -> Message | None:
        """The first one whose number is greater than ``seq``."""
        return await self._read(f"$JS.API.DIRECT.GET.{stream}", json.dumps({"seq": seq + 1, "next_by_subj": ">"}).encode())

    async def _read(self, subject: str, asked: bytes) -> Message | None:
        with self._errors():
            found = await self._request(subject, asked, ANSWER_S)
        if message := _kept(found):
            return message
        headers = found.headers or {}
        if headers.get("Status") == "404":
            return None
        raise ClaveldError(f"{self.broker.url} refuses {subject}: {headers.get('Description', 'without a word')}")

    async def stream(
        self, name: str, subjects: list[str], settings: Mapping[str, Any]
    ) -> tuple[str, int]:  # fmt: skip
        """Made with those settings if it is not there; its description, and the number of its last message."""
        said = {"name": name, "subjects": subjects, "storage": "file", "allow_direct": True, **settings}
        found = await self._asked(f"STREAM.INFO.{name}", {})
        if found.get("error", {}).get("err_code") == _NO_STREAM:
            found = await self._asked(f"STREAM.CREATE.{name}", said)
            if found.get("error", {}).get("err_code") == _STREAM_EXISTS:  # another one was faster
                found = await self._asked(f"STREAM.INFO.{name}", {})
        if error := found.get("error"):
            raise ClaveldError(f"{self.broker.url} has no stream {name}: {clean(str(error.get('description')), 200)}")
        return str(found["config"].get("description", "")), int(found["state"]["last_seq"])

    async def _asked(self, what: str, said: dict[str, Any]) -> dict[str, Any]:
        with self._errors():
            found = await self._request(f"$JS.API.{what}", json.dumps(said).encode() if said else b"", ANSWER_S)
        answer: dict[str, Any] = json.loads(found.data)
        return answer

    # ---- who speaks to whom

    async def listen(self, subject: str, heard: Heard) -> None:
        """Has ``heard`` told every message of that subject, also behind a lost connection. Said again it is nothing."""

        async def hear(message: Msg) -> None:
            await heard(message.subject, message.data)

        await self._listen(subject, heard, hear)

    async def listen_kept(self, subject: str, heard: Callable[[Message], object]) -> None:
        """As ``listen``, for a subject where a stream passes on what it has kept. Other messages there are not heard."""

        async def hear(message: Msg) -> None:
            if found := _kept(message):
                heard(found)

        await self._listen(subject, heard, hear)

    async def _listen(self, subject: str, heard: object, hear: Callable[[Msg], Awaitable[None]]) -> None:
        if (subject, heard) in self._served:
            return
        with self._errors():
            await self._there().subscribe(subject, cb=hear)
        self._subscribed.append((subject, "", hear))
        self._served.add((subject, heard))

    async def serve(self, subject: str, queue: str, answer: Asked) -> None:
        """Answers what is asked there, as one of all who serve that queue. Many at a time. Said again it is nothing."""
        if (subject, answer) in self._served:
            return
        tasks: set[asyncio.Task[None]] = set()

        async def one(message: Msg) -> None:
            said = await answer(message.data)
            with contextlib.suppress(Exception):  # whoever asked, asks again
                await message.respond(said)

        async def hear(message: Msg) -> None:
            task = asyncio.create_task(one(message))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        with self._errors():
            await self._there().subscribe(subject, queue=queue, cb=hear)
        self._subscribed.append((subject, queue, hear))
        self._served.add((subject, answer))

    async def ask(self, subject: str, data: bytes, timeout: float) -> bytes:
        """What one of those who serve it answers."""
        with self._errors():
            found = await self._request(subject, data, timeout)
        return found.data

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        from nats.errors import Error, NoRespondersError

        try:
            yield
        except NoRespondersError as error:
            raise NobodyError(f"{self.broker.url} is there, and no claveld answers") from error
        except TimeoutError as error:
            text = self._trouble or "no answer"
            raise ClaveldError(f"{self.broker.url} cannot be reached: {text}") from error
        except (Error, OSError, ValueError, KeyError) as error:
            raise ClaveldError(f"{self.broker.url}: {clean(str(error) or type(error).__name__, 200)}") from error


async def _end(client: Client) -> None:
    """Nothing of it is lost: what has to be kept was acknowledged."""
    try:
        async with asyncio.timeout(ANSWER_S):
            await client.close()
    except asyncio.CancelledError:  # also of a future that another one of its tasks was waiting for
        task = asyncio.current_task()
        if task and task.cancelling():
            raise
    except Exception as error:  # noqa: BLE001
        logging.getLogger(__name__).debug("a connection did not end well: %s", error)


_NO_STREAM, _STREAM_EXISTS, _WRONG_LAST = 10059, 10058, 10071
"""Numbers of errors, as the server's own list has them."""


def _options(broker: Broker) -> dict[str, Any]:
    """What proves who we are, as nats-py takes it. Read once, now: it would say later, and less clearly, what is missing."""
    options: dict[str, Any] = {}
    for key in ("nkey_file", "credentials_file", "ca_file"):
        if file := getattr(broker, key):
            try:
                Path(file).read_bytes()
            except OSError as error:
                raise RefusedError(f"nats.{key}: {file} cannot be read: {error.strerror}", "name one that can") from error
    if broker.nkey_file:
        options["nkeys_seed"] = broker.nkey_file
    if broker.credentials_file:
        options["user_credentials"] = broker.credentials_file
    if broker.url.startswith("tls:"):
        # asyncio says so of every connection that became TLS when it was open already; nobody can do anything about it.
        logging.getLogger("asyncio").addFilter(lambda line: "eof_received() has no effect" not in line.getMessage())
        try:
            options["tls"] = ssl.create_default_context(cafile=broker.ca_file or None)
        except OSError as error:
            raise RefusedError(f"nats.ca_file: {broker.ca_file}: {error}", "name a certificate in PEM") from error
    return options


def _kept(found: Msg) -> Message | None:
    """None: it does not come from what a stream keeps."""
    headers = found.headers or {}
    if _SEQUENCE not in headers:
        return None
    at = headers.get("Nats-Time-Stamp")  # older servers have it in answers alone
    return Message(int(headers[_SEQUENCE]), headers["Nats-Subject"], found.data or b"", _time(at) if at else 0.0)


def _time(said: str) -> float:
    try:
        return datetime.fromisoformat(said[:26].rstrip("Z")).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0
