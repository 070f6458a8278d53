"""Host keys: known_hosts is parsed once, and a first contact is a question that shows the fingerprint."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clavel_tui.remote.errors import RemoteError

if TYPE_CHECKING:
    import asyncssh


@dataclass(frozen=True)
class SshFiles:
    """Where keys and hosts are known: the user's own files, unless a test or a demo brings its own."""

    config: tuple[Path, ...] | None = None
    known_hosts: Path | None = None
    identity: Path | None = None

    @property
    def hosts_file(self) -> Path:
        """Where a first contact is written to."""
        return self.known_hosts or Path.home() / ".ssh" / "known_hosts"


class KnownHosts:
    """A parsed known_hosts, read again only when the file changed: a thousand lines cost 7 ms a connection otherwise."""

    def __init__(self, files: SshFiles) -> None:
        self._files = files
        self._stamp: tuple[int, int] | None = None
        self._parsed: asyncssh.SSHKnownHosts | None = None

    def parsed(self) -> asyncssh.SSHKnownHosts:
        """The file's content; an absent file knows nobody.

        Raises:
            RemoteError: the file has a line that is none.
        """
        import asyncssh

        file = self._files.hosts_file
        stamp = (file.stat().st_mtime_ns, file.stat().st_size) if file.exists() else None
        if self._parsed is None or stamp != self._stamp:
            try:
                self._parsed = asyncssh.import_known_hosts(file.read_text(encoding="utf-8") if stamp else "")
            except ValueError as error:
                raise RemoteError("host-key-unknown", f"{file} cannot be read as known_hosts: {error}", f"mend {file}") from error
            self._stamp = stamp
        return self._parsed

    def knows(self, host: str, address: str, port: int | None) -> bool:
        """Whether some key of that host is known: then another one is a changed key, not a first contact."""
        keys = self.parsed().match(host, address, port)
        return bool(keys[0])


def aliases(files: SshFiles) -> list[str]:
    """The hosts that ssh_config names, in its order: no patterns, and no other files that it includes."""
    found: list[str] = []
    for file in files.config if files.config is not None else (Path.home() / ".ssh" / "config",):
        try:
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        for line in lines:
            key, *names = line.replace("=", " ", 1).split() or [""]
            if key.lower() == "host":
                found += [name.strip('"') for name in names if not set(name) & set("*?!")]
    return list(dict.fromkeys(found))


def append_host_key(files: SshFiles, line: str) -> str:
    """Writes a line of a first contact; returns the file's name.

    Raises:
        OSError: it cannot be written.
    """
    file = files.hosts_file
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with file.open("a+b") as out:  # written to its end, wherever it was read
        out.seek(max(out.seek(0, os.SEEK_END) - 1, 0))
        whole = out.read() in {b"", b"\n"}
        out.write(("" if whole else "\n").encode() + line.encode() + b"\n")
    return str(file)


def known_as(host: str, port: int, files: SshFiles) -> tuple[str, int]:
    """The name and port by which known_hosts has a host: ssh_config may give an alias another HostName."""
    import asyncssh

    config = {"config": [str(file) for file in files.config]} if files.config is not None else {}
    options = asyncssh.SSHClientConnectionOptions(host=host, port=port or (), client_keys=None, **config)
    return options.host_key_alias or options.host, options.port


async def first_contact(host: str, port: int, files: SshFiles) -> tuple[str, str]:
    """The key that a host shows now: its fingerprint, and the line that would go to known_hosts.

    Raises:
        RemoteError: the host did not answer.
    """
    import asyncssh

    config = files.config if files.config is not None else ()
    try:
        real, real_port = known_as(host, port, files)
        key = await asyncssh.get_server_host_key(host, port or (), config=[str(p) for p in config] or ())
    except (OSError, asyncssh.Error, TimeoutError, ValueError) as error:  # ConfigParseError among the last
        raise RemoteError("unreachable", f"{host} did not show a host key: {error}") from error
    if key is None:
        raise RemoteError("unreachable", f"{host} did not show a host key")
    name = real if real_port == 22 else f"[{real}]:{real_port}"  # noqa: PLR2004
    return key.get_fingerprint(), f"{name} {key.export_public_key('openssh').decode().strip()}"
