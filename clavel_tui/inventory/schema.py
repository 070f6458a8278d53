"""What unit.toml and fleet.toml may say. The same files are read by Nix, so they keep to plain strings, numbers and lists."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from clavel_tui.domain import limits
from clavel_tui.domain.broker import Broker
from clavel_tui.domain.source import URL, Trigger
from clavel_tui.domain.unit import Check, Elevate, Expected, Name, StackName, UnitType, Word

ARCHES = ("x86_64-linux", "aarch64-linux", "armv7l-linux", "aarch64-darwin", "x86_64-darwin", "riscv64-linux")


Line = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$")]
"""It travels to the unit as one line."""


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StackTable(_File):
    """``[stacks.<name>]``. Every key may be left out; the stack's files are in ``compose/<name>/``."""

    # Nix takes these values as they are: "yes" must not be a bool here and a string there.
    model_config = ConfigDict(strict=True)

    path: Line = ""
    data: list[str] = []
    pre_update: str = ""
    health_seconds: int = Field(120, ge=5, le=3600)
    grace_seconds: int = Field(3, ge=0, le=600)
    pull_seconds: int = Field(1800, ge=10, le=86400)
    keep_releases: int = Field(5, ge=1, le=100)
    archive: bool = False
    build: bool = False
    confirm_seconds: int = Field(0, ge=0, le=3600)
    on_failure: str = Field("return", pattern="^(return|leave)$")
    first_failure: str = Field("down", pattern="^(down|up)$")
    min_free_mib: int = Field(256, ge=0)

    @field_validator("path")
    @classmethod
    def _absolute(cls, value: str) -> str:
        if value and (not value.startswith("/") or value.rstrip("/") != value or "//" in value or "/.." in value):
            msg = "must be an absolute folder such as /srv/web, without a slash at its end"
            raise ValueError(msg)
        return value

    @field_validator("data")
    @classmethod
    def _top_level(cls, value: list[str]) -> list[str]:
        if any(name in {"", ".", ".."} or not name.isprintable() or set("/|") & set(name) for name in value):
            msg = "must be names of folders in the stack's own folder, such as data, without slashes"
            raise ValueError(msg)
        return value


class CheckTable(_File):
    """One of ``[[checks]]``: one of ``systemd``, ``command``, ``tcp`` and ``http``."""

    systemd: Line = ""
    command: Line = ""
    tcp: int = Field(0, ge=0, le=65535, strict=True)
    http: str = Field("", pattern=r"^(https?://[^\s]+)?$")
    status: int = Field(200, ge=100, le=599, strict=True)

    @property
    def kinds(self) -> int:
        """How many of the four are said."""
        return sum(bool(said) for said in (self.systemd, self.command, self.tcp, self.http))

    def check(self) -> Check:
        """As the domain has it."""
        return Check(**self.model_dump())


class SystemTable(_File):
    """``[system]``. Every key may be left out."""

    model_config = ConfigDict(strict=True)

    confirm_seconds: int = Field(60, ge=0, le=3600)
    check_seconds: int = Field(60, ge=0, le=3600)
    grace_seconds: int = Field(3, ge=0, le=600)
    activate_seconds: int = Field(900, ge=10, le=7200)
    on_failure: str = Field("return", pattern="^(return|leave)$")
    build_on: str = Field("here", pattern="^(here|unit)$")
    delivery: str = Field("copy", pattern="^(copy|substitute)$")
    keep_roots: int = Field(5, ge=2, le=100)
    check_secrets: bool = True
    secrets: list[Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9._/@+-]+$")]] = []


Words = Annotated[list[Annotated[str, StringConstraints(pattern=r"^[^\s\x00-\x1f\x7f]+$")]], Field(default_factory=list)]
"""Of substituters and their keys: no blanks, since Nix parts them so."""


class UnitFile(_File):
    """``hosts/<unit>/unit.toml``."""

    name: Name
    type: UnitType
    arch: str
    address: str = Field(min_length=1, max_length=255, pattern=r"^[^\s-][^\s]*$")
    user: str = Field("", pattern=r"^[A-Za-z0-9_.-]*$")
    port: int = Field(0, ge=0, le=65535, strict=True)
    elevate: Elevate = Elevate.NONE
    expected: Expected = Expected.ALWAYS
    tags: list[Word] = []
    roles: list[Word] = []
    metadata: dict[str, str] = {}
    stacks: dict[StackName, StackTable] = {}
    checks: list[CheckTable] = []
    system: SystemTable = SystemTable()
    tools: list[str] = []
    state: str = Field("/var/lib/clavel", pattern=r"^/[^\s]*[^\s/]$")
    docker_config: str = ""
    substituters: Words
    substituters_public_keys: Words = Field(alias="substituters-public-keys", default_factory=list)

    @field_validator("arch")
    @classmethod
    def _arch(cls, value: str) -> str:
        if value not in ARCHES:
            msg = f"must be one of {', '.join(ARCHES)}"
            raise ValueError(msg)
        return value


class SourceTable(_File):
    """``[sources.<name>]``: a flake; a path is taken from the folder of fleet.toml. The rest is for claveld."""

    url: str = Field(min_length=1, pattern=URL)
    on: str = Field("change", pattern=f"^({'|'.join(Trigger)})$")
    every_minutes: int = Field(0, ge=0, le=limits.MINUTES)


class RolloutTable(_File):
    """``[rollout]``. Every key may be left out."""

    model_config = ConfigDict(strict=True)

    canary: int = Field(1, ge=0, le=1000)
    wave: str = Field("25%", pattern=limits.WAVE)
    soak_seconds: int = Field(60, ge=0, le=86400)
    stop_at: int = Field(1, ge=1, le=1000)
    on_stop: str = Field("leave", pattern="^(leave|return)$")


class ClaveldTable(_File):
    """``[claveld]`` of an agent's file. ``agent``: its name there, where it is not the unit's."""

    url: str = Field("", pattern=r"^(https?://[A-Za-z0-9.:\[\]_-]+(/[A-Za-z0-9._/-]*)?)?$")
    nats: Broker | None = None
    """Instead of HTTP."""
    token_file: str = Field("/etc/clavel-agent/token", pattern=r"^/")
    ca_file: str = Field("", pattern=r"^(/.*)?$")
    plain_http: bool = False
    agent: str = Field("", pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)?$")
    deployments: list[Name] = Field(default_factory=list, max_length=64)


class AgentFile(UnitFile):
    """``agent.toml``: what unit.toml says of the machine, and where its claveld is."""

    address: str = Field("local", pattern=r"^local$")
    claveld: ClaveldTable


class FleetFile(_File):
    """``hosts/fleet.toml``: the fleet's name, and what its units say unless they say otherwise."""

    name: Name
    stack_root: str = Field("/srv", pattern=r"^/[^\s]*$")
    defaults: dict[str, str | int | bool | list[str]] = {}
    substituters: Words
    substituters_public_keys: Words = Field(alias="substituters-public-keys", default_factory=list)
    sources: dict[Name, SourceTable] = {}
    rollout: RolloutTable = RolloutTable()
