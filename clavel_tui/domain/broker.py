"""A NATS server with JetStream: where it is, and by what it knows us."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from pydantic import Field

from clavel_tui.domain.model import Model

_FILE = r"^(/.*)?$"


class Broker(Model):
    """``[nats]`` of claveld.toml, agent.toml and config.toml. ``prefix``: what all that one fleet has there begins with."""

    url: str = Field(pattern=r"^(nats|tls)://[A-Za-z0-9.:\[\]_-]+$")
    prefix: str = Field("clavel", pattern=r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$")
    ca_file: str = Field("", pattern=_FILE)
    nkey_file: str = Field("", pattern=_FILE)
    """A seed, as `nk -gen user` makes one."""
    credentials_file: str = Field("", pattern=_FILE)
    """A JWT with its seed, as `nsc generate creds` makes one."""
    plain: bool = False
    """Also without TLS beyond this machine, inside a VPN."""

    @property
    def log(self) -> str:
        """The stream of what was changed."""
        return f"{self.prefix}-log"

    @property
    def refs(self) -> str:
        """The bucket of what agents should run, and of what they were told."""
        return f"{self.prefix}-refs"

    def now(self, *parts: str) -> str:
        """Where the server passes on what that bucket keeps, once it is kept."""
        return ".".join((self.prefix, "now", *parts))

    @property
    def beats(self) -> str:
        """The bucket of heartbeats."""
        return f"{self.prefix}-beats"

    @property
    def facts(self) -> str:
        """The bucket of what agents saw of their units."""
        return f"{self.prefix}-facts"

    @property
    def lease(self) -> str:
        """The bucket of what one claveld does for all."""
        return f"{self.prefix}-lease"

    @property
    def in_the_clear(self) -> bool:
        """Others could read and write what agents and claveld say there."""
        parts = urlsplit(self.url)
        try:
            near = ipaddress.ip_address(parts.hostname or "").is_loopback
        except ValueError:
            near = parts.hostname == "localhost"
        return parts.scheme != "tls" and not near and not self.plain


def key(bucket: str, *parts: str) -> str:
    """The subject of a key of a bucket."""
    return ".".join(("$KV", bucket, *parts))
