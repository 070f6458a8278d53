"""A Unit: a machine or environment that the fleet's files name, and how it is reached."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

from clavel_tui.domain.model import Model
from clavel_tui.domain.source import Source
from clavel_tui.domain.system import SystemSettings
from clavel_tui.domain.waves import RolloutSettings

NAME = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
Name = Annotated[str, StringConstraints(pattern=NAME)]
StackName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
BROUGHT = "etc/clavel/stacks"
"""In a closure: a folder for each stack that it brings along, as `services.clavel-agent.stacks` writes it."""
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]


class UnitType(StrEnum):
    """What kind of system runs there."""

    NIXOS = "nixos"
    DARWIN = "darwin"
    LINUX = "linux"
    CONTAINER = "container"
    IOT = "iot"


ITSELF = frozenset({UnitType.CONTAINER, UnitType.IOT})
"""Types whose closure is no operating system: it has a program of its own that makes it run, see unit/system.sh."""


class Expected(StrEnum):
    """Whether its absence is an alarm. A laptop sleeps; a server does not."""

    ALWAYS = "always"
    SOMETIMES = "sometimes"


class Elevate(StrEnum):
    """How root's rights are had: logged in as root, by sudo without a password, or with one that is asked for.

    ``helper``: not at all. The login may only run what `install-helper` put there: look, and deploy signed systems.
    """

    NONE = "none"
    SUDO = "sudo"
    HELPER = "helper"
    SUDO_PASSWORD = "sudo-password"  # noqa: S105  a word, not a secret


class Stack(Model):
    """A Docker Compose project of a Unit: where it stands there, and how an update of it is judged."""

    name: StackName
    path: str
    """Its folder on the unit, absolute."""
    source: str = ""
    """Its folder in the repository; empty where only the unit has it."""
    data: tuple[str, ...] = ()
    """Top-level folders that services write to: never recorded, replaced or put back."""
    pre_update: str = ""
    """A shell line that runs on the unit, in the stack's folder, before images are pulled: a database dump, say."""
    health_seconds: int = Field(120, ge=5, le=3600)
    grace_seconds: int = Field(3, ge=0, le=600)
    """How long all services must stay well in a row."""
    pull_seconds: int = Field(1800, ge=10, le=86400)
    keep_releases: int = Field(5, ge=1, le=100)
    archive: bool = False
    """Keep each release's images on disk as well, so that even `docker system prune -af` cannot take them."""
    build: bool = False
    confirm_seconds: int = Field(0, ge=0, le=3600)
    """Return by itself unless somebody confirms over a new connection: for a stack that carries your way in."""
    on_failure: str = Field("return", pattern="^(return|leave)$")
    first_failure: str = Field("down", pattern="^(down|up)$")
    min_free_mib: int = Field(256, ge=0)


class Check(Model):
    """Something that must hold: just one of the four.

    On the unit itself a systemd unit that is active, or a command that exits 0; seen from the workstation a TCP port that
    accepts, or a URL that answers with ``status``.
    """

    systemd: str = ""
    command: str = ""
    tcp: int = Field(0, ge=0, le=65535)
    http: str = ""
    status: int = Field(200, ge=100, le=599)

    @property
    def line(self) -> str:
        """As the probe's fragment reads it."""
        if self.outside:
            return f"http {self.http} {self.status}" if self.http else f"tcp {self.tcp}"
        return f"systemd {self.systemd}" if self.systemd else f"command {self.command}"

    @property
    def outside(self) -> bool:
        """It is looked at from the workstation."""
        return bool(self.tcp or self.http)


class Unit(Model):
    """A machine of the fleet."""

    name: Name
    type: UnitType
    arch: str
    address: str
    user: str = ""
    port: int = Field(0, ge=0, le=65535)
    """0: what ssh_config says, else 22."""
    elevate: Elevate = Elevate.NONE
    expected: Expected = Expected.ALWAYS
    tags: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    metadata: dict[str, str] = Field(default_factory=dict)
    stacks: tuple[Stack, ...] = ()
    checks: tuple[Check, ...] = ()
    tools: tuple[str, ...] = ()
    """Folders that are looked in first for docker and the like."""
    state: str = "/var/lib/clavel"
    docker_config: str = ""
    substituters: tuple[str, ...] = ()
    substituters_public_keys: tuple[str, ...] = ()
    system: SystemSettings = SystemSettings()

    @property
    def has_system(self) -> bool:
        """What it runs is a Nix closure."""
        return self.type is not UnitType.LINUX

    @property
    def activates_itself(self) -> bool:
        """See ITSELF."""
        return self.type in ITSELF

    @property
    def running(self) -> str:
        """The link on the unit to the closure that runs, as `places` of unit/lib.sh has it."""
        return f"{self.state}/system/running" if self.activates_itself else "/run/current-system"

    def running_below(self, root: Path) -> Path:
        """That link where ``root`` is the machine's; its state folder is named as a whole."""
        return Path(self.running) if self.activates_itself else root / self.running[1:]

    @property
    def profile(self) -> str:
        """The Nix profile on the unit that names what it comes up with."""
        return f"/nix/var/nix/profiles/{self._own if self.activates_itself else 'system'}"

    @property
    def roots(self) -> str:
        """The folder on the unit with the garbage collector roots of what was deployed there."""
        return f"/nix/var/nix/gcroots/{self._own if self.activates_itself else 'clavel'}"

    @property
    def _own(self) -> str:
        return f"unit-{self.state.rpartition('/')[2]}"

    def stack(self, name: str) -> Stack | None:
        """The stack of that name, if the fleet's files name it."""
        return next((s for s in self.stacks if s.name == name), None)


class Fleet(Model):
    """All Units, in the order of their names."""

    name: str
    units: tuple[Unit, ...] = ()
    root: str = ""
    """The folder that holds fleet.toml."""
    sources: tuple[Source, ...] = ()
    substituters: tuple[str, ...] = ()
    substituters_public_keys: tuple[str, ...] = ()
    rollout: RolloutSettings = RolloutSettings()

    def unit(self, name: str) -> Unit | None:
        """The unit of that name."""
        return next((u for u in self.units if u.name == name), None)
