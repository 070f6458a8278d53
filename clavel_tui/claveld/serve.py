"""Runs the API and the evaluations side by side, until a signal ends both."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from clavel_tui.claveld.app import make_app
from clavel_tui.claveld.config import Config
from clavel_tui.claveld.coordinator import Coordinator
from clavel_tui.claveld.evaluating import Evaluations
from clavel_tui.claveld.shared import Shared
from clavel_tui.claveld.showing import Showing
from clavel_tui.claveld.waiting import Waiting

STOP_S = 10
"""For requests that are under way; those that only wait are answered at once."""


class Server(uvicorn.Server):
    """uvicorn's own signal handlers raise the signal anew when it has ended: before the database is closed."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """See uvicorn."""
        yield


def uvicorn_config(app: FastAPI, config: Config, *, quiet: bool = False) -> uvicorn.Config:
    """``quiet``: where a terminal is full of something else."""
    host, port = config.address
    return uvicorn.Config(
        Waiting(app),
        host=host,
        port=port,
        ssl_certfile=config.tls_certificate or None,
        ssl_keyfile=config.tls_key or None,
        access_log=False,  # a line for each of a thousand agents that ask every minute would bury all others
        log_level="critical" if quiet else "info",
        server_header=False,
        timeout_graceful_shutdown=STOP_S,
        timeout_keep_alive=75,
        lifespan="off",
    )


async def serve(
    config: Config, coordinator: Coordinator, evaluations: Evaluations, showing: Showing, shared: Shared | None,
    again: asyncio.Event, ended: asyncio.Event,
) -> None:  # fmt: skip
    """Until SIGTERM, SIGINT, or ``again``; those two also set ``ended``. ``shared``: where there are several claveld.

    What is evaluated at that moment is recorded as stopped, and evaluated anew at the next start.
    """
    app = make_app(coordinator, evaluations, showing)
    app.state.replica = shared.replica if shared else None
    coordinator.sources_told = evaluations.look_again
    await coordinator.look()
    background = [
        asyncio.create_task(coordinator.keep_up(), name="keep up"),
        asyncio.create_task(coordinator.keep_tidy(), name="tidy"),
        asyncio.create_task(evaluations.keep_evaluating(), name="evaluate"),
        *([asyncio.create_task(shared.keep(coordinator, showing, app), name="share")] if shared else []),
    ]
    anew = asyncio.create_task(again.wait())
    anew.add_done_callback(lambda task: None if task.cancelled() else stop())
    http = Server(uvicorn_config(app, config))

    def stop() -> None:
        coordinator.close_soon()
        http.force_exit = http.should_exit  # the second time
        http.should_exit = True

    def end() -> None:
        ended.set()
        stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end)
    server = asyncio.create_task(http.serve())
    try:
        done, _ = await asyncio.wait([server, *background], return_when=asyncio.FIRST_COMPLETED)
        for task in done - {server}:
            task.result()  # that one of these ends is a fault, and not to be served over
        await server
    finally:
        anew.cancel()
        for task in background:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*background, return_exceptions=True)
