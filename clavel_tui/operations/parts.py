"""What the engine is wired from. One value, so that a test or a demo replaces exactly one part."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from clavel_tui.domain.errors import UnitError
from clavel_tui.domain.operation import Origin
from clavel_tui.domain.unit import Fleet, Unit
from clavel_tui.history import Journal
from clavel_tui.history.deployments import Deployments
from clavel_tui.history.mutes import Mutes
from clavel_tui.history.sources import Sources
from clavel_tui.nix import Evaluator, Workshop
from clavel_tui.remote.errors import RemoteError
from clavel_tui.remote.helper import HelperInstaller
from clavel_tui.remote.jobs import JobClient
from clavel_tui.remote.keys import KeyInstaller
from clavel_tui.remote.runner import QueryRunner
from clavel_tui.remote.target import Target

if TYPE_CHECKING:  # an agent has the engine, and asks as an agent
    from clavel_tui.bus.for_console import ConsoleClient
    from clavel_tui.operations.following import Following


@dataclass(frozen=True)
class Clock:
    """The clocks, injected: ``wall`` for people, ``sleep`` for waiting."""

    wall: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(frozen=True)
class Parts:
    """One fleet's parts.

    ``jobs``, ``keys``, ``helper``, ``evaluator`` and ``workshop`` are None in a console that may only look, and
    ``read_only`` says who wants it so. ``nix``: the program on the workstation.
    ``claveld``: one elsewhere, whose agents pull. ``checkpoint`` is told the journal's boundaries as they pass.
    """

    fleet: Fleet
    runner: QueryRunner
    jobs: JobClient | None
    journal: Journal
    deployments: Deployments
    mutes: Mutes
    clock: Clock
    origin: Callable[[], Awaitable[Origin]]
    runner_name: str
    is_alive: Callable[[str], bool]
    kept: Sources | None = None
    """What claveld was told of Sources beside fleet.toml; a console of its own is told nothing."""
    failing_too: Callable[[], Awaitable[frozenset[str]]] | None = None
    """What does not hold from here beside the checks of units: an agent's own way to claveld."""
    environment: Callable[[Unit], tuple[tuple[str, str], ...]] = lambda _unit: ()
    checkpoint: Callable[[str], None] = lambda _name: None
    read_only: str = ""
    keys: KeyInstaller | None = None
    helper: HelperInstaller | None = None
    evaluator: Evaluator | None = None
    workshop: Workshop | None = None
    nix: str = "nix"
    claveld: ConsoleClient | None = None
    following: Following | None = None
    """Where that one is reached by way of NATS."""
    at_once: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(8))

    def target(self, unit: Unit) -> Target:
        """How the transport sees the unit."""
        return Target(
            name=unit.name,
            address=unit.address,
            user=unit.user,
            port=unit.port,
            elevate=unit.elevate.value,
            tools=unit.tools,
            state=unit.state,
            docker_config=unit.docker_config,
            environment=self.environment(unit),
        )


def unit_error(error: RemoteError) -> UnitError:
    """The transport's trouble in the domain's words."""
    return UnitError(error.kind, error.text, error.hint)
