"""A Target: where a unit is reached, with which rights, and which environment every command there is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

SYSTEM_PATH = (
    "/run/wrappers/bin",
    "/run/current-system/sw/bin",
    "/nix/var/nix/profiles/default/bin",
    "/opt/homebrew/bin",
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
)
"""Passed explicitly: a transient systemd unit on NixOS has no PATH at all, and sudo's differs from a login's."""

LOCAL = "local"


@dataclass(frozen=True)
class Target:
    """One unit as the transport sees it. ``elevate``: none, sudo, sudo-password, or helper: see remote/helper.py."""

    name: str
    address: str
    user: str = ""
    port: int = 0
    elevate: str = "none"
    tools: tuple[str, ...] = ()
    state: str = "/var/lib/clavel"
    docker_config: str = ""
    environment: tuple[tuple[str, str], ...] = field(default=())
    apart: str = ""
    """Names a connection of its own to the same unit."""

    @property
    def key(self) -> str:
        """One connection is kept for each."""
        return f"{self.name}#{self.apart}" if self.apart else self.name

    def command(self, text: str, args: Sequence[str], *, elevated: bool) -> list[str]:
        """The argv that runs ``text`` as a POSIX shell script with ``args`` as $1…, as root where ``elevated`` is asked."""
        inner = ["env", *(f"{k}={v}" for k, v in self.variables().items()), "sh", "-c", text, "clavel", *args]
        return [*self.sudo(elevated=elevated), *inner]

    def variables(self) -> dict[str, str]:
        """The environment that every command is given."""
        env = {"PATH": ":".join((*self.tools, *SYSTEM_PATH)), "CLAVEL_STATE": self.state, "LC_ALL": "C"}
        if self.docker_config:
            env["DOCKER_CONFIG"] = self.docker_config
        return {**env, **dict(self.environment)}

    def sudo(self, *, elevated: bool) -> list[str]:
        """-k: a cached credential must not make sudo leave the password to the command's stdin."""
        match self.elevate if elevated else "none":
            case "sudo":
                return ["sudo", "-n", "-H"]
            case "sudo-password":
                return ["sudo", "-k", "-S", "-H", "-p", ""]
            case _:
                return []
