"""A unit is restarted by the program that does so, and what came up is told by whoever looks after the boot."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from clavel_tui.unit import script
from tests.unit.supervisor import SHELLS

HEAD = """\
state=$1 root=$1/root job=$1/job verb=reboot target=$2 keep_generations= type=nixos
have() { command -v "$1" >/dev/null 2>&1; }
boot_id() { cat "$root/boot"; }
uptime_s() { cat "$root/uptime"; }
safe_point() { :; }
step() { echo "step $1"; }
say() { :; }
warn() { :; }
run() { echo "run $*"; "$@"; }
remember() { printf '%s\\n' "$@" >"$job/state"; }
finish() { echo "$1: $2"; exit 0; }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("root/proc/1", "job", "bin"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "root/boot").write_text("one\n")
    (tmp_path / "root/uptime").write_text("100\n")
    (tmp_path / "job/boot").write_text("one\n")
    return tmp_path


def sh(shell: str, folder: Path, call: str, target: str = "") -> tuple[int, str]:
    environment = {"PATH": f"{folder}/bin:{os.environ['PATH']}"}
    text = HEAD + script("machine.sh") + call
    words = [*SHELLS[shell], "-c", text, "clavel", str(folder), target]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=20, check=False)
    return done.returncode, done.stdout


def program(folder: Path, name: str, text: str) -> None:
    (folder / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / "bin" / name).chmod(0o755)


@pytest.mark.parametrize("shell", ["dash", "bash"])  # a busybox may prefer its own applet to ours, and would go down
def test_without_systemd_the_program_is_asked_and_not_the_function(shell: str, folder: Path) -> None:
    program(folder, "reboot", "echo asked; exit 1")
    code, out = sh(shell, folder, "job_main")
    assert (code, out.splitlines()) == (0, ["step reboot", "run reboot", "asked", "failed: it could not be told to go down"])


@pytest.mark.parametrize("shell", SHELLS)
def test_what_came_up_is_told_after_the_boot_and_nothing_before(shell: str, folder: Path) -> None:
    (folder / "job/state").write_text("phase=rebooting\nasked=50\n")
    assert sh(shell, folder, "job_mend") == (75, "")  # on its way down
    (folder / "root/uptime").write_text("5000\n")
    assert sh(shell, folder, "job_mend") == (0, "")  # nothing came of it: what settles it says so
    (folder / "root/boot").write_text("two\n")
    assert sh(shell, folder, "job_mend") == (0, "succeeded: it was restarted\n")
    (folder / "root/run/current-system").mkdir(parents=True)
    assert sh(shell, folder, "job_mend", "/nix/store/x-other")[1].startswith("failed: it was restarted, and ")


@pytest.mark.parametrize("shell", SHELLS)
def test_garbage_is_counted_without_what_never_became_a_path(shell: str, folder: Path) -> None:
    """nix-store lists locks as dead, and asked for the size of one it stops."""
    program(folder, "nix-store", """\
case $* in
*--print-dead*) printf '%s\\n' 'finding garbage' /nix/store/a-lock /nix/store/b /nix/store/c ;;
*--print-invalid*) echo /nix/store/a-lock ;;
*--size*) case $* in *lock*) exit 1 ;; *) printf '10\\n32\\n' ;; esac ;;
esac""")  # fmt: skip
    done = subprocess.run(
        [*SHELLS[shell], "-c", script("garbage.sh")],
        env={"PATH": f"{folder}/bin:{os.environ['PATH']}"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "dead\t2\t42\n"
