"""A host seen from outside: power, faults, and commands out of band."""

import os
import shlex
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from . import cgroup, network
from .boot import ENVIRONMENT
from .plan import Plan
from .shell import LabError, read_pid, reap, run, spawn_module, wait_for

Service = Literal["sshd", "dockerd", "nix-daemon"]
ServiceAction = Literal["kill", "stop", "start"]
UNITS: dict[Service, str] = {"sshd": "ssh", "dockerd": "docker", "nix-daemon": "nix-daemon"}
# Named one by one: --all would ask for the user namespace, which is the machine's own.
ENTER = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--time", "--root", "--wd")


class Host:
    """One host of a lab."""

    def __init__(self, plan: Plan, name: str) -> None:
        self.plan = plan
        self.name = name
        self.address = plan.address(name)

    # ---- power

    @property
    def is_on(self) -> bool:
        return self._init() is not None

    def start(self) -> None:
        """Switch the host on; `wait_ready` tells when its services answer."""
        if read_pid(self._pid_file("keeper")):
            return
        pid = spawn_module(self.plan.home(self.name) / "keeper.log", "keeper", self.plan.slot, self.name)
        cgroup.adopt(self.plan.name, pid)
        self._pid_file("keeper").write_text(str(pid))

    def power_cut(self) -> None:
        """Take the power away: every process is gone at once, and the address falls silent."""
        # First the port: the kernel outlives the host and would say good-bye for every connection.
        network.unplug(self.plan, self.name)
        if init := self._init():
            os.kill(init, signal.SIGKILL)
        self.thaw()  # a frozen process takes even that signal only when thawed
        wait_for(f"power cut of {self.name}", lambda: not self.is_on and not read_pid(self._pid_file("keeper")))
        reap()

    def reboot(self, *, wait: bool = True) -> None:
        """Let the host shut down and boot again, as `reboot` typed on it does."""
        before = self.boot_id()
        self.exec(["systemctl", "reboot"] if self.plan.systemd else ["/bin/busybox", "reboot"], check=False)
        if wait:
            wait_for(f"reboot of {self.name}", lambda: self._boot_id() not in {before, ""}, timeout=60)
            self.wait_ready()

    def wait_ready(self, timeout: float = 60) -> None:
        """Wait until sshd says its banner and the engine answers a ping."""
        try:
            wait_for(f"sshd of {self.name}", self._sshd_answers, timeout)
            wait_for(f"dockerd of {self.name}", self._dockerd_answers, timeout)
        except LabError as error:
            raise LabError(f"{error}\n{self._logs()}") from None

    def boot_id(self) -> str:
        """What /proc/sys/kernel/random/boot_id says on the host."""
        if not (boot_id := self._boot_id()):
            raise LabError(f"{self.name} is off")
        return boot_id

    # ---- out of band

    def exec(
        self, command: Sequence[str] | str, *, check: bool = True, text: str | None = None, timeout: float | None = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run a command (argv, or a line for sh) as root on the host, past its sshd and its cable."""
        if (init := self._init()) is None:
            raise LabError(f"{self.name} is off")
        argv = ["sh", "-c", command] if isinstance(command, str) else list(command)
        settings = [f"{name}={value}" for name, value in ENVIRONMENT.items()]
        enter = ("nsenter", f"--target={init}", *ENTER, "env", "-i", *settings)
        return run(*enter, *argv, check=check, text=text, timeout=timeout)

    def put(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file on the host, with the folders above it."""
        where = shlex.quote(path)
        self.exec(f"mkdir -p $(dirname {where}) && cat >{where} && chmod {mode:o} {where}", text=text)

    # ---- faults of the machine

    def freeze(self) -> None:
        """Hang the host: its kernel still acknowledges packets, and nobody answers."""
        cgroup.freeze(self.plan.name, self.name)

    def thaw(self) -> None:
        cgroup.thaw(self.plan.name, self.name)

    def limit_memory(self, mib: int | None) -> None:
        """Bound the host's memory, for the OOM killer to enforce; None lifts the bound."""
        cgroup.limit_memory(self.plan.name, self.name, mib)

    def service(self, name: Service, action: ServiceAction) -> None:
        """Kill a service (its init starts it again in a second), or hold it down until `start`.

        For sshd this is the listener: sessions go on, as on any machine.
        """
        if self.plan.systemd:
            words = ("kill", "--signal=KILL", "--kill-whom=main") if action == "kill" else (action,)
            self.exec(["systemctl", *words, f"{UNITS[name]}.service"])
            return
        lines = {
            "kill": f"kill -9 $(cat /run/{name}.pid)",
            "stop": f"touch /run/{name}.off; kill $(cat /run/{name}.pid) 2>/dev/null || true",
            "start": f"rm -f /run/{name}.off",
        }
        self.exec(lines[action])

    def kill_sessions(self) -> None:
        """Kill the sshd of every session, as a crash would; the listener and the commands themselves go on."""
        self.exec(["pkill", "-9", "-f", "^sshd(-session)?: [a-z]+[ @]"], check=False)

    def wipe_docker(self) -> None:
        """Remove every container, image, volume and network from the engine."""
        self.exec(
            "docker ps -aq | xargs -r docker rm -fv >/dev/null && docker system prune -af >/dev/null"
            " && docker volume ls -q | xargs -r docker volume rm >/dev/null"
        )

    # ---- faults of the cable

    def cut(self) -> None:
        """Pull the cable, silently, until `heal`."""
        network.cut(self.plan, self.name)

    def drop(self, percent: float) -> None:
        """Lose a part of the packets, each way."""
        network.delay(self.plan, self.name, 0, percent, 0)

    def delay(self, ms: float, *, loss: float = 0, jitter: float = 0) -> None:
        """Delay packets by `ms`, up to `jitter` more, and lose `loss` percent; takes the place of `drop`."""
        network.delay(self.plan, self.name, ms, loss, jitter)

    def rate(self, kbit: int) -> None:
        """Narrow the cable to so many kilobits a second, each way."""
        network.rate(self.plan, self.name, kbit)

    def heal(self) -> None:
        """Take back every fault of the cable."""
        network.heal(self.plan, self.name, on=self.is_on)

    def reset(self) -> None:
        """Take back every fault and bring the host up; what tests left on its disk stays."""
        self.thaw()
        self.limit_memory(None)
        self.heal()
        self.start()
        wait_for(f"init of {self.name}", lambda: self.is_on)
        if self.plan.systemd:
            wait_for(f"systemd of {self.name}", self._systemd_answers)
            self.exec(["systemctl", "start", *UNITS.values()])
        else:
            self.exec("rm -f /run/*.off")
        self.wait_ready()

    # ---- looking in

    def _pid_file(self, which: str) -> Path:
        return self.plan.home(self.name) / f"{which}.pid"

    def _init(self) -> int | None:
        """The host's pid 1, as this machine numbers it."""
        return read_pid(self._pid_file("init"))

    def _boot_id(self) -> str:
        try:
            return Path(f"/proc/{self._init()}/root/run/boot-id").read_text().strip()
        except OSError:
            return ""

    def _logs(self) -> str:
        """The ends of the host's logs: they are gone when the error is read."""
        home = self.plan.home(self.name)
        logs = [home / "keeper.log", *sorted((home / "disk/var/log").glob("*.log"))]
        return "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-1500:]}" for log in logs if log.exists())

    def _systemd_answers(self) -> bool:
        return self.exec(["systemctl", "show"], check=False).returncode == 0

    def _sshd_answers(self) -> bool:
        # A connection tried before the link is up costs a second of ARP: first look for the listener.
        try:
            table = Path(f"/proc/{self._init()}/net/tcp").read_text()
            if ":0016 00000000:0000 0A" not in table:
                return False
            with socket.create_connection((self.address, 22), 1) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def _dockerd_answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            try:
                connection.connect(f"/proc/{self._init()}/root/run/docker.sock")
                connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
                return b"200 OK" in connection.recv(64)
            except OSError:
                return False
