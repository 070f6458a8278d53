"""A workstation for the lab's hosts: a fleet's files, a journal, and the command line that a person would type."""

import json
import os
import shutil
import subprocess
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import tomli_w

from .lab import Lab
from .shell import PATIENCE, write

PROGRAM = Path(sysconfig.get_path("scripts"), "clavel-tui")
QUICK: dict[str, Any] = {"grace_seconds": 1, "health_seconds": 60, "min_free_mib": 16}
"""Settings of a stack whose services are well within a second or two."""


@dataclass(frozen=True)
class Answer:
    """What a command answered, and how it ended."""

    words: tuple[str, ...]
    code: int
    out: str
    err: str

    def ends(self, code: int) -> Self:
        """Fail with all that was said unless it ended so."""
        assert self.code == code, f"{' '.join(self.words)}: exit code {self.code}, not {code}\n{self.out}{self.err}"
        return self

    @property
    def json(self) -> Any:  # noqa: ANN401  whatever the command printed
        assert self.out, f"{' '.join(self.words)} printed nothing: {self.err}"
        return json.loads(self.out)

    @property
    def operation(self) -> dict[str, Any]:
        """The one operation that the command made."""
        (operation,) = self.json["operations"]
        return dict(operation)

    @property
    def text(self) -> str:
        """The sentence that the operation ended with."""
        return str(self.operation["text"])


@dataclass(frozen=True)
class Console:
    """One workstation. Several may share a fleet's folder: each has a journal of its own."""

    lab: Lab
    folder: Path
    journal: str = "journal.db"
    code: Path | None = None
    """A folder with a copy of our package, which the command line then runs."""

    @property
    def hosts(self) -> Path:
        """The folder of fleet.toml."""
        return self.folder / "hosts"

    def another(self, journal: str) -> "Console":
        """A second workstation: the same repository, and a journal that knows nothing yet."""
        return replace(self, journal=journal)

    # ---- the fleet's files

    def unit(self, host: str, stacks: Mapping[str, Mapping[str, Any]] | None = None, **settings: object) -> None:
        """Declare a host of the lab as the unit of that name. ``stacks``: what differs from QUICK, by stack."""
        if not (self.hosts / "fleet.toml").exists():
            write(self.hosts / "fleet.toml", tomli_w.dumps({"name": "lab"}))
        said: dict[str, Any] = {"name": host, "type": "linux", "arch": "x86_64-linux", "address": host, **settings}
        said["stacks"] = {name: {**QUICK, **table} for name, table in (stacks or {}).items()}
        write(self.hosts / host / "unit.toml", tomli_w.dumps(said))

    def stack(self, host: str, stack: str, files: Mapping[str, str]) -> None:
        """Make a stack's folder in the repository hold these files, and no others."""
        folder = self.source(host, stack)
        shutil.rmtree(folder, ignore_errors=True)
        for name, text in files.items():
            write(folder / name, text)

    def source(self, host: str, stack: str) -> Path:
        """A stack's folder in the repository."""
        return self.hosts / host / "compose" / stack

    # ---- the command line

    def environ(self, *more: Path) -> dict[str, str]:
        """A home of its own, its copy of the package if it has one, and what else Python shall find."""
        own = {"HOME": str(self.folder)} | {f"XDG_{what.upper()}_HOME": str(self.folder / what) for what in ("data", "config")}
        before = (self.code or "", os.environ.get("PYTHONPATH", ""))
        path = os.pathsep.join(str(part) for part in (*before, *more) if part)
        return os.environ | own | ({"PYTHONPATH": path} if path else {})

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command and leave it to the caller."""
        return subprocess.Popen(
            self._argv(*words),
            env=self.environ(),
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *words: str, timeout: float = 180) -> Answer:
        """Run a command to its end."""
        with self.start(*words) as process:
            try:
                out, err = process.communicate(timeout=timeout * PATIENCE)
            except BaseException:
                process.kill()
                raise
        return Answer(words, process.returncode, out, err)

    def change(self, verb: str, host: str, stack: str, *words: str) -> Answer:
        """Do something to a stack, confirmed beforehand; the answer is JSON."""
        return self.run(verb, stack, "--unit", host, "--yes", "--json", *words)

    def seen(self, host: str, stack: str) -> dict[str, Any]:
        """A stack as `stacks --json` shows it."""
        found = self.run("stacks", "--unit", host, "--json").ends(0).json
        (view,) = [view for view in found if view["name"] == stack]
        return dict(view)

    @staticmethod
    def plain(argv: list[str]) -> Answer:
        """Run a command that is no verb of this fleet, without a terminal."""
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180, check=False)
        return Answer(tuple(argv), done.returncode, done.stdout, done.stderr)

    def _argv(self, *words: str) -> list[str]:
        ssh = self.lab.ssh_dir
        options = {
            "--fleet": self.hosts, "--db": self.folder / self.journal, "--ssh-config": ssh / "config",
            "--known-hosts": ssh / "known_hosts", "--identity": ssh / "id",
        }  # fmt: skip
        return [str(PROGRAM), *(str(part) for option in options.items() for part in option), *words]
