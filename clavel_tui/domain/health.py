"""Health: a level with its reasons, each a sentence with its evidence. A pure function of a Unit and its Facts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum

from clavel_tui.domain import limits
from clavel_tui.domain.facts import Container, Facts
from clavel_tui.domain.model import Model
from clavel_tui.domain.unit import Expected, Unit

NO_ANSWER = "no answer within the deadline"


class Level(StrEnum):
    """From well to worst; ``unknown`` is a unit that nobody has looked at yet."""

    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    AWAY = "away"
    UNKNOWN = "unknown"


_ORDER = (Level.OK, Level.AWAY, Level.UNKNOWN, Level.DEGRADED, Level.UNREACHABLE, Level.FAILED)


class Reason(Model):
    """Why a unit is not ok: ``code`` is stable, ``text`` a sentence, ``evidence`` what was seen."""

    code: str
    level: Level
    text: str
    evidence: str = ""


class Health(Model):
    """How a unit is."""

    level: Level
    reasons: tuple[Reason, ...] = ()

    @property
    def headline(self) -> str:
        """The worst reason, or nothing."""
        worst = max(self.reasons, key=lambda r: _ORDER.index(r.level), default=None)
        return worst.text if worst else ""


_WELL, _UNKNOWN = Health(level=Level.OK), Health(level=Level.UNKNOWN)
"""Of nearly all units nearly always: ten thousand copies of it would be made and freed."""


def rank(level: Level) -> int:
    """For sorting: the higher, the more it wants a person."""
    return _ORDER.index(level)


def judge(unit: Unit, facts: Facts | None, trouble: str = "") -> Health:
    """The unit's health. ``trouble``: why it could not be looked at just now, a sentence; empty when it could."""
    if trouble:
        if unit.expected is Expected.SOMETIMES:
            reason = Reason(code="away", level=Level.AWAY, text="away, which is expected of it", evidence=trouble)
            return Health(level=Level.AWAY, reasons=(reason,))
        reason = Reason(code="unreachable", level=Level.UNREACHABLE, text="it cannot be reached", evidence=trouble)
        return Health(level=Level.UNREACHABLE, reasons=(reason,))
    if facts is None:
        return _UNKNOWN
    reasons = tuple(_reasons(unit, facts))
    return Health(level=max((r.level for r in reasons), key=rank), reasons=reasons) if reasons else _WELL


def worse(health: Health, reason: Reason | None) -> Health:
    """With one more reason. A unit that nobody has looked at is as bad as what is said of it."""
    if reason is None:
        return health
    level = max((health.level, reason.level), key=rank)
    return Health(level=reason.level if health.level is Level.UNKNOWN else level, reasons=(*health.reasons, reason))


def _reasons(unit: Unit, facts: Facts) -> Iterator[Reason]:
    uses_docker = bool(unit.stacks or facts.containers)
    yield from _host(facts)
    yield from _silent(f for f in facts.silent if not (uses_docker and f == "docker"))
    yield from _jobs(facts)
    yield from _checks(facts)
    if uses_docker:
        yield from _docker(unit, facts)
    for container in facts.containers:
        if reason := container_reason(container):
            yield reason


def _host(facts: Facts) -> Iterator[Reason]:
    for name in facts.failed_units:
        yield Reason(code="systemd-failed", level=Level.DEGRADED, text=f"the systemd unit {name} has failed", evidence=name)
    for disk in facts.disks:
        if disk.percent >= limits.DISK_HIGH_PERCENT:
            level = Level.FAILED if disk.percent >= limits.DISK_FULL_PERCENT else Level.DEGRADED
            yield Reason(
                code="disk",
                level=level,
                text=f"the disk at {disk.at} is {disk.percent:.0f} % full",
                evidence=f"{disk.free // 1024} MiB free",
            )
    if facts.mem_total_kib and facts.mem_free_kib is not None:
        free = 100.0 * facts.mem_free_kib / facts.mem_total_kib
        if free < limits.MEMORY_LOW_PERCENT:
            yield Reason(code="memory", level=Level.DEGRADED, text="memory is nearly used up", evidence=f"{free:.1f} % available")
    if facts.temperature_c is not None and facts.temperature_c >= limits.TEMPERATURE_C:
        yield Reason(code="temperature", level=Level.DEGRADED, text="it runs hot", evidence=f"{facts.temperature_c:.0f} °C")
    if facts.throttled and not facts.throttled.endswith("=0x0"):
        yield Reason(code="throttled", level=Level.DEGRADED, text="the board throttles, or has done so", evidence=facts.throttled)
    if facts.clock_skew is not None and abs(facts.clock_skew) > limits.CLOCK_SKEW_S:
        yield Reason(
            code="clock",
            level=Level.DEGRADED,
            text="its clock differs from ours",
            evidence=f"by {facts.clock_skew:+.0f} s",
        )


def _jobs(facts: Facts) -> Iterator[Reason]:
    for job in facts.jobs:
        if job.dead:
            yield Reason(
                code="job-dead",
                level=Level.DEGRADED,
                text="an operation died here and is not settled: `clavel-tui unlock` tells what became of it",
                evidence=f"{job.owner or job.id}, while it was at: {job.phase or 'the very beginning'}",
            )


def _silent(fragments: Iterable[str]) -> Iterator[Reason]:
    for fragment in fragments:
        yield Reason(
            code=f"silent-{fragment}", level=Level.DEGRADED, text=f"nothing is known of its {fragment} now", evidence=NO_ANSWER
        )


def _checks(facts: Facts) -> Iterator[Reason]:
    for check in facts.checks:
        if check.code:
            yield Reason(
                code="check",
                level=Level.FAILED,
                text=f"the check `{check.line}` does not hold",
                evidence=f"exit {check.code}",
            )


def _docker(unit: Unit, facts: Facts) -> Iterator[Reason]:
    if facts.docker == "missing":
        yield Reason(
            code="docker-missing",
            level=Level.FAILED,
            text="Docker is not installed, though stacks are declared",
            evidence=", ".join(s.name for s in unit.stacks),
        )
    elif facts.docker == "silent" or "docker" in facts.silent:
        evidence = facts.docker_error or NO_ANSWER
        yield Reason(code="docker-silent", level=Level.FAILED, text="Docker does not answer", evidence=evidence)


def container_reason(container: Container) -> Reason | None:
    """Why one container is not well, or None. A one-shot that ended with 0 is well."""
    name = f"{container.project}/{container.service}"

    def reason(level: Level, text: str, evidence: str = "") -> Reason:
        return Reason(code="service", level=level, text=f"{name} {text}", evidence=evidence or container.error)

    match container.state:
        case "running" if container.health == "unhealthy":
            return reason(Level.FAILED, "is unhealthy", "its health check fails")
        case "running" | "created":
            return None
        case "exited" if container.exit_code == 0 and container.policy in {"no", "on-failure"}:
            return None
        case "exited":
            return reason(Level.FAILED, f"exited with {container.exit_code}")
        case "restarting":
            return reason(Level.FAILED, "keeps restarting", f"{container.restarts} restarts, exit {container.exit_code}")
        case other:
            return reason(Level.DEGRADED, f"is {other}")
