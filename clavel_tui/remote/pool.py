"""One warm connection a unit, a ceiling on handshakes, and a unit that is down never delays the others."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clavel_tui.remote.errors import RemoteError
from clavel_tui.remote.secrets import Secrets
from clavel_tui.remote.target import Target
from clavel_tui.remote.trust import KnownHosts, SshFiles, known_as

if TYPE_CHECKING:
    import asyncssh


@dataclass(frozen=True)
class PoolLimits:
    """Given by the composition root, where their reasons stand. Seconds."""

    connect: float = 10.0
    keepalive: float = 5.0
    keepalive_tries: int = 3
    handshakes: int = 24
    channels: int = 8
    backoff_first: float = 5.0
    backoff_most: float = 300.0


@dataclass
class _Link:
    """What is kept of one unit."""

    gate: asyncio.Lock = field(default_factory=asyncio.Lock)
    channels: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(8))
    connection: asyncssh.SSHClientConnection | None = None
    failures: int = 0
    down_until: float = 0.0
    last: RemoteError | None = None


class Pool:
    """Connections by unit. ``now`` is a monotonic clock in seconds."""

    def __init__(self, files: SshFiles, limits: PoolLimits, now: Callable[[], float], secrets: Secrets | None = None) -> None:
        self._files = files
        self._limits = limits
        self._now = now
        self._secrets = secrets or Secrets()
        self._key_opens = False
        self._passphrase: str | None = None
        self._hosts = KnownHosts(files)
        self._links: dict[str, _Link] = {}
        self._handshakes = asyncio.Semaphore(limits.handshakes)

    @asynccontextmanager
    async def channel(self, target: Target) -> AsyncIterator[asyncssh.SSHClientConnection]:
        """A place for one more channel on the unit's connection, which is made if there is none.

        Raises:
            RemoteError: no connection; while a unit backs off this is told at once, and costs nothing.
        """
        link = self._link(target)
        async with link.channels:
            yield await self._connected(target, link)

    async def connection(self, target: Target) -> asyncssh.SSHClientConnection:
        """The unit's connection, for a resident script that keeps its channel."""
        return await self._connected(target, self._link(target))

    async def forget(self, target: Target) -> None:
        """Closes the connection and ends the back-off."""
        link = self._links.pop(target.key, None)
        if link and link.connection:
            link.connection.abort()

    def wanted(self, target: Target) -> None:
        """Ends the back-off: a person asks now, and an answer of minutes ago is none. What is connected stays so."""
        if link := self._links.get(target.key):
            link.down_until = 0.0

    async def close(self) -> None:
        """Closes every connection."""
        for link in self._links.values():
            if link.connection:
                link.connection.abort()
        self._links.clear()

    def _link(self, target: Target) -> _Link:
        if target.key not in self._links:
            self._links[target.key] = _Link(channels=asyncio.Semaphore(self._limits.channels))
        return self._links[target.key]

    async def _connected(self, target: Target, link: _Link) -> asyncssh.SSHClientConnection:
        async with link.gate:
            if link.connection and not link.connection.is_closed():
                return link.connection
            if link.last and self._now() < link.down_until:
                raise RemoteError(link.last.kind, link.last.text, link.last.hint)
            try:
                link.connection = await self._connect(target)
            except RemoteError as error:
                self._back_off(link, error)
                raise
            link.failures, link.last = 0, None
            return link.connection

    def _back_off(self, link: _Link, error: RemoteError) -> None:
        """Twice as long each time, with jitter, so that a fleet behind a dead bastion does not come back as one."""
        wait = min(self._limits.backoff_first * 2**link.failures, self._limits.backoff_most)
        link.failures = min(link.failures + 1, 16)
        link.down_until = self._now() + wait * random.uniform(0.8, 1.2)  # noqa: S311  jitter, not a secret
        link.last = error

    async def _connect(self, target: Target) -> asyncssh.SSHClientConnection:
        import asyncssh

        await self._check_key(target)
        async with self._handshakes:
            try:
                async with asyncio.timeout(self._limits.connect):
                    return await asyncssh.connect(target.address, **self._options(target))
            except TimeoutError as error:
                raise RemoteError(
                    "unreachable",
                    f"{target.name} ({target.address}) did not answer within {self._limits.connect:.0f} s",
                    "is it on, and does the network reach it?",
                ) from error
            except asyncssh.HostKeyNotVerifiable as error:
                raise self._host_key(target) from error
            except asyncssh.PermissionDenied as error:
                raise RemoteError(
                    "key-refused",
                    f"{target.name} refused our SSH key: {error.reason}",
                    f"add your public key to authorized_keys there, or check `user` and ssh_config; try `ssh {target.address}`",
                ) from error
            except (OSError, asyncssh.Error, ValueError) as error:
                raise _unreachable(target, error) from error

    async def _check_key(self, target: Target) -> None:
        """A key that --identity names and that cannot be used would otherwise be left out in silence."""
        import asyncssh

        file = self._files.identity
        if file is None or self._key_opens:
            return
        try:
            asyncssh.read_private_key(file)
        except (OSError, ValueError) as error:
            if "passphrase" not in str(error).lower():
                why = error.strerror if isinstance(error, OSError) else str(error)
                text = f"our SSH key {file} cannot be used: {why}"
                raise RemoteError("key-refused", text, "name another one with --identity") from error
            self._passphrase = await self._asked_passphrase(file, target)
        self._key_opens = True

    async def _asked_passphrase(self, file: Path, target: Target) -> str:
        import asyncssh

        passphrase = await self._secrets.passphrase(str(file), target.name)
        if passphrase is None:
            text = f"our SSH key {file} wants a passphrase, and nobody gave one"
            raise RemoteError("key-refused", text, "run it on a terminal, or put the key into an agent: `ssh-add`")
        try:
            # Its key is derived slowly, on purpose.
            await asyncio.to_thread(asyncssh.read_private_key, file, passphrase)
        except ValueError as error:
            self._secrets.forget_key(str(file))
            text = f"the passphrase of our SSH key {file} was not right"
            raise RemoteError("key-refused", text, "it is asked again next time") from error
        return passphrase

    def _options(self, target: Target) -> dict[str, Any]:
        options: dict[str, Any] = {
            "known_hosts": self._hosts.parsed(),
            "connect_timeout": self._limits.connect,
            "gss_host": None,
            "keepalive_interval": self._limits.keepalive,
            "keepalive_count_max": self._limits.keepalive_tries,
        }
        if self._files.config is not None:
            options["config"] = [str(file) for file in self._files.config]
        if self._files.identity:
            options["client_keys"] = [str(self._files.identity)]
            options["passphrase"] = self._passphrase
            options["agent_path"] = None
        if target.user:
            options["username"] = target.user
        if target.port:
            options["port"] = target.port
        return options

    def _host_key(self, target: Target) -> RemoteError:
        host, port = known_as(target.address, target.port, self._files)
        if self._hosts.knows(host, "", port):
            return RemoteError(
                "host-key-changed",
                f"{target.name} shows another host key than the one that is known",
                "somebody may sit between you; if the machine was installed anew:"
                f" `ssh-keygen -R {target.address}`, then `clavel-tui trust --unit {target.name}`",
            )
        return RemoteError(
            "host-key-unknown",
            f"the host key of {target.name} is not known yet",
            f"look at its fingerprint and accept it: `clavel-tui trust --unit {target.name}`",
        )


def _unreachable(target: Target, error: Exception) -> RemoteError:
    text = str(error) or type(error).__name__
    if isinstance(error, ConnectionRefusedError):
        return RemoteError(
            "unreachable",
            f"{target.name} ({target.address}) refuses connections to its SSH port",
            "does sshd run there?",
        )
    return RemoteError(
        "unreachable",
        f"{target.name} ({target.address}) cannot be reached: {text}",
        "is it on, and is the address right?",
    )
