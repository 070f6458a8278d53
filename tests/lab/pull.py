"""claveld on the workstation and agents on the hosts, as their users start them."""

import contextlib
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from clavel_tui.domain.broker import Broker

from .console import PROGRAM
from .host import Host
from .lab import Lab
from .setup import agent_packages
from .shell import run, wait_for, write
from .systems import QUICK, Fleet

ROOT = Path(__file__).parents[2]
CLAVELD = Path(sys.executable).parent / "claveld"
PORT = 8420
HOME = "/srv/clavel-agent"
START = f"""#!/bin/sh
MALLOC_ARENA_MAX=1 PYTHONPATH={HOME}:{HOME}/SITE exec python3 -c 'import sys; from clavel_tui.agent_wiring import main; sys.exit(main())' "$@"
"""
AGENT = """\
name = "{host}"
type = "{type}"
arch = "x86_64-linux"
[claveld]
{way}
[system]
confirm_seconds = {confirm_seconds}
check_seconds = {check_seconds}
grace_seconds = {grace_seconds}
"""


class Claveld:
    """As long as a `with` block lasts. ``folder``: its file, its database, its certificate."""

    def __init__(self, fleet: Fleet, name: str = "claveld", port: int = PORT, nats: Broker | None = None) -> None:
        self.fleet = fleet
        self.folder = fleet.folder / name
        self.port = port
        self.nats = nats
        self.url = f"https://{fleet.lab.plan.gateway}:{port}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._make_certificate()
        said = {
            "fleet": str(self.fleet.console.hosts),
            "listen": f"{self.fleet.lab.plan.gateway}:{self.port}",
            "database": str(self.folder / "claveld.db"),
            "tls_certificate": str(self.ca),
            "tls_key": str(self.folder / "key.pem"),
            "nix": str(self.fleet.folder / "bin/nix"),
        }
        bus = f"[nats]\n{settings_of(self.nats)}\n" if self.nats else ""
        write(self.folder / "claveld.toml", "".join(f"{key} = {json.dumps(value)}\n" for key, value in said.items()) + bus)
        self.operator = self.command("token", "add", "lab", "--role", "operator").strip()
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def ca(self) -> Path:
        return self.folder / "cert.pem"

    def _make_certificate(self) -> None:
        name = f"subjectAltName=IP:{self.fleet.lab.plan.gateway}"
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", self.folder / "key.pem")
        run("openssl", "req", "-x509", *key, "-days", "2", "-subj", "/CN=claveld", "-addext", name, "-out", self.ca)

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            serve = [CLAVELD, "--config", self.folder / "claveld.toml", "serve"]
            # A fault of a compiled library leaves the Python stack in the log.
            self._process = subprocess.Popen(serve, stdout=log, stderr=log, env={**os.environ, "PYTHONFAULTHANDLER": "1"})
        try:
            wait_for("claveld answers", self._answers, timeout=30)
        except BaseException as error:
            self.stop(signal.SIGKILL)
            raise AssertionError(f"{error}\n{(self.folder / 'log').read_text()[-3000:]}") from error

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self._process:
            with contextlib.suppress(ProcessLookupError):  # one that has ended of itself is told by whoever asked it
                os.kill(self._process.pid, number)
            self._process.wait(30)
            self._process = None

    def _answers(self) -> bool:
        try:
            return bool(self.get("/healthz")["status"] == "ok")
        except OSError:
            return False

    def command(self, *words: str, code: int = 0) -> str:
        """One of its commands, as root types it beside the server."""
        done = subprocess.run([CLAVELD, "--config", self.folder / "claveld.toml", *words], capture_output=True, text=True)
        assert done.returncode == code, f"claveld {' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def get(self, path: str, *, said: object = None) -> Any:  # noqa: ANN401  what JSON holds
        """With the token of an operator; ``said`` makes it a POST."""
        body = None if said is None else json.dumps(said).encode()
        headers = {"Authorization": f"Bearer {self.operator}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, body, headers)
        try:
            with urllib.request.urlopen(request, timeout=30, context=ssl.create_default_context(cafile=self.ca)) as answer:
                return json.loads(answer.read())
        except OSError:
            code = self._process.poll() if self._process else None
            if code is None:
                raise
        # Not behind a long way through sockets, whose end is what is cut off where little is shown.
        raise AssertionError(f"claveld has ended of itself: {code}\n{(self.folder / 'log').read_text()[-3000:]}")

    def report(self, agent: str) -> dict[str, Any]:
        """What it said last; empty where it has said nothing."""
        state = next(one for one in self.get("/v1/agents") if one["agent"]["name"] == agent)
        said: dict[str, Any] = state["reports"][0]["report"] if state["reports"] else {}
        return said


class InConsole(Claveld):
    """The one in the workstation's console, as long as that is open: in a terminal with ``argv`` and ``env``."""

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._make_certificate()
        self.config = self.fleet.folder / "config/clavel-tui/config.toml"
        self._before = self.config.read_text()
        said = {
            "listen": f"{self.fleet.lab.plan.gateway}:{self.port}",
            "tls_certificate": str(self.ca),
            "tls_key": str(self.folder / "key.pem"),
        }
        nix = f'nix = "{self.fleet.folder}/bin/nix"\n[claveld]\n'
        write(self.config, nix + "".join(f"{key} = {json.dumps(value)}\n" for key, value in said.items()))
        self.env = {**self.fleet.home, "XDG_DATA_HOME": str(self.folder / "data"), "CLAVEL_FLEET": str(self.fleet.console.hosts)}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        write(self.config, self._before)

    @property
    def argv(self) -> list[str]:
        ssh = self.fleet.lab.ssh_dir
        files = ("--ssh-config", ssh / "config", "--known-hosts", ssh / "known_hosts", "--identity", ssh / "id")
        return [str(PROGRAM), *(str(part) for part in files)]

    def command(self, *words: str, code: int = 0) -> str:
        done = subprocess.run([CLAVELD, "--console", *words], env={**os.environ, **self.env}, capture_output=True, text=True)
        assert done.returncode == code, f"claveld --console {' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout


def settings_of(broker: Broker) -> str:
    """As a file says it."""
    said = broker.model_dump(exclude_defaults=True)
    return "\n".join(f"{key} = {json.dumps(value)}" for key, value in said.items())


class Agent:
    """clavel-agent on one host, with Debian's own Python."""

    def __init__(self, lab: Lab, host: Host) -> None:
        self.host = host
        self._systemd = lab.plan.systemd
        self._folder = lab.plan.home(host.name) / "disk/srv/clavel-agent"

    def install(self, claveld: Claveld, token: str = "", nats: Broker | None = None, **settings: Any) -> None:  # noqa: ANN401  of [system]
        """Its packages, its file and its token; enrolled with one command on claveld's side."""
        site = "agent-nats" if nats else "agent"
        if not (self._folder / site).exists():
            shutil.copytree(agent_packages(self.host.plan.stack, site), self._folder / site)
        if not (self._folder / "clavel_tui").exists():
            shutil.copytree(ROOT / "clavel_tui", self._folder / "clavel_tui", ignore=shutil.ignore_patterns("__pycache__"))
        self.host.put(f"{HOME}/clavel-agent", START.replace("SITE", site), 0o755)
        self.host.put("/etc/clavel-agent/ca.pem", claveld.ca.read_text())
        self.host.put("/etc/clavel-agent/token", token or claveld.command("agent", "add", self.host.name), 0o600)
        way = f'url = "{claveld.url}"\nca_file = "/etc/clavel-agent/ca.pem"'
        way = f"[claveld.nats]\n{settings_of(nats)}" if nats else way
        self.host.put(
            "/etc/clavel-agent/agent.toml", AGENT.format(host=self.host.name, way=way, **{"type": "nixos", **QUICK, **settings})
        )

    def start(self) -> None:
        if self._systemd:
            unit = (ROOT / "nix/units/clavel-agent.service").read_text().replace("/usr/bin/clavel-agent", f"{HOME}/clavel-agent")
            self.host.put("/etc/systemd/system/clavel-agent.service", unit)
            self.host.exec("systemctl daemon-reload && systemctl restart clavel-agent")
            return
        loop = (
            f"echo $$ >/run/clavel-agent.pid; while :; do {HOME}/clavel-agent run >>/var/log/clavel-agent.log 2>&1; sleep 1; done"
        )
        self.host.exec(f"setsid sh -c '{loop}' </dev/null >/dev/null 2>&1 &")

    def stop(self) -> None:
        """And what it leaves behind, for the next test."""
        if self._systemd:
            self.host.exec("systemctl stop clavel-agent; systemctl reset-failed clavel-agent", check=False)
        self.host.exec("kill -9 $(cat /run/clavel-agent.pid)", check=False)
        # No shell: its own command line would be one of those that are killed, and nothing behind it would be done.
        self.host.exec(["pkill", "-f", "clavel_tui.agent_wiring"], check=False)
        running = ["pgrep", "-f", "clavel_tui.agent_wiring"]
        wait_for("the agent has ended", lambda: self.host.exec(running, check=False).returncode != 0)
        self.host.exec("rm -rf /var/lib/clavel-agent")

    def kill(self) -> None:
        """As a crash does; whatever started it starts it again."""
        kill = ["pkill", "-9", "-f", "clavel_tui.agent_wiring"]
        # One that was killed a moment ago is not back yet.
        wait_for("it runs, and is killed", lambda: self.host.exec(kill, check=False).returncode == 0, timeout=30)

    def command(self, *words: str) -> str:
        return self.host.exec([f"{HOME}/clavel-agent", *words]).stdout

    def log(self) -> str:
        """For a failure."""
        where = "journalctl -u clavel-agent -o cat -n 60" if self._systemd else "tail -n 60 /var/log/clavel-agent.log"
        return self.host.exec(where, check=False).stdout
