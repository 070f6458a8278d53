"""Answers over NATS what is asked over HTTP: the same application, so the same tokens, bounds and problems."""

from __future__ import annotations

import asyncio
import uuid
from urllib.parse import unquote

from starlette.types import ASGIApp, Message

from clavel_tui.bus.by_nats import AT, Question, Reply, packed, refusal
from clavel_tui.bus.link import Link
from clavel_tui.bus.packing import BYTES, unpack
from clavel_tui.claveld.limits import FACTS_BYTES
from clavel_tui.claveld.logs import LOG
from clavel_tui.claveld.who import HOLDER
from clavel_tui.history.agents import Holder

QUEUE = "claveld"


class Asking:
    """Serves ``app`` as one of several: whoever asks all of them is answered by one."""

    def __init__(self, app: ASGIApp, link: Link) -> None:
        self._app = app
        self._link = link
        self._all = f"{link.broker.prefix}.ask"
        self._here = f"{self._all}.{uuid.uuid4().hex[:12]}"

    async def begin(self) -> None:
        """From now on, and behind each connection."""
        await self._link.serve(self._all, QUEUE, self.answered)
        await self._link.serve(self._here, QUEUE, self.answered)

    async def answered(self, data: bytes) -> bytes:
        """One question."""
        try:
            question = Question.model_validate_json(unpack(data, FACTS_BYTES * 2))  # nobody has shown a token yet
        except ValueError:
            return packed(refusal(422, "this is no question that is understood"))
        reply = await ask(self._app, question)
        said = packed(reply.model_copy(update={"headers": {**reply.headers, AT: self._here}}))
        return said if len(said) <= BYTES else packed(refusal(413, "the answer is too long for NATS: ask over HTTP"))


async def ask(app: ASGIApp, question: Question, holder: Holder | None = None) -> Reply:
    """What the application answers, as a web server would ask it. ``holder``: who asks, where that needs no token."""
    path, _, query = question.path.partition("?")
    body = question.body.encode()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": question.method,
        "scheme": "nats",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [
            *((name.lower().encode(), value.encode()) for name, value in question.headers.items()),
            (b"content-length", str(len(body)).encode()),
        ],
        HOLDER: holder,
        "client": ("nats", 0),
        "server": ("nats", None),
    }
    sent: list[Message] = []
    given = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if given:
            return given.pop()
        await asyncio.Event().wait()  # whoever asks by NATS never says that he has gone
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    try:
        await app(scope, receive, send)
    except Exception:  # Starlette has answered it, and raises it for the server's log
        LOG.exception("%s %s", question.method, path)
    head = next((message for message in sent if message["type"] == "http.response.start"), None)
    if head is None:
        return refusal(500, "claveld has failed; its log says why")
    text = b"".join(message.get("body", b"") for message in sent if message["type"] == "http.response.body").decode()
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in head["headers"]}
    return Reply(status=head["status"], headers=headers, body=text)
