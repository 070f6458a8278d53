"""Effects on this very machine, for a unit whose address is ``local``; and foreground programs such as a shell."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

from clavel_tui.remote.effects import OUTPUT_MOST, Effect, Mutation, OnLine, Query, Result
from clavel_tui.remote.errors import RemoteError
from clavel_tui.remote.helper import helped
from clavel_tui.remote.secrets import Secrets, sudo_line
from clavel_tui.remote.target import Target

END_S = 2.0


class LocalRunner:
    """Runs effects as processes of this machine, each in a session of its own."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    async def query(self, target: Target, query: Query, on_line: OnLine | None = None) -> Result:
        """See QueryRunner."""
        return await self._run(target, query, on_line)

    async def mutate(self, target: Target, mutation: Mutation, on_line: OnLine | None = None) -> Result:
        """See Runner."""
        return await self._run(target, mutation, on_line)

    async def converse(self, target: Target, query: Query, word: str, end: str) -> tuple[list[str], bool]:
        """A process is cheap here: it is started for each question."""
        asked = Query(query.name, query.text, query.args, word.encode() + b"\n", query.timeout, query.elevated)
        lines: list[str] = []
        with contextlib.suppress(RemoteError):
            await self._run(target, asked, lines.append)
        return (lines[: lines.index(end)], True) if end in lines else (lines, False)

    async def forget(self, target: Target) -> None:
        """Nothing is kept."""

    def wanted(self, target: Target) -> None:
        """See QueryRunner."""
        self._secrets.ask_again(target.name)

    async def close(self) -> None:
        """Nothing is kept."""

    async def _run(self, target: Target, effect: Effect, on_line: OnLine | None) -> Result:
        stdin = effect.stdin
        if target.elevate == "sudo-password" and effect.elevated:
            stdin = await sudo_line(self._secrets, target) + stdin
        process = await asyncio.create_subprocess_exec(
            *(helped(target, effect) or target.command(effect.text, effect.args, elevated=effect.elevated)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(effect.timeout):
                return await _collect(process, stdin, on_line, hold=effect.hold_stdin)
        except TimeoutError as error:
            raise RemoteError("timeout", f"{effect.name} on {target.name} took longer than {effect.timeout:.0f} s") from error
        finally:
            if process.returncode is None:
                await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Asks it to end, and then sees to it, with all that it started: a busy evaluator does not listen."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_S):
                await process.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


async def _collect(process: asyncio.subprocess.Process, stdin: bytes, on_line: OnLine | None, *, hold: bool) -> Result:
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise RemoteError("output", "a process without pipes")
    # One that has ended already reads nothing: asyncio's own loop passes over that, uvloop raises.
    with contextlib.suppress(OSError, RuntimeError):
        process.stdin.write(stdin)
        if not hold:
            process.stdin.write_eof()
    out, err = await asyncio.gather(_read(process.stdout, on_line), _read(process.stderr, None))
    code = await process.wait()
    return Result(code if code >= 0 else 128 - code, out.decode(errors="replace"), err.decode(errors="replace"))


async def _read(stream: asyncio.StreamReader, on_line: OnLine | None) -> bytes:
    if on_line is None:
        kept = bytearray()
        while chunk := await stream.read(65536):  # to its end: a process whose pipe is full stands still
            kept += chunk[: OUTPUT_MOST - len(kept)]
        return bytes(kept)
    rest = b""
    while chunk := await stream.read(65536):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            on_line(line.decode(errors="surrogateescape"))
    if rest:
        on_line(rest.decode(errors="surrogateescape"))
    return b""
