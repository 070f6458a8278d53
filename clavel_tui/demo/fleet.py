"""The demo's eleven units: what each one is, and what its programs tell about it."""

from __future__ import annotations

from dataclasses import dataclass, field

from clavel_tui.demo import stacks
from clavel_tui.demo.stacks import DemoStack

MIB = 1024


@dataclass(frozen=True)
class DemoUnit:
    """A unit. Sizes in KiB, as the programs tell them."""

    name: str
    kind: str
    arch: str
    kernel: str
    system: str
    """What /etc/os-release calls it; on darwin the version alone."""
    tags: tuple[str, ...]
    memory: tuple[int, int]
    """Total and available."""
    cpus: int
    load: str
    disks: tuple[tuple[str, str, int, int], ...]
    """(device, where, size, used)"""
    generations: tuple[int, int]
    """The first and the last number."""
    uptime_days: float = 20.0
    metadata: dict[str, str] = field(default_factory=dict)
    stacks: tuple[DemoStack, ...] = ()
    services: dict[str, str] = field(default_factory=dict)
    throttled: str = ""
    temperature: int = 0
    """Thousandths of a degree; 0 where there is no sensor."""
    away: bool = False

    @property
    def machine(self) -> str:
        """As ``uname -m`` says it."""
        return {"aarch64-darwin": "arm64", "x86_64-linux": "x86_64", "aarch64-linux": "aarch64"}[self.arch]

    @property
    def image_arch(self) -> str:
        """As Docker says it."""
        return "amd64" if self.machine == "x86_64" else "arm64"


def _laptop(name: str, owner: str, used: int, *, away: bool = False, generation: int = 60) -> DemoUnit:
    return DemoUnit(
        name=name,
        kind="darwin",
        arch="aarch64-darwin",
        kernel="Darwin 24.6.0",
        system="15.7.1",
        tags=("laptop",),
        memory=(32768 * MIB, 0),
        cpus=10,
        load="1.92 2.11 2.04",
        disks=(("/dev/disk3s1s1", "/", 971350180, used),),
        generations=(generation - 2, generation),
        metadata={"owner": owner},
        away=away,
    )


def _server(
    name: str, cloud: str, size: tuple[int, int, int], used: int, *own: DemoStack, load: str = "0.31 0.27 0.22"
) -> DemoUnit:
    cpus, memory, disk = size
    return DemoUnit(
        name=name,
        kind="nixos",
        arch="x86_64-linux",
        kernel="Linux 6.12.54",
        system="NixOS 25.11 (Xantusia)",
        tags=("server", cloud),
        memory=(memory * MIB, memory * MIB * 6 // 10),
        cpus=cpus,
        load=load,
        disks=(("/dev/sda2", "/", disk * MIB, used * MIB), ("/dev/sda1", "/boot", 511 * MIB, 97 * MIB)),
        generations=(38, 42),
        uptime_days=41.3,
        metadata={"provider": cloud},
        stacks=own,
        services={"docker.service": "active", "sshd.service": "active", "clavel-agent.service": "active"},
    )


def _pi(name: str, room: str, used: int, *own: DemoStack, throttled: str = "throttled=0x0", temperature: int = 51121) -> DemoUnit:
    return DemoUnit(
        name=name,
        kind="nixos",
        arch="aarch64-linux",
        kernel="Linux 6.12.47",
        system="NixOS 25.11 (Xantusia)",
        tags=("pi", "home"),
        memory=(3886 * MIB, 2410 * MIB),
        cpus=4,
        load="0.18 0.21 0.19",
        disks=(("/dev/mmcblk0p2", "/", 29560 * MIB, used * MIB),),
        generations=(11, 14),
        uptime_days=97.6,
        metadata={"room": room},
        stacks=own,
        services={"docker.service": "active", "sshd.service": "active", "clavel-agent.service": "active"},
        throttled=throttled,
        temperature=temperature,
    )


UNITS: tuple[DemoUnit, ...] = (
    _laptop("stibnite", "cameron", 412_000_000, generation=118),
    _laptop("blackphos", "raquel", 301_000_000, generation=74),
    _laptop("rosegold", "janette", 288_000_000, away=True),
    _laptop("argentum", "christopher", 190_000_000, generation=31),
    _server("cinnabar", "hetzner", (4, 7800, 76000), 31000, stacks.WEB_STACK, stacks.ZEROTIER_STACK),
    _server("electrum", "hetzner", (2, 3900, 38000), 12000, stacks.UPTIME_STACK),
    _server("galena", "gcp", (16, 64300, 200000), 88000, stacks.BATCH_STACK, load="9.40 8.81 7.95"),
    _server("scheelite", "gcp", (8, 32100, 500000), 311000, stacks.INFERENCE_STACK, load="3.02 2.88 2.91"),
    _pi("rpi-box-01", "hall", 11200, stacks.PIHOLE_STACK, stacks.metrics_stack(8)),
    _pi("rpi-box-02", "porch", 26960, stacks.CAMERA_STACK, throttled="throttled=0x50005", temperature=71904),
    _pi("rpi-box-03", "cellar", 9800, stacks.metrics_stack(17)),
)
"""In the order in which a person would name them."""
