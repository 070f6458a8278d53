"""Checks of a unit that are looked at from the workstation: a TCP port that accepts, a URL that answers."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import urllib.error
import urllib.request

from clavel_tui.domain.unit import Check, Unit
from clavel_tui.remote.target import LOCAL
from clavel_tui.remote.trust import SshFiles, known_as

CHECK_S = 5.0


async def failing(unit: Unit, files: SshFiles | None) -> frozenset[str]:
    """The lines of those that do not hold now. The unit's address may be an alias of ssh_config, which ``files`` name."""
    checks = [check for check in unit.checks if check.outside]
    if not checks:
        return frozenset()
    address = known_as(unit.address, unit.port, files)[0] if files else unit.address
    address = "127.0.0.1" if unit.address == LOCAL else address
    held = await asyncio.gather(*(_holds(check, address) for check in checks))
    return frozenset(check.line for check, holds in zip(checks, held, strict=True) if not holds)


async def _holds(check: Check, address: str) -> bool:
    if check.http:
        return await asyncio.to_thread(_answers, check)
    try:
        async with asyncio.timeout(CHECK_S):
            _, writer = await asyncio.open_connection(address, check.tcp)
    except (OSError, TimeoutError, ValueError):
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


def _answers(check: Check) -> bool:
    try:
        with urllib.request.urlopen(check.http, timeout=CHECK_S) as answer:  # noqa: S310  http or https: the schema sees to it
            return bool(answer.status == check.status)
    except urllib.error.HTTPError as error:
        return error.code == check.status
    except (OSError, ValueError, http.client.HTTPException):  # it may be no web server at all
        return False
