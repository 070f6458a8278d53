"""The peers: OpenSSH by itself, pyinfra and Ansible. Each runs the very same probe on the very same hosts.

The probe lies on the hosts as a file, so that none of them has to send it. What their control masters use in the background is
not counted against them.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from .hosts import Hosts
from .measure import Sample, taken

PACKAGES = ("pyinfra", "ansible-core")
CURVE = "curve25519-sha256"
END = ">> bench"
"""What each host's answer ends with: a peer that did not get it from all of them was not measured."""


def cache_folder() -> Path:
    """Where the optional peers are installed: apart from our own environment."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clavel-bench" / "peers"


def install() -> None:
    """Into a virtual environment of their own."""
    subprocess.run([sys.executable, "-m", "venv", cache_folder()], check=True)
    subprocess.run([cache_folder() / "bin" / "python", "-m", "pip", "install", "-q", *PACKAGES], check=True)


def version(argv: Sequence[str | Path]) -> str:
    """The first line that a program says of itself, wherever it says it; empty where there is no such program."""
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    except OSError:
        return ""
    return done.stdout.splitlines()[0] if done.returncode == 0 and done.stdout else ""


@dataclass(frozen=True)
class Peers:
    """What the peers need to run ``line`` on the first ``count`` hosts."""

    hosts: Hosts
    count: int
    line: str

    @property
    def _names(self) -> tuple[str, ...]:
        return self.hosts.addresses[: self.count]

    def _shell(self, config: Path, at_once: int) -> Callable[[], Sample]:
        words = ["xargs", f"-P{at_once}", "-n1", "sh", "-c", 'exec ssh -n -F "$0" "$2" "$1"', str(config), self.line]
        return lambda: self._run(words, "\n".join(self._names))

    def control_master(self) -> Callable[[], Sample]:
        """OpenSSH over connections that are kept; call it once before it counts."""
        lines = ("ControlMaster auto", "ControlPersist 600", f"ControlPath {self.hosts.folder}/cm-%h")
        return self._shell(self.hosts.config("master.config", *lines), 16)

    def cold(self, *lines: str) -> Callable[[], Sample]:
        """OpenSSH, a new connection each time."""
        return self._shell(self.hosts.config(f"cold{len(lines)}.config", *lines), 64)

    def pyinfra(self) -> Callable[[], Sample] | None:
        """``pyinfra exec``; None where it is not installed."""
        program = cache_folder() / "bin" / "pyinfra"
        data = {
            "ssh_port": self.hosts.port,
            "ssh_user": "root",
            "ssh_key": str(self.hosts.folder / "id"),
            "ssh_known_hosts_file": str(self.hosts.folder / "known_hosts"),
            "ssh_strict_host_key_checking": "yes",
        }
        inventory = self.hosts.folder / f"inventory{self.count}.py"
        inventory.write_text(f"hosts = ({list(self._names)!r}, {data!r})\n", encoding="utf-8")
        words = [str(program), "-y", str(inventory), "exec", "--", f"sh -c {shlex.quote(self.line)}"]
        return (lambda: self._run(words, "")) if program.exists() else None

    def ansible(self) -> Callable[[], Sample] | None:
        """``ansible -m raw`` over connections that are kept; None where it is not installed."""
        program = cache_folder() / "bin" / "ansible"
        folder = self.hosts.folder
        config = self.hosts.config("ansible.ssh", "ControlMaster auto", "ControlPersist 600")
        settings = folder / "ansible.cfg"
        settings.write_text(
            f"[defaults]\nforks = 50\nlocal_tmp = {folder}/ansible\ninterpreter_python = auto_silent\n"
            f"[ssh_connection]\nssh_args = -F {config} -o ControlMaster=auto -o ControlPersist=600\n"
            f"control_path = {folder}/an-%%h\npipelining = True\n",
            encoding="utf-8",
        )
        inventory = folder / f"inventory{self.count}.ini"
        inventory.write_text("\n".join(self._names) + "\n", encoding="utf-8")
        words = [str(program), "all", "-i", str(inventory), "-m", "raw", "-a", self.line]
        return (lambda: self._run(words, "", ANSIBLE_CONFIG=str(settings))) if program.exists() else None

    def _run(self, words: Sequence[str], stdin: str, **env: str) -> Sample:
        # To a file: a control master keeps its terminal open, so a pipe of ours would never end.
        with TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
            sample = taken(
                lambda: subprocess.run(words, input=stdin, stdout=said, stderr=said, text=True, env={**os.environ, **env})
            )
            said.seek(0)
            text = said.read()
        if text.count(END) < self.count:
            raise SystemExit(f"{words[0]} did not reach all {self.count} hosts:\n{text[-2000:]}")
        return sample

    def end(self) -> None:
        """Ends the control masters: they would wait for ten minutes."""
        for socket in [*self.hosts.folder.glob("cm-*"), *self.hosts.folder.glob("an-*")]:
            subprocess.run(
                ["ssh", "-F", "/dev/null", "-o", f"ControlPath={socket}", "-O", "exit", "x"], stderr=subprocess.DEVNULL
            )
