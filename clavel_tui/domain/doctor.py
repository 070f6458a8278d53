"""What a unit lacks, and what mends it: a pure function of what was seen."""

from __future__ import annotations

from collections.abc import Iterator

from clavel_tui.domain import limits
from clavel_tui.domain.facts import Facts
from clavel_tui.domain.model import Model
from clavel_tui.domain.stackview import StackView
from clavel_tui.domain.unit import Elevate, Unit


class Advice(Model):
    """``code`` is stable, ``what`` a sentence, ``mend`` the command or the line of a file that mends it."""

    code: str
    what: str
    mend: str


DOCKER = {
    "debian": "apt-get install docker.io docker-compose",
    "ubuntu": "apt-get install docker.io docker-compose-v2",
    "alpine": "apk add docker docker-cli-compose && rc-update add docker && service docker start",
    "fedora": "dnf install moby-engine docker-compose && systemctl enable --now docker",
    "arch": "pacman -S docker docker-compose && systemctl enable --now docker",
    "nixos": "virtualisation.docker.enable = true; in its configuration",
    "darwin": "brew install colima docker docker-compose && colima start",
}
"""By ID of os-release."""
OLD_DEBIAN = "add Docker's own apt repository (docs.docker.com), then apt-get install docker-ce docker-compose-plugin"
"""Debian 12 has no Compose v2 among its packages."""
TOOLS = {
    "debian": "apt-get install {}",
    "ubuntu": "apt-get install {}",
    "alpine": "apk add {}",
    "fedora": "dnf install {}",
    "arch": "pacman -S {}",
    "nixos": "environment.systemPackages = [ pkgs.{} ]; in its configuration",
}
PACKAGES = {"flock": "util-linux", "sha256sum": "coreutils", "timeout": "coreutils", "mktemp": "coreutils", "tar": "tar"}
NEEDED_FOR = {
    "flock": "a job cannot hold its lock, so nothing can be changed (perl would do as well)",
    "sha256sum": "files that are put cannot be checked, so nothing can be changed (shasum would do as well)",
    "timeout": "a hanging command has no limit (perl would do as well)",
    "mktemp": "no files can be put, so nothing can be changed",
    "tar": "no files can be put, so nothing can be changed",
}


def advise(unit: Unit, facts: Facts | None, stacks: tuple[StackView, ...], trouble: str, hint: str) -> tuple[Advice, ...]:
    """All that stands between this unit and its use; empty where nothing does."""
    if trouble:
        return (Advice(code="unreachable", what=f"it cannot be reached: {trouble}", mend=hint or f"ssh {unit.address}"),)
    if facts is None:
        return (Advice(code="unseen", what="nobody has looked at it yet", mend=f"clavel-tui units --unit {unit.name}"),)
    return (*_tools(facts), *_rights(unit, facts), *_docker(unit, facts), *_state(unit, facts, stacks))


def _by_system(of: dict[str, str], facts: Facts, otherwise: str) -> str:
    known = facts.os_id if facts.os_id in of else "debian" if facts.os_id == "raspbian" else ""
    return of.get(known, otherwise)


def _tools(facts: Facts) -> Iterator[Advice]:
    for tool in facts.lacks:
        package = PACKAGES.get(tool, tool)
        mend = _by_system(TOOLS, facts, f"install {package}").format(package)
        yield Advice(code="tool", what=f"it has no {tool}: {NEEDED_FOR.get(tool, 'some commands fail')}", mend=mend)


def _rights(unit: Unit, facts: Facts) -> Iterator[Advice]:
    if facts.state == "unreadable":
        what = f"{unit.state} cannot be read: the login has not root's rights"
        yield Advice(code="rights", what=what, mend=f'elevate = "sudo" in hosts/{unit.name}/unit.toml')
    elif not facts.root and unit.elevate is Elevate.NONE and unit.stacks:
        what = "the login is not root and does not become it: jobs cannot be kept"
        yield Advice(code="rights", what=what, mend=f'elevate = "sudo" in hosts/{unit.name}/unit.toml')


def _docker(unit: Unit, facts: Facts) -> Iterator[Advice]:
    install = _by_system(DOCKER, facts, "install Docker Engine and its Compose plug-in")
    if facts.os_id in {"debian", "raspbian"} and facts.os_version in {"10", "11", "12"}:
        install = OLD_DEBIAN
    if not unit.stacks:
        return
    if facts.docker == "missing":
        yield Advice(code="docker", what="Docker is not installed, though stacks are declared", mend=install)
    elif facts.docker == "silent" and "permission denied" in facts.docker_error:
        mend = f'elevate = "sudo" in hosts/{unit.name}/unit.toml'
        yield Advice(code="docker", what="the login may not speak to Docker", mend=mend)
    elif facts.docker == "silent" or "docker" in facts.silent:
        mend = "systemctl restart docker" if facts.init == "systemd" else "start Docker there"
        yield Advice(code="docker", what=f"Docker does not answer: {facts.docker_error or 'it hangs'}", mend=mend)
    elif not facts.compose:
        yield Advice(code="compose", what="Docker Compose v2 is not installed", mend=install)


def _state(unit: Unit, facts: Facts, stacks: tuple[StackView, ...]) -> Iterator[Advice]:
    for job in facts.jobs:
        if job.dead:
            yield Advice(code="job", what=f"operation {job.id} died there", mend=f"clavel-tui unlock {unit.name}")
    if facts.clock_skew is not None and abs(facts.clock_skew) > limits.CLOCK_SKEW_S:
        mend = "timedatectl set-ntp true" if facts.init == "systemd" else "set its clock by NTP"
        yield Advice(code="clock", what=f"its clock differs by {facts.clock_skew:+.0f} s", mend=mend)
    for disk in facts.disks:
        if disk.percent >= limits.DISK_HIGH_PERCENT:
            mend = "docker system df" if facts.docker not in {"", "missing", "silent"} else f"du -xh -d 1 {disk.at}"
            yield Advice(code="disk", what=f"the disk at {disk.at} is {disk.percent:.0f} % full", mend=mend)
    for view in stacks:
        if view.declared is None and view.containers:
            mend = f"put its files into hosts/{unit.name}/compose/{view.name}/"
            yield Advice(
                code="undeclared", what=f"{view.name} runs from {view.path}, and the repository does not know it", mend=mend
            )
