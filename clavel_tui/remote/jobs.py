"""The workstation's side of a durable job: put, start, follow, cancel, acknowledge, settle. See unit/job.sh."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from clavel_tui.remote.bundle import Bundle
from clavel_tui.remote.effects import Mutation, Query
from clavel_tui.remote.errors import RemoteError
from clavel_tui.remote.runner import Runner
from clavel_tui.remote.target import Target

FOLLOW_S = 30
"""One look at a job's log lasts so long at most; then the next one begins where it ended."""


@dataclass(frozen=True)
class JobScripts:
    """The texts of unit/put.sh and of unit/job.sh with unit/lib.sh; remote knows no file of ours."""

    put: str
    job: str


@dataclass(frozen=True)
class JobEnd:
    """Where a look at a job ended: running, dead, missing, ended, unknown; with the result of one that ended."""

    word: str
    offset: int = 0
    result: dict[str, str] = field(default_factory=dict)


OnLog = Callable[[str, str], None]
"""(kind, text) of a line of the job's log: step, say, warn, run, out."""


class JobClient:
    """Speaks to job.sh on units."""

    def __init__(self, runner: Runner, scripts: JobScripts, put_timeout: float = 180.0) -> None:
        self._runner = runner
        self._scripts = scripts
        self._put_timeout = put_timeout

    async def put(self, target: Target, bundle: Bundle) -> str:
        """Sends the bundle with the login's own rights and returns its folder on the unit.

        Raises:
            RemoteError: it did not arrive whole; then nothing of it can be run.
        """
        if target.elevate == "helper":
            return ""  # its code is there, and its parameters come with its start
        put = Mutation.script(
            "put", self._scripts.put, bundle.sum(), stdin=bundle.tar(), timeout=self._put_timeout, elevated=False
        )
        result = await self._runner.mutate(target, put)
        if not result.ok:
            raise RemoteError(
                "put",
                f"the job's files could not be put on {target.name}: {result.err.strip() or 'the disk may be full'}",
            )
        return result.out.strip().splitlines()[-1]

    async def start(self, target: Target, ident: str, folder: str, bundle: Bundle) -> str:
        """Starts the job; sent twice it runs once. Returns the identity of the unit's state folder.

        Raises:
            RemoteError: ``uncertain`` when the answer was lost: the job may run.
        """
        said: tuple[str, ...] = (folder, bundle.sum())
        stdin = b""
        if target.elevate == "helper":
            said = (bundle.code_sum(),)
            # Its words hold no apostrophe, which is how it knows them for literal ones.
            params = bundle.files["params"][0].replace(b"'\"'\"'", "\N{RIGHT SINGLE QUOTATION MARK}".encode())
            stdin = params + b"--\n" + bundle.files["owner"][0]
        start = Mutation.script("start", self._scripts.job, "start", ident, *said, stdin=stdin, timeout=60.0)
        result = await self._runner.mutate(target, start)
        if result.code:
            raise RemoteError("start", f"the job could not be started on {target.name}: {result.err.strip()}")
        words = dict(line.partition(" ")[::2] for line in result.out.splitlines())
        return words.get("born", "")

    async def follow(self, target: Target, ident: str, offset: int, on_log: OnLog) -> JobEnd:
        """Reads the job's log from a byte on, as it comes, for FOLLOW_S seconds at most.

        Raises:
            RemoteError: the connection was lost; follow again from the offset that was reached.
        """
        reader = _LogReader(offset, on_log)
        query = Query.script("follow", self._scripts.job, "follow", ident, str(offset), str(FOLLOW_S), timeout=FOLLOW_S + 15.0)
        try:
            await self._runner.query(target, query, reader.line)
        except RemoteError as error:
            raise FollowLostError(error, reader.offset) from error
        return JobEnd(reader.word or "lost", reader.offset, reader.result)

    async def settle(self, target: Target, ident: str, born: str) -> JobEnd:
        """What became of the job. Closes what can never run any more; waits for nothing."""
        reader = _LogReader(0, lambda _kind, _text: None)
        result = await self._runner.mutate(
            target, Mutation.script("settle", self._scripts.job, "settle", ident, born, timeout=60.0)
        )
        for line in result.out.splitlines():
            reader.line(line)
        if result.code:
            raise RemoteError("settle", f"{target.name} could not settle the job: {result.err.strip().removeprefix('! ')}")
        return JobEnd(reader.word or "unknown", 0, reader.result)

    async def leave_word(self, target: Target, ident: str, word: str) -> None:
        """``cancel`` or ``ack``, for the running job to find."""
        result = await self._runner.mutate(target, Mutation.script(word, self._scripts.job, word, ident))
        if not result.ok:
            raise RemoteError("start", result.err.strip())

    async def acknowledge(self, target: Target, ident: str) -> None:
        """Over a new connection: that is what proves that the unit can still be reached. The old one goes on beside it."""
        fresh = replace(target, apart=ident)
        try:
            await self.leave_word(fresh, ident, "ack")
        finally:
            await self._runner.forget(fresh)

    async def unlock(self, target: Target) -> list[str]:
        """Settles dead jobs. Lines: ``settled ID``, ``live ID …``, ``free`` or ``held …``."""
        result = await self._runner.mutate(target, Mutation.script("unlock", self._scripts.job, "unlock", timeout=60.0))
        return result.out.splitlines()


class FollowLostError(RemoteError):
    """The connection was lost while a log was followed; ``offset`` says from where to go on."""

    def __init__(self, error: RemoteError, offset: int) -> None:
        super().__init__(error.kind, error.text, error.hint)
        self.offset = offset


class _LogReader:
    """Tells log lines, "UPTIME KIND TEXT", from the last words, "= WORD" and "KEY=VALUE"."""

    def __init__(self, offset: int, on_log: OnLog) -> None:
        self.offset = offset
        self.word = ""
        self.result: dict[str, str] = {}
        self._on_log = on_log

    def line(self, line: str) -> None:
        """Takes one line."""
        if self.word:
            key, _, value = line.partition("=")
            self.result[key] = value
        elif line.startswith("= "):
            self.word = line[2:].strip()
        else:
            self.offset += len(line.encode(errors="surrogateescape")) + 1
            parts = line.split(" ", 2)
            if len(parts) > 1:
                self._on_log(parts[1], parts[2] if len(parts) > 2 else "")  # noqa: PLR2004
