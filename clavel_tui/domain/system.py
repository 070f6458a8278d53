"""The system closure of a Unit: how it is deployed, what the unit remembers of those before, and which of them was good. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from pydantic import Field

from clavel_tui.domain.closure import ClosureDiff
from clavel_tui.domain.model import Model


class Mode(StrEnum):
    """What is done with a closure. The words are those of NixOS's own switch-to-configuration."""

    SWITCH = "switch"
    """Tried, looked at, confirmed; only then profile and boot entry move."""
    TEST = "test"
    """The same, but it runs until the next boot only."""
    BOOT = "boot"
    """Nothing is activated, so nothing can be tried: it is not protected."""


class BuildOn(StrEnum):
    """Where a system is built that is nowhere yet."""

    HERE = "here"
    """The workstation, with whatever builders its nix.conf names."""
    UNIT = "unit"


class Delivery(StrEnum):
    """How a system that is not on the unit yet comes there."""

    COPY = "copy"
    """From the workstation; the unit takes what it can from its own substituters."""
    SUBSTITUTE = "substitute"
    """The unit takes all of it from the substituters that its Deployment names, each path signed by a key that is trusted."""

    @property
    def verb(self) -> str:
        """What is done with the paths that the unit lacks."""
        return "copy" if self is Delivery.COPY else "fetch"


class SystemSettings(Model):
    """``[system]`` of unit.toml: how a deployment of the unit is judged."""

    confirm_seconds: int = Field(60, ge=0, le=3600)
    """How long somebody has to reach the unit over a new connection before it goes back; 0: nobody is waited for."""
    check_seconds: int = Field(60, ge=0, le=3600)
    grace_seconds: int = Field(3, ge=0, le=600)
    """How long everything must stay well in a row."""
    activate_seconds: int = Field(900, ge=10, le=7200)
    on_failure: str = Field("return", pattern="^(return|leave)$")
    build_on: BuildOn = BuildOn.HERE
    delivery: Delivery = Delivery.COPY
    check_secrets: bool = True
    """Off: where the system fetches its own keys when it is activated, or is looked for them in the wrong place."""
    secrets: tuple[str, ...] = ()
    """Files that must be on the unit before a system is activated, beside those that sops-nix, clan and agenix name."""
    keep_roots: int = Field(5, ge=2, le=100)
    """So many deployed closures are kept from the unit's garbage collector, to go back to."""


class SystemRecord(Model):
    """A closure that the unit has run, as the unit remembers it. ``verdict``: good, found, test, boot, failed, returned."""

    at: float
    verdict: str
    path: str
    label: str = ""
    revision: str = ""
    operator: str = ""
    reason: str = ""


class ServiceChange(Model):
    """What a switch would do to a systemd unit: ``verb`` as dry-activate says it: start, stop, restart, reload."""

    verb: str
    name: str


class SystemPlan(Model):
    """What a deployment would change on one unit."""

    nar_id: str
    label: str
    mode: Mode = Mode.SWITCH
    current: str = ""
    profile: str = ""
    drv: str = ""
    """What it is built from, where that is known."""
    url: str = ""
    attribute: str = ""
    """From which locked source, and which attribute of it."""
    revision: str = ""
    build: bool = False
    build_on: BuildOn = BuildOn.HERE
    """It is nowhere yet: what it would change is known when it is built."""
    delivery: Delivery = Delivery.COPY
    substituters: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    """Of its Deployment: from where the unit could take it, and whose signatures are good for that."""
    copies: int = 0
    copy_bytes: int = 0
    diff: ClosureDiff | None = None
    services: tuple[ServiceChange, ...] = ()
    dry: bool = False
    """The unit itself was asked what would be restarted."""
    confirm_seconds: int = 0
    secrets: tuple[str, ...] = ()
    """Keys that it looks for on the unit and that are not there."""
    looked: float = 0.0
    """When the unit was asked whether it has it, by the workstation's clock."""
    reboot: str = ""
    """Why a reboot would be due; empty where none would."""

    @property
    def away(self) -> bool:
        """It has to be built or copied before the unit can say what would change there."""
        return self.build or bool(self.copies)


def last_good(records: Sequence[SystemRecord], current: str, valid: Sequence[str]) -> SystemRecord | None:
    """The newest recorded closure that was verified healthy, is not what runs, and is still on the unit."""
    verdicts = {record.path: record for record in sorted(records, key=lambda record: record.at)}
    good = [r for r in verdicts.values() if r.verdict == "good" and r.path != current and r.path in valid]
    return max(good, key=lambda record: record.at, default=None)


def base(path: str) -> str:
    """A store path as people read it: without the store and the hash."""
    return path.rpartition("/")[2][33:] or path
