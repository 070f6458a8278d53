"""claveld's own file. Each key that is wrong is named with its value and what would be right."""

from __future__ import annotations

import ipaddress
import ssl
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from clavel_tui.domain import limits
from clavel_tui.domain.broker import Broker
from clavel_tui.domain.errors import Problem, SettingsError
from clavel_tui.domain.text import clean

FILE = Path("/etc/claveld/claveld.toml")


class Config(BaseModel):
    """``fleet``: the folder of fleet.toml. ``plain_http``: also where others could listen, as behind a proxy or a VPN."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    fleet: str = Field(min_length=1)
    listen: str = Field("127.0.0.1:8420", pattern=r"^(\[[0-9a-fA-F:.]+\]|[^\s:\[\]]+):[0-9]{1,5}$")
    database: str = "/var/lib/claveld/claveld.db"
    tls_certificate: str = ""
    tls_key: str = ""
    plain_http: bool = False
    nix: str = "nix"
    evaluator_mib: int = Field(limits.EVALUATOR_MIB, ge=0)
    nats: Broker | None = None
    """Where it has others beside it: see claveld.replica."""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def loopback(self) -> bool:
        """Nobody but this machine reaches it."""
        host, _ = self.address
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    @property
    def url(self) -> str:
        """Where it is reached from this machine."""
        return f"{'https' if self.tls_certificate else 'http'}://{self.listen}"


def read(file: Path) -> Config:
    """Reads and checks the file.

    Raises:
        SettingsError: with all that is wrong with it.
    """
    try:
        said = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        right = 'is not there: write one; fleet = "/path/of/hosts" is enough to begin'
        raise SettingsError([Problem(str(file), "", None, right)]) from None
    except (OSError, ValueError) as error:
        raise SettingsError([Problem(str(file), "", None, f"cannot be read: {error}")]) from error
    try:
        config = Config.model_validate(said)
    except ValidationError as error:
        raise SettingsError([_problem(file, said, one) for one in error.errors()]) from error
    if problems := _together(file, config):
        raise SettingsError(problems)
    return config


def read_to_serve(file: Path) -> Config:
    """The same, of who may also read its certificate's key: that is its service alone, and not who types a command beside it."""
    config = read(file)
    if problems := _certificate(file, config):
        raise SettingsError(problems)
    return config


def of_console(said: Mapping[str, Any], file: Path, fleet: Path, database: Path, nix: str, evaluator_mib: int) -> Config:
    """Of the claveld in a console: the rest is the console's own.

    Raises:
        SettingsError: with all that is wrong with it.
    """
    own = {"fleet": str(fleet), "database": str(database), "nix": nix, "evaluator_mib": evaluator_mib}
    files = {key: str(Path(said[key]).expanduser()) for key in ("tls_certificate", "tls_key") if isinstance(said.get(key), str)}
    try:
        config = Config.model_validate({**said, **files, **own})
    except ValidationError as error:
        raise SettingsError([_problem(file, dict(said), one, "claveld.") for one in error.errors()]) from error
    if problems := [*_together(file, config, "claveld."), *_certificate(file, config, "claveld.")]:
        raise SettingsError(problems)
    return config


def _certificate(file: Path, config: Config, table: str = "") -> list[Problem]:
    """Looked at before anything listens. A key with a passphrase would ask for it in the middle of the screen."""
    if not config.tls_certificate:
        return []
    problems = []
    for key in ("tls_certificate", "tls_key"):
        try:
            Path(getattr(config, key)).read_bytes()
        except OSError as error:
            problems.append(Problem(str(file), table + key, getattr(config, key), f"cannot be read: {error.strerror}"))
    if problems:
        return problems
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(config.tls_certificate, config.tls_key, password=lambda: "")
    except (OSError, ValueError) as error:  # an ssl.SSLError is an OSError
        right = f"cannot be used with its key {config.tls_key}: {clean(str(error), 200)}; PEM files, the key without a passphrase"
        return [Problem(str(file), f"{table}tls_certificate", config.tls_certificate, right)]
    return []


def _problem(file: Path, said: dict[str, Any], error: Any, table: str = "") -> Problem:  # noqa: ANN401  pydantic's own dictionary
    outer, *inner = (str(part) for part in error["loc"])
    value: Any = said.get(outer)
    for part in inner:
        value = value.get(part) if isinstance(value, dict) else None
    known = Broker.model_fields if inner else Config.model_fields
    folder = 'is missing: say the folder of fleet.toml, such as fleet = "/srv/fleet/hosts"'
    server = 'is missing: say where the NATS server is, such as url = "tls://nats.example.org:4222"'
    right = {
        "missing": server if inner else folder,
        "extra_forbidden": f"no such key; there are {', '.join(known)}",
    }.get(error["type"], error["msg"])
    return Problem(str(file), table + ".".join((outer, *inner)), value, right)


def _together(file: Path, config: Config, table: str = "") -> list[Problem]:
    problems = []
    if bool(config.tls_certificate) != bool(config.tls_key):
        missing = "tls_key" if config.tls_certificate else "tls_certificate"
        problems.append(Problem(str(file), table + missing, None, "is missing: a certificate goes with its key"))
    if not config.loopback and not config.tls_certificate and not config.plain_http:
        right = "others would read every token there: say tls_certificate and tls_key, or plain_http = true inside a VPN"
        problems.append(Problem(str(file), f"{table}listen", config.listen, right))
    if config.nats and config.nats.in_the_clear:
        right = "others could write there what agents run: say tls://, or plain = true inside a VPN"
        problems.append(Problem(str(file), "nats.url", config.nats.url, right))
    if not 0 < config.address[1] < 65536:  # noqa: PLR2004  what a port can be
        problems.append(Problem(str(file), f"{table}listen", config.listen, "no such port"))
    return problems
