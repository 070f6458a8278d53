"""Writes a unit's folder: what its programs answer, the files of /proc, /etc and /run that our scripts read, its Nix profile."""

from __future__ import annotations

import hashlib
import shutil
import stat
import sys
from pathlib import Path

from clavel_tui.demo.engine.systems import Store, store_name
from clavel_tui.demo.fleet import DemoUnit

TOOLS = Path(__file__).parent / "tools"


def write_tools(folder: Path) -> None:
    """The programs that all units share. The interpreter is named here, since a first line may hold 127 characters only."""
    folder.mkdir()
    for tool in TOOLS.iterdir():
        if tool.is_file():
            _program(folder / tool.name, tool.read_text(encoding="utf-8"))
    (folder / "python").symlink_to(Path(sys.executable).resolve())
    for program, module in {"docker": "main", "nix": "nix", "nix-store": "nix_store", "nix-env": "nix_env"}.items():
        start = f"""#!{folder / "python"} -IS
import os, sys

sys.path.insert(0, {str(Path(__file__).parent)!r})
from engine.{module} import main

code = main(sys.argv[1:])
os._exit(code)  # everything was said: the interpreter's own end would cost another 2 ms
"""
        _program(folder / program, start)


def _program(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


def write_machine(unit: DemoUnit, folder: Path, tools: Path) -> None:
    """Everything of a unit but its stacks."""
    for name in ("answers", "bin", "home", "tmp", "srv", "etc", "var/lib/clavel", "var/lib/docker"):
        (folder / name).mkdir(parents=True, mode=0o700)
    answers = _darwin(unit) if unit.kind == "darwin" else _linux(unit, folder)
    answers |= {
        "uname -sr": unit.kernel,
        "uname -m": unit.machine,
        "uname -n": unit.name,
        "nix --version": "nix (Nix) 2.31.2",
        "df": "\n".join(["Filesystem 1024-blocks Used Available Capacity Mounted on", *(_disk(*disk) for disk in unit.disks)]),
    }
    for line, text in answers.items():
        (folder / "answers" / line).write_text(f"{text}\n", encoding="utf-8")
    (folder / "bin/docker").symlink_to(tools / "docker")
    for program in ("df", "nix-store", "nix-env"):
        (folder / "bin" / program).symlink_to(tools / program)
    for program in {line.partition(" ")[0] for line in answers} - {"df", "services"}:
        (folder / "bin" / program).symlink_to(tools / "answer")
    _nix(unit, folder)


def _disk(device: str, at: str, size: int, used: int) -> str:
    return f"{device} {size} {used} {size - used} {100 * used // size}% {at}"


def _hash(*words: str) -> str:
    return hashlib.sha256("\n".join(words).encode()).hexdigest()


def _linux(unit: DemoUnit, folder: Path) -> dict[str, str]:
    boot = _hash("boot", unit.name)
    files = {
        "etc/os-release": f'ID=nixos\nVERSION_ID="25.11"\nPRETTY_NAME="{unit.system}"\n',
        "proc/uptime": f"{unit.uptime_days * 86400:.2f} 0.00\n",
        "proc/loadavg": f"{unit.load} 1/312 4711\n",
        "proc/meminfo": f"MemTotal: {unit.memory[0]} kB\nMemAvailable: {unit.memory[1]} kB\n",
        "proc/cpuinfo": "".join(f"processor : {n}\n" for n in range(unit.cpus)),
        "proc/sys/kernel/random/boot_id": f"{boot[:8]}-{boot[8:12]}-4{boot[13:16]}-a{boot[17:20]}-{boot[20:32]}\n",
        "proc/sys/kernel/ostype": f"{unit.kernel.partition(' ')[0]}\n",
        "proc/sys/kernel/osrelease": f"{unit.kernel.partition(' ')[2]}\n",
        "proc/sys/kernel/arch": f"{unit.machine}\n",
        "proc/sys/kernel/hostname": f"{unit.name}\n",
        "sys/devices/system/cpu/online": f"0-{unit.cpus - 1}\n",
        "run/systemd/system/.here": "",
    }
    if unit.temperature:
        files["sys/class/thermal/thermal_zone0/temp"] = f"{unit.temperature}\n"
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    for program in ("systemctl", "systemd-run"):
        (folder / "bin" / program).symlink_to(folder.parent / "tools" / program)
    answers = {"services": "\n".join(f"{name} {state}" for name, state in unit.services.items())}
    return answers | ({"vcgencmd get_throttled": unit.throttled} if unit.throttled else {})


def _darwin(unit: DemoUnit) -> dict[str, str]:
    return {
        "sw_vers -productVersion": unit.system,
        "sysctl -n kern.bootsessionuuid": _hash("boot", unit.name)[:32].upper(),
        "sysctl -n vm.loadavg": f"{{ {unit.load} }}",
        "sysctl -n hw.memsize": str(unit.memory[0] * 1024),
        "sysctl -n hw.ncpu": str(unit.cpus),
        "launchctl list": "",
    }


def _nix(unit: DemoUnit, folder: Path) -> None:
    """A store with the system's generations, the profile that names them, and what runs."""
    profiles = folder / "nix/var/nix/profiles"
    profiles.mkdir(parents=True)
    first, last = unit.generations
    names = {number: store_name(unit.name, unit.kind == "darwin", number) for number in range(first, last + 1)}
    Store(folder).add(f"/nix/store/{name}" for name in names.values())
    made = Path()
    for number, name in names.items():
        made = folder / "nix/store" / name
        (profiles / f"system-{number}-link").symlink_to(made)
    (profiles / "system").symlink_to(f"system-{last}-link")
    (folder / "run").mkdir(exist_ok=True)
    (folder / "run/current-system").symlink_to(made)
    if unit.kind != "darwin":
        (folder / "run/booted-system").symlink_to(made)


def remove(folder: Path) -> None:
    """The whole demo, though a detached process may write into it until its very end."""
    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
