"""The API of claveld over NATS: the same questions, tokens and answers as over HTTP, by whichever claveld is there."""

from __future__ import annotations

import http.client
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.message import Message as Headers
from typing import Literal, Self

from pydantic import ConfigDict, Field

from clavel_tui.bus.claveld import NOT_UNDERSTOOD, WELL, Claveld, ClaveldError, Said, detail
from clavel_tui.bus.link import Link, NobodyError
from clavel_tui.bus.packing import pack, unpack
from clavel_tui.domain.model import Model
from clavel_tui.domain.text import clean

AT = "clavel-at"
"""The header that says where the claveld that has answered is asked again."""


class Question(Model):
    """As HTTP has it. ``path``: with what stands behind the question mark."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    version: Literal[1] = 1
    method: str = Field(pattern="^(GET|POST)$")
    path: str = Field(pattern=r"^/[!-~]*$", max_length=4000)
    headers: dict[str, str] = Field(default_factory=dict, max_length=20)
    body: str = ""


class Reply(Model):
    """As HTTP has it; header names in small letters."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    version: Literal[1] = 1
    status: int = Field(ge=100, le=599)
    headers: dict[str, str] = Field(default_factory=dict, max_length=40)
    body: str = ""


def packed(said: Question | Reply) -> bytes:
    """As it is sent."""
    return pack(said.model_dump_json().encode())


class ByNats(Claveld):
    """A Claveld that is asked over ``link``. It stays with the one that has answered, as long as that one is there."""

    def __init__(self, link: Link, token: Callable[[], str], who: str) -> None:
        super().__init__(link.broker.url, token, who)
        self._link = link
        self._all = f"{link.broker.prefix}.ask"
        self._at = ""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Self]:
        """See Claveld."""
        async with self._link.opened():
            yield self

    async def asked(self, method: str, path: str, body: bytes | None, headers: dict[str, str], timeout: float) -> Said:
        """See Claveld."""
        who = {"Authorization": f"Bearer {self._token()}", "User-Agent": self._who}
        await self._link.ready(timeout)
        said = Question(method=method, path=path, headers={**who, **headers}, body=(body or b"").decode())
        try:
            reply = Reply.model_validate_json(unpack(await self._answer(packed(said), timeout)))
        except ValueError as error:
            raise ClaveldError(f"{self.url} answers what is not understood: {clean(str(error), 200)}", NOT_UNDERSTOOD) from error
        self._at = reply.headers.get(AT, "")
        return answer_of(f"claveld at {self.url}", reply)

    async def _answer(self, data: bytes, timeout: float) -> bytes:
        at, self._at = self._at, ""
        if at:
            try:
                return await self._link.ask(at, data, timeout)
            except NobodyError:  # that one is gone: whoever else is there
                pass
        return await self._link.ask(self._all, data, timeout)


def answer_of(who: str, reply: Reply) -> Said:
    """As over HTTP.

    Raises:
        ClaveldError: it says no.
    """
    if reply.status not in WELL:
        raise ClaveldError(f"{who} says {reply.status}: {detail(reply.body.encode())}", reply.status)
    return reply.status, _headers(reply.headers), reply.body.encode()


def _headers(said: dict[str, str]) -> http.client.HTTPMessage:
    found: Headers = http.client.HTTPMessage()
    for name, value in said.items():
        found[name] = value
    assert isinstance(found, http.client.HTTPMessage)  # noqa: S101  for the type checker
    return found


def refusal(status: int, text: str) -> Reply:
    """What is said where no claveld could be asked."""
    return Reply(status=status, body=json.dumps({"detail": text}))
