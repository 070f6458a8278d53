"""Deploying one small change to eight hosts of the lab, against `nix copy` and an activation over ssh: in turn, and by xargs -P8.

Evaluated and built before the clock starts, for everybody. The peers activate and set the profile at once; ours plans, asks each
unit for its dry activation, keeps both systems by roots, activates, looks at what failed, waits to be reached over a new
connection, and only then sets profile and boot entry.
"""

import os
import subprocess
import tempfile
from pathlib import Path

from tests.lab.lab import Lab
from tests.lab.systems import OWN, PROFILE, Fleet, profile, runs

from .measure import Aim, Row, Sample, Verdict, interleaved, row, taken, verdicts

COUNT = 8
OURS, PATIENT = "clavel-tui deploy", "clavel-tui deploy, 3 s of grace"
EACH, AT_ONCE = "nix copy and ssh, host by host", "nix copy and ssh, xargs -P8"
AIMS = (Aim("wall", AT_ONCE, 1.1), Aim("wall", EACH, None))
GRACE = {OURS: 0, PATIENT: 3}
LINE = """\
nix copy --to "ssh://$1" "$2" && ssh -F {config} "$1" \
  "nix-env -p {profile} --set $2 && $2/bin/switch-to-configuration switch"
"""


class Contest:
    """Eight hosts and one workstation; each run is a version of its own."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.fleet = Fleet(lab, folder, OWN)
        self.fleet.begin()
        self.version = 1

    def _changed(self) -> dict[str, str]:
        self.version += 1
        settings = {"version": f"24.11.{self.version}", "motd": f"{self.version}"}
        self.fleet.commit(**{host.name: settings for host in self.fleet.lab.hosts})
        self.fleet.console.run("eval").ends(0)
        return {host.name: self.fleet.built(host.name) for host in self.fleet.lab.hosts}

    def ours(self, grace: int) -> Sample:
        for host in self.fleet.lab.hosts:
            self.fleet.unit(host.name, system={"grace_seconds": grace})
        wanted = self._changed()
        sample = taken(lambda: self.fleet.change("deploy", *wanted).ends(0))
        self._proved(wanted)
        return sample

    def loop(self, at_once: int) -> Sample:
        wanted = self._changed()
        line = LINE.format(config=f"{self.fleet.lab.ssh_dir}/config", profile=PROFILE)
        environment = os.environ | {
            "PATH": f"{self.fleet.folder}/bin:{os.environ['PATH']}",
            "NIX_SSHOPTS": f"-F {self.fleet.lab.ssh_dir}/config",
            "NIX_CONFIG": "extra-experimental-features = nix-command flakes",
        }
        words = ("xargs", f"-P{at_once}", "-n2", "sh", "-c", line, "sh")
        text = "\n".join(f"{name} {path}" for name, path in wanted.items())
        sample = taken(lambda: subprocess.run(words, env=environment, input=text, text=True, check=True, capture_output=True))
        self._proved(wanted)
        return sample

    def _proved(self, wanted: dict[str, str]) -> None:
        found = {host.name: (runs(host), profile(host)) for host in self.fleet.lab.hosts}
        if found != {name: (path, path) for name, path in wanted.items()}:
            raise RuntimeError(f"not everything runs what it was to run: {found}")


def deploy(runs_: int) -> tuple[list[Row], list[Verdict]]:
    """Needs the lab: root on Debian."""
    if os.geteuid() != 0:
        return [Row("deploy", OURS, COUNT, missing="the lab needs root")], []
    with tempfile.TemporaryDirectory(prefix="clavel-bench-") as name, Lab(hosts=COUNT) as lab:
        contest = Contest(lab, Path(name) / "ws")
        contestants = {
            OURS: lambda: contest.ours(GRACE[OURS]),
            PATIENT: lambda: contest.ours(GRACE[PATIENT]),
            EACH: lambda: contest.loop(1),
            AT_ONCE: lambda: contest.loop(COUNT),
        }
        samples = interleaved(contestants, 1 + runs_)
        contest.fleet.forget()
    rows = [row("deploy", what, COUNT, found[1:]) for what, found in samples.items()]
    return rows, verdicts(rows, OURS, AIMS)
