"""What a unit lacks, and what mends it."""

from typing import Any

import pytest

from clavel_tui.domain.doctor import NEEDED_FOR, PACKAGES, Advice, advise
from clavel_tui.domain.facts import Disk, RunningJob
from clavel_tui.domain.stackview import StackView
from tests.domain.build import container, facts, stack, unit


def advices(of: dict[str, Any], **seen: Any) -> tuple[Advice, ...]:  # noqa: ANN401
    return advise(unit(stacks=(stack(),), elevate="sudo", **of), facts(**seen), (), "", "")


def test_a_unit_that_lacks_nothing() -> None:
    assert advices({}) == ()


def test_a_unit_that_cannot_be_reached_has_its_hint_or_the_plain_command() -> None:
    known = advise(unit(), facts(), (), "its host key is not known", "clavel-tui trust --unit pi")
    assert [(a.code, a.mend) for a in known] == [("unreachable", "clavel-tui trust --unit pi")]
    assert advise(unit(), None, (), "no route to host", "")[0].mend == "ssh pi.example.net"
    assert advise(unit(), None, (), "", "")[0].code == "unseen"


@pytest.mark.parametrize(
    ("seen", "code", "mend"),
    [
        ({"lacks": ("flock",), "os_id": "alpine"}, "tool", "apk add util-linux"),
        ({"lacks": ("tar",), "os_id": "nixos"}, "tool", "environment.systemPackages = [ pkgs.tar ]; in its configuration"),
        ({"lacks": ("timeout",), "os_id": "plan9"}, "tool", "install coreutils"),
        ({"docker": "missing", "os_id": "nixos"}, "docker", "virtualisation.docker.enable = true; in its configuration"),
        ({"docker": "missing", "os_id": "debian", "os_version": "13"}, "docker", "apt-get install docker.io docker-compose"),
        ({"docker": "missing", "os_id": "plan9"}, "docker", "install Docker Engine and its Compose plug-in"),
        ({"docker": "silent", "docker_error": "permission denied"}, "docker", 'elevate = "sudo" in hosts/pi/unit.toml'),
        ({"docker": "silent", "init": "systemd"}, "docker", "systemctl restart docker"),
        ({"docker": "", "silent": ("docker",)}, "docker", "start Docker there"),
        ({"compose": "", "os_id": "ubuntu"}, "compose", "apt-get install docker.io docker-compose-v2"),
        ({"state": "unreadable"}, "rights", 'elevate = "sudo" in hosts/pi/unit.toml'),
        ({"jobs": (RunningJob(id="j1", dead=True),)}, "job", "clavel-tui unlock pi"),
        ({"clock_skew": 400.0, "init": "systemd"}, "clock", "timedatectl set-ntp true"),
        ({"disks": (Disk(at="/", size=100, used=90, free=10),)}, "disk", "docker system df"),
    ],
)
def test_one_advice(seen: dict[str, Any], code: str, mend: str) -> None:
    assert [(a.code, a.mend) for a in advices({}, **seen)] == [(code, mend)]


def test_debian_12_has_no_compose_among_its_packages() -> None:
    (advice,) = advices({}, compose="", os_id="debian", os_version="12")
    assert "docker-compose-plugin" in advice.mend


def test_a_login_without_roots_rights_keeps_no_jobs() -> None:
    plain = advise(unit(stacks=(stack(),)), facts(root=False), (), "", "")
    assert [a.code for a in plain] == ["rights"]
    assert advise(unit(stacks=(stack(),)), facts(root=True), (), "", "") == ()


def test_a_stack_that_the_repository_does_not_know() -> None:
    view = StackView(unit="pi", name="blog", path="/srv/blog", containers=(container(),))
    (advice,) = advise(unit(), facts(), (view,), "", "")
    assert (advice.code, advice.mend) == ("undeclared", "put its files into hosts/pi/compose/blog/")


def test_every_tool_that_the_probe_names_has_its_words() -> None:
    assert set(PACKAGES) == set(NEEDED_FOR)
