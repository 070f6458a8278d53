"""What a lab is called and where its things are; the one value every part of the lab is given."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Stack = Literal["bookworm", "trixie"]
STACKS: tuple[Stack, ...] = get_args(Stack)

LAB_DIR = Path(os.environ.get("LAB_DIR", "/tmp/clavel-lab"))
LAB_CACHE = Path(os.environ.get("LAB_CACHE", "/var/cache/clavel-lab"))
TRIXIE_TREE = LAB_CACHE / "trixie"


@dataclass(frozen=True)
class Plan:
    """One lab: its slot gives it a name, a network and a folder that no other lab on the machine has."""

    slot: int
    stack: Stack = "bookworm"
    docker_disk: int | None = None

    @property
    def name(self) -> str:
        """The prefix of everything the lab makes outside its folder: namespaces, links, control groups."""
        return f"lab{self.slot}"

    @property
    def folder(self) -> Path:
        return LAB_DIR / self.name

    @property
    def net(self) -> str:
        return f"10.77.{self.slot}"

    @property
    def gateway(self) -> str:
        """The machine's own address on the lab's network, where the registry listens."""
        return f"{self.net}.1"

    @property
    def registry(self) -> str:
        return f"{self.gateway}:5000"

    @property
    def switch(self) -> str:
        """The network namespace of the bridge."""
        return f"{self.name}-switch"

    @property
    def uplink(self) -> str:
        """The machine's own end of its cable to the bridge."""
        return f"{self.name}up"

    @property
    def systemd(self) -> bool:
        """Whether the hosts' init is systemd; busybox init otherwise."""
        return self.stack == "trixie"

    @property
    def base(self) -> Path:
        """The tree whose /etc the hosts' own is laid upon."""
        return TRIXIE_TREE if self.stack == "trixie" else Path("/")

    def netns(self, host: str) -> str:
        return f"{self.name}-{host}"

    def home(self, host: str) -> Path:
        """The folder that holds a host's disk, pid files and logs."""
        return self.folder / "hosts" / host

    def address(self, host: str) -> str:
        return f"{self.net}.{10 + int(host.removeprefix('h'))}"

    def host_names(self) -> list[str]:
        """The hosts the lab has on disk, in order."""
        return sorted((path.name for path in (self.folder / "hosts").glob("h*")), key=lambda name: int(name[1:]))

    def save(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        facts = {"slot": self.slot, "stack": self.stack, "docker_disk": self.docker_disk}
        (self.folder / "plan.json").write_text(json.dumps(facts))

    @classmethod
    def load(cls, slot: int) -> "Plan":
        return cls(**json.loads((cls(slot).folder / "plan.json").read_text()))
