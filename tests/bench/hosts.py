"""Real OpenSSH servers on 127.0.1.1 and on: each address is a host. Root on Debian; nothing of it outlives the block.

One sshd listens on sixteen addresses at most (its MAX_LISTEN_SOCKS), so there are as many of them as that needs. They stand in
namespaces of their own: ended as one, and without the docker, nix and .bashrc of this machine, so that a host is a plain one.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SOCKETS = 16
HIDDEN = ("docker", "nix", "podman")
SSHD = "/usr/sbin/sshd"

SSHD_CONFIG = """\
{listen}
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/id.pub
PidFile none
StrictModes no
UsePAM no
UseDNS no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
MaxStartups 1000
MaxSessions 1000
LogLevel ERROR
"""

SSH_CONFIG = """\
Host *
  User root
  Port {port}
  IdentityFile {folder}/id
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  BatchMode yes
  LogLevel ERROR
{more}
"""


@dataclass(frozen=True)
class Hosts:
    """The hosts that stand: their addresses, their port, and the folder with everything that a client needs."""

    folder: Path
    addresses: tuple[str, ...]
    port: int

    def config(self, name: str, *lines: str) -> Path:
        """An ssh_config of that name, with more lines."""
        file = self.folder / name
        more = "\n".join(f"  {line}" for line in lines)
        file.write_text(SSH_CONFIG.format(folder=self.folder, port=self.port, more=more), encoding="utf-8")
        return file


@contextmanager
def hosts(count: int) -> Iterator[Hosts]:
    """So many hosts, for as long as the block lasts."""
    if os.geteuid() or not Path(SSHD).exists():
        raise SystemExit(f"the hosts need root and {SSHD}")
    folder = Path(tempfile.mkdtemp(prefix="clavel-bench-"))
    try:
        made = Hosts(folder, tuple(f"127.0.1.{n}" for n in range(1, count + 1)), _free_port())
        server = _start(made)
        try:
            _wait(made)
            yield made
        finally:
            server.send_signal(signal.SIGKILL)  # its child is the first process of the namespace: all of it ends
            server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.1.1", 0))
        return int(probe.getsockname()[1])


def _start(made: Hosts) -> subprocess.Popen[bytes]:
    _keys(made)
    configs = [_server_config(made, number) for number in range(0, len(made.addresses), SOCKETS)]
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    hidden = [found for name in HIDDEN for found in _programs(name)] + ["/root/.bashrc"]
    text = (
        'for f in $HIDE; do if [ -e "$f" ]; then mount --bind /dev/null "$f"; fi; done; for c; do "$SSHD" -D -f "$c" & done; wait'
    )
    apart = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    env = {**os.environ, "HIDE": " ".join(hidden), "SSHD": SSHD}
    return subprocess.Popen([*apart, "sh", "-c", text, "sshd", *map(str, configs)], env=env, stdin=subprocess.DEVNULL)


def _programs(name: str) -> Sequence[str]:
    folders = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/nix/var/nix/profiles/default/bin")
    return [str(Path(folder, name)) for folder in folders if Path(folder, name).exists()]


def _keys(made: Hosts) -> None:
    for name in ("host_key", "id"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f", made.folder / name], check=True)
    key = (made.folder / "host_key.pub").read_text(encoding="ascii").strip()
    known = "".join(f"[{address}]:{made.port} {key}\n" for address in made.addresses)
    (made.folder / "known_hosts").write_text(known, encoding="ascii")


def _server_config(made: Hosts, first: int) -> Path:
    file = made.folder / f"sshd_{first}"
    listen = "\n".join(f"ListenAddress {address}" for address in made.addresses[first : first + SOCKETS])
    file.write_text(SSHD_CONFIG.format(folder=made.folder, port=made.port, listen=listen), encoding="ascii")
    return file


def _wait(made: Hosts) -> None:
    end = time.monotonic() + 20
    for address in made.addresses:
        while not _answers(address, made.port):
            if time.monotonic() > end:
                raise SystemExit(f"no sshd answers on {address}:{made.port}")
            time.sleep(0.05)


def _answers(address: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=2):
        return True
    return False
