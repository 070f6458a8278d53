"""Effects on this machine: all that a process says is read, and one that is given up ends with everything that it started."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
import uvloop

from clavel_tui.remote.effects import OUTPUT_MOST, Query
from clavel_tui.remote.errors import RemoteError
from clavel_tui.remote.local import LocalRunner
from clavel_tui.remote.secrets import Secrets
from clavel_tui.remote.target import Target

HERE = Target("workstation", "local")


def runner() -> LocalRunner:
    return LocalRunner(Secrets())


async def test_both_streams_are_read_to_their_end() -> None:
    """More than a pipe holds, in pieces, on stderr too."""
    text = 'n=0; while [ $n -lt 300 ]; do printf "%01000d\\n" $n >&2; echo $n; n=$((n + 1)); done; exit 3'
    result = await runner().query(HERE, Query.script("much", text, elevated=False))
    assert result.code == 3
    assert len(result.err.splitlines()) == len(result.out.splitlines()) == 300


async def test_what_is_too_much_is_read_and_not_kept() -> None:
    text = f"head -c {OUTPUT_MOST + 100_000} /dev/zero | tr '\\0' x >&2; echo done"
    result = await runner().query(HERE, Query.script("flood", text, elevated=False))
    assert len(result.err) == OUTPUT_MOST
    assert result.out == "done\n"


@pytest.mark.parametrize("said", [b"", b"unread " * 20_000], ids=["nothing", "much"])
def test_one_that_ends_at_once_reads_nothing_whatever_loop_it_is(said: bytes) -> None:
    """Claveld's own loop raised where a process had ended before its stdin was written."""
    ends = Query.script("ends", "exit 3", stdin=said, elevated=False)

    async def many() -> set[int]:
        return {result.code for result in await asyncio.gather(*(runner().query(HERE, ends) for _ in range(60)))}

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as own:
        assert own.run(many()) == {3}


@pytest.mark.parametrize("how", ["timeout", "cancel"])
async def test_one_that_does_not_listen_ends_with_all_its_children(tmp_path: Path, how: str) -> None:
    text = 'trap "" TERM; sleep 60 & echo $! >"$1/child"; echo $$ >"$1/shell"; wait; sleep 60'
    query = Query.script("deaf", text, str(tmp_path), timeout=5.0 if how == "timeout" else 60.0, elevated=False)
    task = asyncio.create_task(runner().query(HERE, query))
    async with asyncio.timeout(30):
        while not ((tmp_path / "shell").exists() and (tmp_path / "shell").read_text().endswith("\n")):
            await asyncio.sleep(0.02)
    if how == "cancel":
        task.cancel()
    with pytest.raises(RemoteError if how == "timeout" else asyncio.CancelledError):
        await task
    for name in ("shell", "child"):
        pid = int((tmp_path / name).read_text())
        for _ in range(100):
            if not running(pid):
                break
            await asyncio.sleep(0.02)
        assert not running(pid)


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z" if Path("/proc").exists() else True
    except (ProcessLookupError, FileNotFoundError):
        return False
