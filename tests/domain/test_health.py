"""Health is a level with its reasons, each a sentence with what was seen."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clavel_tui.domain.facts import CheckResult, Disk, RunningJob
from clavel_tui.domain.health import Level, container_reason, judge, rank

from .build import container, facts, stack, unit


def reasons(**more: object) -> list[tuple[str, str, str, str]]:
    health = judge(unit(stacks=(stack(),)), facts(container(), **more))
    assert health.level is max((r.level for r in health.reasons), key=rank, default=Level.OK)
    return [(r.level.value, r.code, r.text, r.evidence) for r in health.reasons]


def test_well() -> None:
    assert reasons() == []
    assert judge(unit(), facts()).level is Level.OK


def test_not_looked_at_yet() -> None:
    assert judge(unit(), None).level is Level.UNKNOWN


def test_an_absence_is_an_alarm_only_where_it_is_not_expected() -> None:
    down = judge(unit(), facts(), "pi did not answer")
    assert (down.level, down.headline, down.reasons[0].evidence) == (
        Level.UNREACHABLE,
        "it cannot be reached",
        "pi did not answer",
    )
    away = judge(unit(expected="sometimes"), facts(), "pi did not answer")
    assert (away.level, away.headline) == (Level.AWAY, "away, which is expected of it")
    assert rank(Level.OK) < rank(away.level) < rank(Level.DEGRADED) < rank(down.level) < rank(Level.FAILED)


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        ({"failed_units": ("a.service",)}, ("degraded", "systemd-failed", "the systemd unit a.service has failed", "a.service")),
        (
            {"disks": (Disk(at="/", size=100, used=86, free=14),)},
            ("degraded", "disk", "the disk at / is 86 % full", "0 MiB free"),
        ),
        (
            {"disks": (Disk(at="/nix", size=10**7, used=95 * 10**5, free=5 * 10**5),)},
            ("failed", "disk", "the disk at /nix is 95 % full", "488 MiB free"),
        ),
        ({"mem_total_kib": 1000, "mem_free_kib": 49}, ("degraded", "memory", "memory is nearly used up", "4.9 % available")),
        ({"temperature_c": 81.2}, ("degraded", "temperature", "it runs hot", "81 °C")),
        (
            {"throttled": "throttled=0x50005"},
            ("degraded", "throttled", "the board throttles, or has done so", "throttled=0x50005"),
        ),
        ({"clock_skew": -95.0}, ("degraded", "clock", "its clock differs from ours", "by -95 s")),
        (
            {"silent": ("disks",)},
            ("degraded", "silent-disks", "nothing is known of its disks now", "no answer within the deadline"),
        ),
        (
            {"checks": (CheckResult(line="command true", code=0), CheckResult(line="systemd x", code=3))},
            ("failed", "check", "the check `systemd x` does not hold", "exit 3"),
        ),
        ({"docker": "missing"}, ("failed", "docker-missing", "Docker is not installed, though stacks are declared", "web")),
        (
            {"docker": "silent", "docker_error": "Cannot connect"},
            ("failed", "docker-silent", "Docker does not answer", "Cannot connect"),
        ),
        (
            {"docker": "", "silent": ("docker",)},
            ("failed", "docker-silent", "Docker does not answer", "no answer within the deadline"),
        ),
        (
            {"jobs": (RunningJob(id="j1"), RunningJob(id="j2", phase="swapping", owner="ada", dead=True))},
            (
                "degraded",
                "job-dead",
                "an operation died here and is not settled: `clavel-tui unlock` tells what became of it",
                "ada, while it was at: swapping",
            ),
        ),
    ],
)
def test_one_reason(seen: dict[str, Any], reason: tuple[str, str, str, str]) -> None:
    assert reasons(**seen) == [reason]


@pytest.mark.parametrize(
    "seen",
    [
        {"disks": (Disk(at="/", size=0, used=0, free=0), Disk(at="/b", size=100, used=84, free=16))},
        {"mem_total_kib": 1000, "mem_free_kib": 50},
        {"mem_total_kib": 1000},
        {"temperature_c": 79.9},
        {"throttled": "throttled=0x0"},
        {"clock_skew": 29.0},
    ],
)
def test_just_well(seen: dict[str, Any]) -> None:
    assert reasons(**seen) == []


def test_no_docker_matters_only_where_stacks_are() -> None:
    assert judge(unit(), facts(docker="missing")).level is Level.OK
    hung = judge(unit(), facts(docker="", silent=("docker",)))
    assert [reason.code for reason in hung.reasons] == ["silent-docker"]


@pytest.mark.parametrize(
    ("seen", "level", "text"),
    [
        ({}, None, ""),
        ({"health": "healthy"}, None, ""),
        ({"health": "starting"}, None, ""),
        ({"state": "created"}, None, ""),
        ({"state": "exited", "exit_code": 0, "policy": "no"}, None, ""),
        ({"state": "exited", "exit_code": 0, "policy": "on-failure"}, None, ""),
        ({"health": "unhealthy"}, Level.FAILED, "web/app is unhealthy"),
        ({"state": "exited", "exit_code": 0, "policy": "always"}, Level.FAILED, "web/app exited with 0"),
        ({"state": "exited", "exit_code": 137, "policy": "no"}, Level.FAILED, "web/app exited with 137"),
        ({"state": "restarting", "restarts": 9}, Level.FAILED, "web/app keeps restarting"),
        ({"state": "paused"}, Level.DEGRADED, "web/app is paused"),
        ({"state": "dead"}, Level.DEGRADED, "web/app is dead"),
    ],
)
def test_a_container(seen: dict[str, Any], level: Level | None, text: str) -> None:
    found = container_reason(container(**seen))
    assert ((found.level, found.text) if found else (None, "")) == (level, text)


def test_the_headline_is_the_worst() -> None:
    seen = facts(container(health="unhealthy"), failed_units=("a.service",))
    health = judge(unit(stacks=(stack(),)), seen)
    assert (health.level, health.headline) == (Level.FAILED, "web/app is unhealthy")


@given(used=st.integers(0, 10**12), free=st.integers(0, 10**12))
def test_a_disk_is_between_empty_and_full(used: int, free: int) -> None:
    assert 0 <= Disk(at="/", size=used + free, used=used, free=free).percent <= 100
