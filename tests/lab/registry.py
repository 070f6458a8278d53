"""The lab's image registry, on the machine's own address in the lab's network."""

import os
import signal
import socket
from pathlib import Path

from . import cgroup
from .plan import Plan
from .shell import LabError, read_pid, reap, spawn, wait_for, write

CONFIG = """\
version: 0.1
log: {{level: warn}}
storage:
  filesystem: {{rootdirectory: {folder}/registry}}
  delete: {{enabled: true}}
http: {{addr: "{address}"}}
"""


class Registry:
    """A registry over plain HTTP; what was pushed outlives a stop and start."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.address = plan.registry

    @property
    def is_up(self) -> bool:
        return read_pid(self._pid_file) is not None

    def start(self) -> None:
        if self.is_up:
            return
        settings = self.plan.folder / "registry.yml"
        write(settings, CONFIG.format(folder=self.plan.folder, address=self.address))
        log = self.plan.folder / "registry.log"
        pid = spawn(log, "docker-registry", "serve", settings)
        cgroup.adopt(self.plan.name, pid)
        self._pid_file.write_text(str(pid))
        try:
            wait_for("registry", self._answers)
        except LabError as error:
            raise LabError(f"{error}\n{log.read_text()[-1500:]}") from None

    def stop(self) -> None:
        """Take the registry down: connections to it are refused until `start`."""
        if pid := read_pid(self._pid_file):
            os.kill(pid, signal.SIGKILL)
        wait_for("end of the registry", lambda: not self.is_up)
        self._pid_file.unlink(missing_ok=True)
        reap()

    @property
    def _pid_file(self) -> Path:
        return self.plan.folder / "registry.pid"

    def _answers(self) -> bool:
        try:
            socket.create_connection((self.plan.gateway, 5000), 0.5).close()
        except OSError:
            return False
        return True
