"""Facts: what was observed on a Unit, and when. Every field may be missing: a tool that is not there is a fact too."""

from __future__ import annotations

from clavel_tui.domain.model import Model
from clavel_tui.domain.release import Held, Release
from clavel_tui.domain.system import SystemRecord


class Disk(Model):
    """One file system, in KiB as `df -Pk` counts them."""

    at: str
    size: int
    used: int
    free: int

    @property
    def percent(self) -> float:
        """Used, of what an ordinary user could use."""
        usable = self.used + self.free
        return 100.0 * self.used / usable if usable else 0.0


class Container(Model):
    """One container of a Compose project. ``image`` is the ID that it runs, ``ref`` the reference that named it."""

    project: str
    service: str
    id: str
    image: str
    state: str
    health: str = ""
    exit_code: int = 0
    restarts: int = 0
    policy: str = "no"
    started: str = ""
    ref: str = ""
    working_dir: str = ""
    config_files: str = ""
    name: str = ""
    error: str = ""


class Image(Model):
    """An image on the unit: every tag and every RepoDigest that it has."""

    id: str
    platform: str = ""
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()


class StackState(Model):
    """What the unit's own state folder knows of a stack."""

    name: str
    held: Held | None = None
    releases: tuple[Release, ...] = ()
    files: tuple[str, ...] = ()
    """Lines "kind hash path" of the files that updates put there, as they are now."""


class RunningJob(Model):
    """A durable job on the unit that has no result yet; a dead one is settled before the next job begins."""

    id: str
    phase: str = ""
    owner: str = ""
    dead: bool = False


class CheckResult(Model):
    """What a check of unit.toml found: ``code`` 0 is well."""

    line: str
    code: int


class Facts(Model):
    """Everything that one probe saw."""

    unit: str
    at: float
    """When, by the workstation's clock."""
    took: float = 0.0
    silent: tuple[str, ...] = ()
    """Fragments that did not answer within their deadline."""
    os: str = ""
    os_id: str = ""
    os_version: str = ""
    kernel: str = ""
    arch: str = ""
    hostname: str = ""
    boot_id: str = ""
    uptime: float | None = None
    load: tuple[float, ...] = ()
    cpus: int | None = None
    mem_total_kib: int | None = None
    mem_free_kib: int | None = None
    temperature_c: float | None = None
    throttled: str = ""
    clock_skew: float | None = None
    root: bool = False
    lacks: tuple[str, ...] = ()
    """Tools that our scripts need and that are not there, nor anything that would do as well."""
    stamp: str = ""
    """Alike for as long as the programs are the same whose versions are told here: docker, compose and nix."""
    disks: tuple[Disk, ...] = ()
    init: str = ""
    failed_units: tuple[str, ...] = ()
    agent: str = ""
    """State of a `clavel-agent` service; empty where none was seen."""
    current: str = ""
    booted: str = ""
    profile: str = ""
    generations: tuple[tuple[int, str], ...] = ()
    nix: str = ""
    reboot_due: tuple[str, ...] = ()
    """Parts of the running system that are not those it was booted with: kernel, initrd, kernel-modules."""
    systems: tuple[SystemRecord, ...] = ()
    """Closures that were deployed here, the oldest first, as the unit remembers them."""
    rooted: tuple[str, ...] = ()
    """Closures that our roots keep on the unit, and that are there."""
    docker: str = ""
    """The engine's version; ``missing`` or ``silent`` where there is none to tell."""
    docker_error: str = ""
    compose: str = ""
    containers: tuple[Container, ...] = ()
    images: tuple[Image, ...] = ()
    image_ids: tuple[str, ...] = ()
    """Every image ID on the unit: what a release needs must be among them."""
    state: str = ""
    born: str = ""
    lock: str = ""
    jobs: tuple[RunningJob, ...] = ()
    stacks: tuple[StackState, ...] = ()
    checks: tuple[CheckResult, ...] = ()

    def stack(self, name: str) -> StackState | None:
        """What the unit's state folder knows of that stack."""
        return next((s for s in self.stacks if s.name == name), None)
