"""claveld inside a console: over its journal, with its engine, for a fleet that has no server to spare.

Agents are served as long as the console is open. They carry on without it, as they do while any claveld is away.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from starlette.types import ASGIApp

from clavel_tui.bus.by_nats import Question, answer_of
from clavel_tui.bus.claveld import ClaveldError, Said
from clavel_tui.bus.for_console import ConsoleClient
from clavel_tui.claveld.app import make_app
from clavel_tui.claveld.by_nats import ask
from clavel_tui.claveld.config import Config
from clavel_tui.claveld.coordinator import Coordinator
from clavel_tui.claveld.evaluating import Evaluations, Evaluator
from clavel_tui.claveld.serve import Server, uvicorn_config
from clavel_tui.claveld.showing import Engine, Showing
from clavel_tui.domain.agent import Role
from clavel_tui.domain.unit import Fleet
from clavel_tui.history import JournalError
from clavel_tui.history.agents import Holder

CLOSE_S = 2.0
"""For whoever is just answered: those that wait are answered at once."""
TURN_S = 3.0
"""Between two tries to serve where another console does."""


class ConsoleEngine(Engine, Evaluator, Protocol):
    """What of the console's engine it needs."""


class EmbeddedClient(ConsoleClient):
    """The console's own way to it: the same questions, bounds and answers, and neither a socket nor a token."""

    def __init__(self, coordinator: Coordinator, holder: Holder) -> None:
        super().__init__("claveld in this console", lambda: "", "clavel-tui")
        self.app: ASGIApp | None = None
        self._coordinator = coordinator
        self._holder = holder

    async def asked(self, method: str, path: str, body: bytes | None, headers: dict[str, str], timeout: float) -> Said:
        """See Claveld."""
        if self.app is None:
            raise ClaveldError("claveld in this console is not open")
        said = Question(method=method, path=path, headers=headers, body=(body or b"").decode())
        try:
            await self._coordinator.look()
            async with asyncio.timeout(timeout):
                reply = await ask(self.app, said, self._holder)
        except (JournalError, TimeoutError) as error:
            raise ClaveldError(f"{self.url} does not answer: {error or 'too slow'}") from error
        return answer_of(self.url, reply)


class Embedded:
    """One console's. ``holder``: who the person at the console is there."""

    def __init__(self, config: Config, fleet: Fleet, coordinator: Coordinator, holder: Holder) -> None:
        self._config = config
        self._fleet = fleet
        self._coordinator = coordinator
        self._may_change = holder.role is Role.OPERATOR
        self.client = EmbeddedClient(coordinator, holder)

    @asynccontextmanager
    async def opened(self, engine: ConsoleEngine, *, serve: bool) -> AsyncIterator[None]:
        """As long as the block lasts. Agents are served with ``serve``, by one console of several, and where it may change."""
        evaluations = Evaluations(self._fleet, engine, by_itself=False)
        self.client.app = app = make_app(self._coordinator, evaluations, Showing(self._coordinator, engine))
        self._coordinator.sources_told = evaluations.look_again
        http = Server(uvicorn_config(app, self._config, quiet=True))
        await self._coordinator.look()  # who asks at once has a good token
        work = [asyncio.create_task(self._coordinator.keep_up(), name="keep up")]
        if serve and self._may_change:
            work.append(asyncio.create_task(self._serve(http, evaluations), name="serve"))
        try:
            yield
        finally:
            self._coordinator.close_soon()
            http.should_exit = True
            work[0].cancel()
            try:
                await asyncio.wait(work, timeout=CLOSE_S)
            finally:  # also when we are cancelled once more
                for task in work:
                    task.cancel()

    async def _serve(self, http: Server, evaluations: Evaluations) -> None:
        """Waits for its turn first: where another console of this workstation serves, that one is closed some day."""
        listening = await self._listening()
        holding = asyncio.create_task(evaluations.keep_evaluating(), name="hold what is pinned")
        try:
            await http.serve([listening])
        finally:
            listening.close()
            holding.cancel()
            await asyncio.gather(holding, return_exceptions=True)

    async def _listening(self) -> socket.socket:
        host, port = self._config.address
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        said = False
        while True:
            try:
                return socket.create_server((host, port), family=family)
            except OSError as error:
                if not said:
                    text = f"this console serves no agents: {self._config.listen} cannot be listened on ({error.strerror})"
                    with contextlib.suppress(JournalError):
                        await self._coordinator.journal.record([("warn", "", "", text)])
                said = True
            await asyncio.sleep(TURN_S)
