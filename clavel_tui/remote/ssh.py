"""Effects over SSH: output by line with bounded memory, a time limit for every command, and an end to what is cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
from typing import TYPE_CHECKING

from clavel_tui.remote.effects import OUTPUT_MOST, Effect, Mutation, OnLine, Query, Result
from clavel_tui.remote.errors import RemoteError
from clavel_tui.remote.helper import helped
from clavel_tui.remote.helper import trouble as helper_trouble
from clavel_tui.remote.pool import Pool
from clavel_tui.remote.secrets import Secrets, sudo_line
from clavel_tui.remote.target import Target

if TYPE_CHECKING:
    import asyncssh

_STDERR_MOST = 64 * 1024
_CHUNK = 32 * 1024
_BEGIN = "-- clavel-tui begins --"
_MARK = f"\n{_BEGIN}\n".encode()
SAY = f"printf '\\n%s\\n' '{_BEGIN}'; printf '\\n%s\\n' '{_BEGIN}' >&2\n"
"""What a login's own start-up files said ends here: a talking .bashrc is no part of an answer."""
GUARDED = (
    SAY
    + """exec 3<&0 </dev/null
{ cat <&3; trap '' TERM; kill -TERM 0; sleep 1; kill -KILL 0; } >/dev/null 2>&1 &
guard=$!
exec 3<&-
text=$1
shift
sh -c "$text" clavel "$@"
code=$?
kill "$guard"
exit "$code"
"""
)
"""A query ends with its channel, also as root or behind sudo, where sshd passes no signal on: each command that sshd
starts is a session of its own, so the whole group is ended when stdin closes."""


class SshRunner:
    """Runs queries and mutations on units over the pool's connections."""

    def __init__(self, pool: Pool, secrets: Secrets) -> None:
        self._pool = pool
        self._secrets = secrets
        self._residents: dict[str, _Resident] = {}

    async def query(self, target: Target, query: Query, on_line: OnLine | None = None) -> Result:
        """See QueryRunner."""
        return await self._run(target, query, on_line)

    async def mutate(self, target: Target, mutation: Mutation, on_line: OnLine | None = None) -> Result:
        """See Runner."""
        return await self._run(target, mutation, on_line)

    async def converse(self, target: Target, query: Query, word: str, end: str) -> tuple[list[str], bool]:
        """See QueryRunner. A resident that does not answer in time is ended; the next question starts a new one."""
        import asyncssh

        resident = self._residents.get(target.key)
        if resident is None or not resident.fits(query):
            await self._end_resident(target)
            resident = self._residents[target.key] = _Resident(query, await self._start(target, query))
        whole = False
        try:
            lines, whole = await resident.ask(word, end, query.timeout)
        except (OSError, EOFError, asyncssh.Error) as error:
            await self._dropped(target)
            raise RemoteError("lost", f"the connection to {target.name} was lost", "it is tried again") from error
        finally:
            if not whole:
                await self._end_resident(target)
        if not whole and not lines:
            await self._dropped(target)
            raise self._sudo_trouble(target, resident.complaint()) or RemoteError(
                "timeout",
                f"{target.name} did not answer within {query.timeout:.0f} s: {resident.complaint()}".rstrip(": "),
            )
        return lines, whole

    async def forget(self, target: Target) -> None:
        """See QueryRunner."""
        await self._end_resident(target)
        await self._pool.forget(target)

    def wanted(self, target: Target) -> None:
        """See QueryRunner."""
        self._secrets.ask_again(target.name)
        self._pool.wanted(target)

    async def close(self) -> None:
        """See QueryRunner."""
        for resident in self._residents.values():
            resident.end()
        self._residents.clear()
        await self._pool.close()

    async def _dropped(self, target: Target) -> None:
        self._residents.pop(target.key, None)
        await self._pool.forget(target)

    async def _end_resident(self, target: Target) -> None:
        if resident := self._residents.pop(target.key, None):
            resident.end()

    async def _start(self, target: Target, query: Query) -> asyncssh.SSHClientProcess[bytes]:
        connection = await self._pool.connection(target)
        opening = await self._opening(target, query)
        process = await self._open(connection, target, query, resident=True)
        process.stdin.write(opening)
        return process

    async def _opening(self, target: Target, effect: Effect) -> bytes:
        """The password, where sudo wants one."""
        if target.elevate != "sudo-password" or not effect.elevated:
            return b""
        return await sudo_line(self._secrets, target)

    async def _open(
        self, connection: asyncssh.SSHClientConnection, target: Target, effect: Effect, *, resident: bool = False
    ) -> asyncssh.SSHClientProcess[bytes]:
        import asyncssh

        guarded = _is_guarded(effect) and not resident
        text, args = (GUARDED, (effect.text, *effect.args)) if guarded else (SAY + effect.text, effect.args)
        words = helped(target, effect) or target.command(text, args, elevated=effect.elevated)
        try:
            # sshd hands a line to a shell: the only place where anything is quoted.
            return await connection.create_process(shlex.join(words), encoding=None)
        except (asyncssh.Error, OSError) as error:
            await self._dropped(target)
            raise RemoteError("unreachable", f"{target.name} opened no channel: {error}", "it is tried again") from error

    async def _run(self, target: Target, effect: Effect, on_line: OnLine | None) -> Result:
        async with self._pool.channel(target) as connection:
            opening = await self._opening(target, effect)
            process = await self._open(connection, target, effect)
            try:
                async with asyncio.timeout(effect.timeout):
                    result = await self._collect(target, process, opening + effect.stdin, effect, on_line)
            except TimeoutError as error:
                _end(process)
                raise RemoteError("timeout", f"{effect.name} on {target.name} took longer than {effect.timeout:.0f} s") from error
            except asyncio.CancelledError:
                _end(process)
                raise
        if not result.ok and (trouble := self._sudo_trouble(target, result.err)):
            raise trouble
        return result

    async def _collect(
        self,
        target: Target,
        process: asyncssh.SSHClientProcess[bytes],
        stdin: bytes,
        effect: Effect,
        on_line: OnLine | None,
    ) -> Result:
        import asyncssh

        try:
            feeding = asyncio.create_task(_feed(process, stdin, hold=effect.hold_stdin or _is_guarded(effect)))
            out, err = await asyncio.gather(_read(process.stdout, OUTPUT_MOST, on_line), _read_errors(process))
            await process.wait_closed()
            await feeding
        except (OSError, asyncssh.Error) as error:
            raise _lost(target, effect) from error
        if process.exit_status is None and process.exit_signal is None:
            await self._dropped(target)
            raise _lost(target, effect)
        if on_line and out:  # the end of a cut line is no line
            on_line(out.decode(errors="surrogateescape"))
            out = b""
        if len(out) > OUTPUT_MOST:
            raise RemoteError("output", f"{effect.name} on {target.name} answered more than {OUTPUT_MOST >> 20} MiB")
        code = process.exit_status if process.exit_status is not None and process.exit_status >= 0 else 128
        return Result(code, out.decode(errors="replace"), err.decode(errors="replace"))

    def _sudo_trouble(self, target: Target, said: str) -> RemoteError | None:
        if target.elevate == "helper":
            return helper_trouble(target, said)
        if target.elevate == "none" or ("sudo" not in said and "password" not in said and "try again" not in said):
            return None
        if "incorrect password" in said or "no password was provided" in said or "Sorry, try again" in said:
            self._secrets.forget(target.name)
            return RemoteError("sudo", f"the sudo password for {target.name} was not right", "it is asked again next time")
        if "a password is required" in said or "terminal is required" in said:
            return RemoteError(
                "sudo",
                f"sudo on {target.name} wants a password",
                'say elevate = "sudo-password" in unit.toml, or allow sudo without one',
            )
        if "not in the sudoers" in said or "may not run sudo" in said or "not allowed to" in said:
            return RemoteError(
                "sudo", f"our login on {target.name} may not use sudo", "log in as root, or add the login to sudoers"
            )
        if "sudo: not found" in said or "No such file" in said:
            return RemoteError("sudo", f"there is no sudo on {target.name}", 'log in as root with elevate = "none"')
        return None


class _Resident:
    """A script that was started once and answers a word with a frame of lines, for as long as its connection lives."""

    def __init__(self, query: Query, process: asyncssh.SSHClientProcess[bytes]) -> None:
        self._query = query
        self._process = process
        self._turn = asyncio.Lock()
        self._said = bytearray()
        self._past = _PastNoise()
        self._listener = asyncio.create_task(self._listen())

    def fits(self, query: Query) -> bool:
        """Whether it is alive and runs that very script with those arguments."""
        return not self._process.is_closing() and (query.text, query.args) == (self._query.text, self._query.args)

    async def ask(self, word: str, end: str, limit: float) -> tuple[list[str], bool]:
        """The lines up to ``end``, and whether ``end`` came within ``limit`` seconds."""
        said = bytearray()
        mark = f"\n{end}\n".encode()
        async with self._turn:
            self._process.stdin.write(word.encode() + b"\n")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limit):
                    # Whole chunks: a frame has sixty lines, and to wait for each costs more than all the rest of a look.
                    while len(said) <= OUTPUT_MOST and (chunk := await self._process.stdout.read(_CHUNK)):
                        said += self._past.take(chunk)
                        if said.endswith(mark) or said == mark[1:]:
                            return _lines(said[: 1 - len(mark)]), True
        return _lines(said), False

    async def _listen(self) -> None:
        """Its stderr is kept, shortly: there sudo and shells say why they would not."""
        import asyncssh

        past = _PastNoise()
        with contextlib.suppress(OSError, asyncssh.Error):
            while chunk := await self._process.stderr.read(_CHUNK):
                self._said = (self._said + chunk.replace(_MARK, b""))[-2000:]
                past.take(chunk)
                if past.asked_again:
                    _no_more(self._process)

    def complaint(self) -> str:
        """What it last said on stderr."""
        return self._said.decode(errors="replace").strip()

    def end(self) -> None:
        """Ends the script and its channel."""
        self._listener.cancel()
        _end(self._process)


def _lines(said: bytearray) -> list[str]:
    """Lines as newlines part them, and what follows the last one if there is something."""
    lines = said.decode(errors="replace").split("\n")
    return lines if lines[-1] else lines[:-1]


def _lost(target: Target, effect: Effect) -> RemoteError:
    return RemoteError(
        "lost",
        f"the connection to {target.name} was lost during {effect.name}",
        "what it did there is looked up on the unit",
    )


def _end(process: asyncssh.SSHClientProcess[bytes]) -> None:
    with contextlib.suppress(OSError):
        process.terminate()
    process.close()


def _is_guarded(effect: Effect) -> bool:
    return isinstance(effect, Query) and not effect.stdin


async def _feed(process: asyncssh.SSHClientProcess[bytes], data: bytes, *, hold: bool) -> None:
    import asyncssh

    # A command may end without having read all; whether that was well is told by its exit status.
    with contextlib.suppress(OSError, asyncssh.Error):
        for at in range(0, len(data), _CHUNK):
            process.stdin.write(data[at : at + _CHUNK])
            await process.stdin.drain()
        if not hold:
            process.stdin.write_eof()


async def _read(stream: asyncssh.SSHReader[bytes], most: int, on_line: OnLine | None) -> bytes:
    """All of it up to ``most`` bytes; with ``on_line`` each line goes there, and what follows the last one is returned."""
    kept, rest, past = bytearray(), b"", _PastNoise()
    while said := await stream.read(_CHUNK):
        chunk = past.take(said)
        if on_line:
            *lines, rest = (rest + chunk).split(b"\n")
            rest = rest[-_CHUNK:]
            for line in lines:
                on_line(line.decode(errors="surrogateescape"))
        elif len(kept) <= most:
            kept += chunk
    return bytes(rest if on_line else kept)


async def _read_errors(process: asyncssh.SSHClientProcess[bytes]) -> bytes:
    """Its stderr; all of it where the script did not even begin, since then sudo or a shell says why."""
    kept, past = bytearray(), _PastNoise()
    while chunk := await process.stderr.read(_CHUNK):
        kept += past.take(chunk)[: _STDERR_MOST - len(kept)]
        if past.asked_again:
            _no_more(process)
    return bytes(kept if past.begun else past.noise)


class _PastNoise:
    """Drops what was said before the script began."""

    def __init__(self) -> None:
        self.begun = False
        self.noise = b""

    def take(self, chunk: bytes) -> bytes:
        """What of the next bytes belongs to the script."""
        if self.begun:
            return chunk
        self.noise, mark, rest = (self.noise + chunk).partition(_MARK)
        self.begun = bool(mark)
        self.noise = self.noise[-OUTPUT_MOST:]
        return rest

    @property
    def asked_again(self) -> bool:
        """Whether sudo wants another password, which nobody will type."""
        return not self.begun and b"try again" in self.noise


def _no_more(process: asyncssh.SSHClientProcess[bytes]) -> None:
    with contextlib.suppress(OSError):
        process.stdin.write_eof()
