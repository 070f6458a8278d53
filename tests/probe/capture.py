"""Makes the fixtures anew from real hosts: `python -m tests.probe.capture`, as root on Debian, in about a minute.

Each scenario is brought about on a host of each lab, looked at as the console looks, and kept as it came.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from clavel_tui.domain.unit import Check, Stack, Unit
from clavel_tui.probe import probe_query
from clavel_tui.remote.pool import Pool, PoolLimits
from clavel_tui.remote.secrets import Secrets
from clavel_tui.remote.ssh import SshRunner
from clavel_tui.remote.target import Target
from clavel_tui.remote.trust import SshFiles
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.lab.plan import STACKS

FIXTURES = Path(__file__).parent / "fixtures"
CHECKS = ("true", "exit 3", "sleep 30")
UNIT = Unit.model_validate(
    {
        "name": "h1",
        "type": "linux",
        "arch": "x86_64-linux",
        "address": "h1",
        "stacks": (Stack(name="web", path="/srv/web"), Stack(name="absent", path="/srv/absent")),
        "checks": (Check(systemd="ssh.service"), *(Check(command=line) for line in CHECKS)),
    }
)
COMPOSE = """\
services:
  app:
    image: {app}
    restart: always
  once:
    image: {once}
    network_mode: none
"""
GENERATIONS = """\
for n in 1 2; do
    made=$(nix-build --no-out-link -E "derivation {
        name = \\"system\\"; system = \\"x86_64-linux\\"; builder = \\"/bin/sh\\"; args = [\\"-c\\" \\"echo $n > \\$out\\"]; }")
    nix-env -p /nix/var/nix/profiles/system --set "$made"
    [ "$n" = 2 ] || /etc/rc.boot
done
"""


def frame(lab: Lab, host: str = "h1") -> str:
    """What the host answers to one look, from the first line to the last."""

    async def look() -> str:
        files = SshFiles((lab.ssh_dir / "config",), lab.ssh_dir / "known_hosts", lab.ssh_dir / "id")
        runner = SshRunner(Pool(files, PoolLimits(), time.monotonic), Secrets())
        lines, whole = await runner.converse(Target("h1", host), probe_query(UNIT), "probe fixture", ">> fixture")
        await runner.close()
        return "\n".join([*lines, *([">> fixture"] if whole else [])]) + "\n"

    return asyncio.run(look())


def running(lab: Lab, host: Host) -> None:
    """A stack that was updated once and is held; a service that ended well; a failed systemd unit; two generations."""
    host.exec(GENERATIONS)
    if lab.plan.systemd:
        host.exec("systemd-run --unit=broken false", check=False)
    with tempfile.TemporaryDirectory() as place:
        write_fleet(Path(place))
        for version in ("v1", "v2"):
            app, once = lab.image("app", version), lab.image("once", "v1", oneshot=True)
            images = {"app": app.replace("@", f":{version}@"), "once": f"{once.partition('@')[0]}:v1"}
            (Path(place) / "h1/compose/web/compose.yaml").write_text(COMPOSE.format(**images))
            clavel(lab, place, "update", "web", "--yes", "--reason", "a new version")
        clavel(lab, place, "hold", "web", "--yes", "--reason", "over the weekend")


def write_fleet(root: Path) -> None:
    stack = root / "h1/compose/web"
    stack.mkdir(parents=True)
    (root / "fleet.toml").write_text('name = "capture"\n')
    lines = {"name": "h1", "type": "linux", "arch": "x86_64-linux", "address": "h1"}
    (root / "h1/unit.toml").write_text("".join(f'{key} = "{value}"\n' for key, value in lines.items()))
    (stack / ".env").write_text("TOKEN=abc\n")
    (stack / ".env").chmod(0o600)
    (stack / "conf").mkdir()
    (stack / "conf/a b.txt").write_text("blank\n")


def clavel(lab: Lab, place: str, *words: str) -> None:
    ssh = [f"--{option}={lab.ssh_dir / name}" for option, name in
           (("ssh-config", "config"), ("known-hosts", "known_hosts"), ("identity", "id"))]  # fmt: skip
    main = "import sys; from clavel_tui.wiring import main; sys.exit(main())"
    subprocess.run([sys.executable, "-c", main, *words, "--fleet", place, "--db", f"{place}/journal.db", *ssh], check=True)


def stopped(lab: Lab, host: Host) -> None:
    """The same, with the engine down."""
    host.service("dockerd", "stop")
    host.exec("while docker ps >/dev/null 2>&1; do sleep 0.1; done")


def without_docker(lab: Lab, host: Host) -> None:
    """A host where nobody installed Docker, and where clavel-tui never was."""
    host.exec("rm -r /var/lib/clavel; for p in $(which -a docker); do mount --bind /dev/null $p; done; ! command -v docker")


SCENARIOS: tuple[Callable[[Lab, Host], None], ...] = (running, stopped, without_docker)


def main() -> None:
    """All scenarios on both stacks."""
    FIXTURES.mkdir(exist_ok=True)
    for stack in STACKS:
        with Lab(stack, 1) as lab:
            for scenario in SCENARIOS:
                scenario(lab, lab.host("h1"))
                name = f"{stack}-{scenario.__name__}.frame"
                (FIXTURES / name).write_text(frame(lab), encoding="utf-8")
                print(name)


if __name__ == "__main__":
    main()
