"""A test that fails must not leave a database open: its thread would keep the whole run from ending."""

from collections.abc import AsyncIterator
from typing import Any

import aiosqlite
import pytest


@pytest.fixture(autouse=True)
async def closed(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Closes what the test left open."""
    opened: list[aiosqlite.Connection] = []
    connect = aiosqlite.connect

    def remember(*args: Any, **more: Any) -> aiosqlite.Connection:  # noqa: ANN401
        opened.append(connect(*args, **more))
        return opened[-1]

    monkeypatch.setattr(aiosqlite, "connect", remember)
    yield
    for connection in opened:
        await connection.close()
