"""Our side of the refresh: the fleet as the console opens it, in this process."""

import asyncio
import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from clavel_tui.operations import InProcessFleet
from clavel_tui.probe import probe_query
from clavel_tui.settings import Settings
from clavel_tui.wiring import Wiring

from .hosts import Hosts

UNIT = """\
name = "{name}"
type = "linux"
arch = "x86_64-linux"
address = "{address}"
state = "{state}"
"""


def write_fleet(folder: Path, units: Sequence[tuple[str, str]], state: str, *, port: int) -> Path:
    """A fleet's files: names with their addresses."""
    for name, address in units:
        (folder / name).mkdir(parents=True)
        text = UNIT.format(name=name, address=address, state=state) + f"port = {port}\n"
        (folder / name / "unit.toml").write_text(text, encoding="utf-8")
    (folder / "fleet.toml").write_text('name = "bench"\n', encoding="utf-8")
    return folder


class Ours:
    """One opened fleet over so many of the hosts."""

    def __init__(self, hosts: Hosts, count: int, label: str) -> None:
        folder = hosts.folder / label
        units = [(f"b{n:03}", address) for n, address in enumerate(hosts.addresses[:count], 1)]
        write_fleet(folder, units, str(hosts.folder / "no-state"), port=hosts.port)
        files = (str(hosts.config("ours.config")), str(hosts.folder / "known_hosts"), str(hosts.folder / "id"))
        self._wiring = Wiring(Settings(str(folder), str(hosts.folder / f"{label}.db"), *files))
        self._runner = asyncio.Runner()
        self._count = count
        self._checked = 0.0
        self._opened: InProcessFleet | None = None
        self._stack = contextlib.AsyncExitStack()

    def __enter__(self) -> Self:
        self._opened = self._runner.run(self._stack.enter_async_context(self._wiring.client()))
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()

    def refresh(self) -> None:
        """All units once, at the same time: asked, parsed, journalled, judged."""
        self._runner.run(self._client.refresh())

    def check(self) -> None:
        """Ends the run unless every host has told its facts since the last call."""
        state = self._runner.run(self._client.snapshot())
        fresh = [u.facts for u in state.units if u.facts and u.facts.kernel and not u.facts.silent and u.facts.at > self._checked]
        self._checked = time.time()
        if len(fresh) != self._count:
            trouble = next((u.trouble for u in state.units if u.trouble), "some were not asked")
            raise SystemExit(f"only {len(fresh)} of {self._count} answered: {trouble}")

    @property
    def _client(self) -> InProcessFleet:
        if self._opened is None:
            raise RuntimeError("not opened")
        return self._opened

    def forget(self) -> None:
        """Closes all connections, so that the next refresh is a cold one."""
        self._runner.run(self._forget())

    async def _forget(self) -> None:
        parts = self._client._parts
        for unit in parts.fleet.units:
            await parts.runner.forget(parts.target(unit))
        await asyncio.sleep(0.2)

    def probe_line(self) -> str:
        """The very probe of one unit, for a peer: the script as a file on the hosts, asked for one frame."""
        parts = self._client._parts
        unit = parts.fleet.units[0]
        script, word = self._wiring.settings.database.with_suffix(".sh"), self._wiring.settings.database.with_suffix(".word")
        script.write_text(probe_query(unit).text, encoding="utf-8")
        word.write_text("probe bench\n", encoding="utf-8")
        words = parts.target(unit).command("", (), elevated=False)
        assignments = " ".join(w for w in words[: words.index("sh")] if w != "env")
        return f"env {assignments} sh {script} <{word}"


@contextlib.contextmanager
def warm(hosts: Hosts, count: int) -> Iterator[Ours]:
    """Opened, connected, and looked at twice."""
    with Ours(hosts, count, f"ours{count}") as ours:
        ours.refresh()
        ours.check()
        ours.refresh()
        yield ours
