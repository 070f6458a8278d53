"""Enrolment, the unit's half: the token and a first agent.toml are written, and claveld is asked whether both are good."""

from __future__ import annotations

import asyncio
import os
import platform
from pathlib import Path
from urllib.parse import urlsplit

from clavel_tui.bus.claveld import NOT_EVALUATED, ClaveldError
from clavel_tui.bus.for_agent import AgentClient
from clavel_tui.domain.errors import RefusedError

_ARCH = {"arm64": "aarch64", "amd64": "x86_64"}


def agent_toml(name: str, url: str, token_file: Path, ca_file: str = "") -> str:
    """A first file, for this machine."""
    machine, system = platform.machine().lower(), platform.system().lower()
    lines = [
        f'name = "{name}"',
        f'type = "{"darwin" if system == "darwin" else "nixos"}"',
        f'arch = "{_ARCH.get(machine, machine)}-{system}"',
        "",
        "[claveld]",
        f'url = "{url}"',
        f'token_file = "{token_file}"',
        *([f'ca_file = "{ca_file}"'] if ca_file else []),
    ]
    return "\n".join(lines) + "\n"


def enrol(file: Path, name: str, url: str, token: str, ca_file: str) -> str:
    """Writes both files beside each other; returns what claveld says that the machine should run.

    Raises:
        RefusedError: there is an agent.toml already, or claveld does not take the token. Nothing is written then.
    """
    if file.exists():
        raise RefusedError(f"{file} is there already", "a new token goes into its token_file, and needs no restart")
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in {"127.0.0.1", "localhost", "::1"}:
        raise RefusedError(f"{url} would send the token in the clear", "say https; inside a VPN write agent.toml by hand")
    ca_file = str(Path(ca_file).absolute()) if ca_file else ""
    client = AgentClient(url, lambda: token, "clavel-agent enrol", ca_file)
    try:
        got = asyncio.run(client.deployment(name))
    except ClaveldError as error:
        if error.status != NOT_EVALUATED:
            raise RefusedError(f"nothing was written: {error}") from error
        got = None
    except OSError as error:
        raise RefusedError(f"nothing was written: {ca_file or url}: {error.strerror or error}") from error
    token_file = file.with_name("token")
    file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with os.fdopen(os.open(token_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as out:
        os.fchmod(out.fileno(), 0o600)
        out.write(f"{token}\n")
    file.write_text(agent_toml(name, url, token_file, ca_file), encoding="utf-8")
    return got.deployment.nar_id if got and got.deployment else "nothing yet"
