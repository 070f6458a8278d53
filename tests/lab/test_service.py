"""claveld as its unit file runs it: real systemd with all its filters, a user that lasts as long as the service, root's checkout."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .flakes import flake, git, good
from .host import Host
from .lab import Lab
from .pull import ROOT
from .setup import agent_packages
from .shell import LabError, run, wait_for

pytestmark = pytest.mark.lab
HOME = "/srv/claveld"
START = f"""#!/bin/sh
PYTHONPATH={HOME}:{HOME}/site exec python3 -c 'import sys; from clavel_tui.claveld_wiring import main; sys.exit(main())' "$@"
"""
FLEET = """name = "stones"
[sources.main]
url = "git+file:///srv/fleet"
"""
UNIT = 'name = "amber"\ntype = "nixos"\narch = "x86_64-linux"\naddress = "amber"\n'
CONFIG = """fleet = "/srv/fleet/hosts"
tls_certificate = "/etc/claveld/cert.pem"
tls_key = "/run/credentials/claveld.service/key.pem"
"""
SOCKETS = "/nix/var/nix/daemon-socket"


@dataclass
class Server:
    """A host with claveld, and the fleet's repository in /srv/fleet."""

    host: Host
    disk: Path

    def install(self) -> None:
        """As the README says it, by hand."""
        shutil.copytree(agent_packages("trixie", "claveld"), self.disk / "srv/claveld/site")
        shutil.copytree(ROOT / "clavel_tui", self.disk / "srv/claveld/clavel_tui", ignore=shutil.ignore_patterns("__pycache__"))
        self.host.put(f"{HOME}/claveld", START, 0o755)
        self.host.put("/etc/claveld/claveld.toml", CONFIG)
        with tempfile.TemporaryDirectory(prefix="clavel-tls-") as name:
            folder = Path(name)
            words = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", folder / "key.pem")
            more = ("-subj", "/CN=claveld", "-addext", "subjectAltName=IP:127.0.0.1", "-out", folder / "cert.pem")
            run("openssl", "req", "-x509", *words, "-days", "2", *more)
            self.host.put("/etc/claveld/cert.pem", (folder / "cert.pem").read_text())
            self.host.put("/etc/claveld/key.pem", (folder / "key.pem").read_text(), 0o600)
        self.commit("1")
        # As Debian's own package has it, and for which the unit file has a line.
        self.host.exec(f"groupadd --system nix-users; chgrp nix-users {SOCKETS} && chmod 0750 {SOCKETS}")
        unit = (ROOT / "nix/units/claveld.service").read_text()
        unit = unit.replace("/usr/bin/claveld", f"{HOME}/claveld").replace("#SupplementaryGroups", "SupplementaryGroups")
        self.host.put("/etc/systemd/system/claveld.service", unit)
        self.host.exec("systemctl daemon-reload")

    def remove(self) -> None:
        self.host.exec("systemctl stop claveld; systemctl reset-failed claveld", check=False)
        self.host.exec(f"chgrp root {SOCKETS}; chmod 0755 {SOCKETS}; groupdel nix-users", check=False)
        self.host.exec("rm -rf /srv/claveld /srv/fleet /etc/claveld /etc/systemd/system/claveld.service")
        self.host.exec("rm -rf /var/lib/claveld /var/lib/private/claveld /var/cache/claveld /var/cache/private/claveld")
        self.host.exec("systemctl daemon-reload")

    def commit(self, text: str) -> str:
        """What amber runs from now on; the new revision."""
        folder = flake(self.disk / "srv/fleet", {"amber": good("amber", text)}, commit=False)
        (folder / "hosts/amber").mkdir(parents=True, exist_ok=True)
        (folder / "hosts/fleet.toml").write_text(FLEET)
        (folder / "hosts/amber/unit.toml").write_text(UNIT)
        return git(flake(folder, {"amber": good("amber", text)}), "rev-parse", "HEAD").strip()

    def said(self, what: str) -> str:
        """A property of the service, as systemd has it."""
        return self.host.exec(["systemctl", "show", "--value", "-p", what, "claveld"]).stdout.strip()

    def log(self) -> list[str]:
        return self.host.exec("journalctl -u claveld -o cat").stdout.splitlines()

    def command(self, *words: str) -> str:
        return self.host.exec([f"{HOME}/claveld", *words]).stdout

    def get(self, path: str, token: str = "") -> Any:  # noqa: ANN401  what JSON holds
        """By TLS, with its own certificate."""
        script = (
            "import ssl,sys,urllib.request as u;"
            "q=u.Request('https://127.0.0.1:8420'+sys.argv[1],headers={'Authorization':'Bearer '+sys.argv[2]});"
            "print(u.urlopen(q,timeout=10,context=ssl.create_default_context(cafile='/etc/claveld/cert.pem')).read().decode())"
        )
        return json.loads(self.host.exec(["python3", "-c", script, path, token]).stdout)

    def answers(self) -> bool:
        try:
            return bool(self.get("/healthz")["status"] == "ok")
        except LabError:
            return False

    def until(self, what: str, word: str) -> None:
        """A line of its log says so."""
        try:
            wait_for(what, lambda: any(word in line for line in self.log()), timeout=40)
        except LabError as error:
            state = self.host.exec("systemctl status claveld", check=False).stdout
            raise AssertionError("\n".join([str(error), state, *self.log()])) from error


@pytest.fixture
def server(trixie: Lab) -> Iterator[Server]:
    host = trixie.host("h1")
    made = Server(host, trixie.plan.home("h1") / "disk")
    try:
        made.install()
        yield made
    finally:
        made.remove()


def test_the_unit_file_runs_it(server: Server) -> None:
    token = server.command("agent", "add", "amber").strip()  # before it ever ran: as root, who makes the database
    assert server.host.exec("stat -c %a /var/lib/claveld").stdout.strip() == "700"
    first = server.commit("1")
    server.host.exec("systemctl start claveld")
    server.until("it has evaluated root's checkout", "settled operation=")
    assert server.get("/healthz")["status"] == "ok"
    assert server.said("User") == "claveld"
    pid = server.said("MainPID")
    status = dict(
        line.split(":\t", 1) for line in server.host.exec(f"cat /proc/{pid}/status").stdout.splitlines() if ":\t" in line
    )
    assert int(status["Uid"].split()[0]) > 60_000  # of those that systemd gives and takes
    assert (status["NoNewPrivs"], status["Seccomp"], int(status["CapBnd"], 16)) == ("1", "2", 0)

    operator = server.command("token", "add", "ada", "--role", "operator").strip()  # as root, while it runs
    wait_for("the token is known to the one that runs", lambda: is_known(server, operator))
    assert revisions(server, operator) == [first]
    second = server.commit("2")
    server.until("it has seen the commit", 'why="it changed"')
    wait_for("that is what amber should run", lambda: revisions(server, operator) == [second, first])
    assert server.get("/v1/deployments/amber", token)["metadata"]

    server.host.exec("systemctl stop claveld")
    assert server.said("Result") == "success"
    server.host.exec("systemctl start claveld")
    wait_for("it is there again", server.answers)
    server.host.exec("systemctl kill --signal=KILL claveld")
    wait_for("systemd has started it again", lambda: server.said("NRestarts") == "1" and server.answers())
    assert revisions(server, operator) == [second, first]
    assert server.host.exec("stat -Lc %a /var/lib/claveld").stdout.strip() == "700"


def is_known(server: Server, token: str) -> bool:
    try:
        server.get("/v1/deployments", token)
    except LabError:
        return False
    return True


def revisions(server: Server, token: str) -> list[str]:
    """Of amber's Deployments, the newest first."""
    return [one["revision"] for one in server.get("/v1/deployments", token)]
