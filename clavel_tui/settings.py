"""What was said: the flags, the user's file and the system's. What the system's file forbids, nothing else allows."""

from __future__ import annotations

import argparse
import os
import re
import tomllib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from clavel_tui.domain import limits
from clavel_tui.domain.errors import Problem, SettingsError
from clavel_tui.process import current_folder

if TYPE_CHECKING:
    from clavel_tui.domain.broker import Broker
    from clavel_tui.remote.trust import SshFiles

SYSTEM_FILE = Path("/etc/clavel-tui/config.toml")
"""Named by no flag and no variable, so that nobody who is held by it can look elsewhere."""
THEMES = ("dark", "light", "monochrome")
KEYS: dict[str, tuple[type, str]] = {
    "read_only": (bool, "true or false"),
    "theme": (str, f"one of {', '.join(THEMES)}"),
    "nix": (str, "the program that evaluates, such as /run/current-system/sw/bin/nix"),
    "evaluator_mib": (int, "the memory in MiB that one evaluator may have; 0 for no bound"),
    "signing_key": (str, "the file of a key that `nix store sign` takes; what is copied to units is signed with it"),
    "claveld": (
        dict,
        "a table with url and token_file, and ca_file where its certificate is your own; nats or listen instead of url",
    ),
    "keys": (dict, 'a table of command ids and keys, such as update = "U"'),
}


@dataclass(frozen=True)
class Config:
    """One config file. All of its keys may be missing."""

    read_only: bool = False
    theme: str = ""
    nix: str = ""
    evaluator_mib: int | None = None
    signing_key: str = ""
    claveld: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """What holds for this run. ``read_only`` says who wants it so; empty where changes are allowed."""

    fleet: str | None = None
    db: str | None = None
    ssh_config: str | None = None
    known_hosts: str | None = None
    identity: str | None = None
    read_only: str = ""
    theme: str = ""
    keys: tuple[tuple[str, str], ...] = ()
    nix: str = "nix"
    evaluator_mib: int = limits.EVALUATOR_MIB
    signing_key: str = ""
    claveld: tuple[tuple[str, str], ...] = ()
    nats: Broker | None = None
    """The way to that claveld, instead of its url."""
    serve: tuple[tuple[str, Any], ...] = ()
    """What the claveld in this console listens on, instead of one elsewhere."""
    tour: bool = False

    @classmethod
    def of(cls, args: argparse.Namespace) -> Settings:
        """From parsed arguments and the two files.

        Raises:
            SettingsError: a file cannot be read or understood. It is not passed over: it might have forbidden something.
        """
        if args.db and os.path.isdir(args.db):  # noqa: PTH112  one that cannot be looked at is no folder
            raise SettingsError([Problem("--db", "", args.db, "is a folder: name a file")])
        user, system = read_config(user_file()), read_config(SYSTEM_FILE)
        claveld = user.claveld or system.claveld
        serve = claveld if "listen" in claveld else {}
        claveld = {} if serve else claveld
        wishes = ((system.read_only, str(SYSTEM_FILE)), (user.read_only, str(user_file())), (args.read_only, "--read-only"))
        return cls(
            args.fleet,
            args.db,
            args.ssh_config,
            args.known_hosts,
            args.identity,
            read_only=next((who for wanted, who in wishes if wanted), ""),
            theme=user.theme or system.theme,
            keys=tuple({**system.keys, **user.keys}.items()),
            nix=user.nix or system.nix or "nix",
            signing_key=user.signing_key or system.signing_key,
            claveld=tuple((key, value) for key, value in claveld.items() if key not in {"nats", "plain_http"}),
            nats=_broker(claveld["nats"]) if "nats" in claveld else None,
            serve=tuple(serve.items()),
            evaluator_mib=next((c.evaluator_mib for c in (user, system) if c.evaluator_mib is not None), limits.EVALUATOR_MIB),
        )

    @classmethod
    def here(cls, fleet: str | None, db: str | None) -> Settings:
        """As the files have it, but for these two."""
        said = dict.fromkeys(("ssh_config", "known_hosts", "identity"))
        return cls.of(argparse.Namespace(**said, fleet=fleet, db=db, read_only=False))

    @property
    def database(self) -> Path:
        """The journal's file."""
        import platformdirs

        return Path(self.db) if self.db else platformdirs.user_data_path("clavel-tui") / "journal.db"

    @property
    def frame(self) -> Path:
        """What the console last showed of this fleet; beside the journal, named after where the fleet was looked for."""
        asked = f"{self.fleet}\0{os.environ.get('CLAVEL_FLEET', '')}\0{'' if self.fleet else current_folder()}"
        return self.database.with_name(f"frame-{zlib.crc32(asked.encode()):08x}.json")

    @property
    def ssh_files(self) -> SshFiles:
        """The user's own SSH files, unless others were named."""
        from clavel_tui.remote.trust import SshFiles

        return SshFiles(
            # Absolute: in a file that names them for Nix's ssh they are meant from elsewhere.
            config=(Path(self.ssh_config).absolute(),) if self.ssh_config else None,
            known_hosts=Path(self.known_hosts).absolute() if self.known_hosts else None,
            identity=Path(self.identity).absolute() if self.identity else None,
        )


def user_file() -> Path:
    """The user's own config file."""
    import platformdirs

    try:
        return platformdirs.user_config_path("clavel-tui") / "config.toml"
    except RuntimeError as error:  # neither HOME nor an entry in passwd
        raise SettingsError([Problem("HOME", "", None, "is not set, and this user has no home: set it")]) from error


def read_config(file: Path) -> Config:
    """A config file; one that is not there says nothing."""
    try:
        said = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Config()
    except OSError as error:
        raise SettingsError([Problem(str(file), "", None, f"cannot be read ({error.strerror}): ask who set it up")]) from error
    except ValueError as error:
        raise SettingsError([Problem(str(file), "", None, f"is not TOML: {error}")]) from error
    if problems := _problems(str(file), said):
        raise SettingsError(problems)
    return Config(**said)


def _problems(file: str, said: dict[str, Any]) -> Sequence[Problem]:
    found = [Problem(file, key, None, f"no such key; there are {', '.join(KEYS)}") for key in said.keys() - KEYS.keys()]
    for key, (kind, right) in KEYS.items():
        if key in said and not isinstance(said[key], kind):
            found.append(Problem(file, key, said[key], f"should be {right}"))
    if isinstance(said.get("theme"), str) and said["theme"] not in THEMES:
        found.append(Problem(file, "theme", said["theme"], f"should be {KEYS['theme'][1]}"))
    if isinstance(said.get("claveld"), dict):
        found += _claveld_problems(file, said["claveld"])
    if isinstance(said.get("keys"), dict):
        found += _key_problems(file, said["keys"])
    return found


def _claveld_problems(file: str, said: dict[str, object]) -> list[Problem]:
    if "listen" in said:
        return _serve_problems(file, said)
    known = ("url", "token_file", "ca_file", "nats", "plain_http")
    found = [
        Problem(file, f"claveld.{key}", said[key], f"no such key; there are {', '.join(known)}") for key in {*said} - {*known}
    ]
    missing = "is missing: `claveld token add` shows a token"
    needed = ("token_file",) if "nats" in said else ("url", "token_file")
    found += [Problem(file, f"claveld.{key}", None, missing) for key in needed if not said.get(key)]
    found += [
        Problem(file, f"claveld.{key}", value, "should be true or false" if key == "plain_http" else "should be text")
        for key, value in said.items()
        if not isinstance(value, bool if key == "plain_http" else str) and key != "nats"
    ]
    if isinstance(url := said.get("url"), str) and url and (wrong := _wrong_url(url, plain=said.get("plain_http") is True)):
        found.append(Problem(file, "claveld.url", url, wrong))
    if "nats" in said:
        found += _nats_problems(file, said)
    return found


def _wrong_url(url: str, *, plain: bool) -> str:
    """What is wrong with the address of a claveld; empty where nothing is."""
    if not url.startswith(("https://", "http://")):
        return "should begin with https://"
    try:
        parts = urlsplit(url)
        good = bool(parts.hostname) and parts.port != 0 and not re.search(r"[\s<>\"]", url)
    except ValueError:
        good = False
    if not good:
        return "is no address: say https://HOST or https://HOST:PORT"
    if parts.scheme == "http" and not plain and parts.hostname not in {"127.0.0.1", "localhost", "::1"}:
        return "would send the token in the clear: say https, or plain_http = true inside a VPN"
    return ""


def _serve_problems(file: str, said: dict[str, object]) -> list[Problem]:
    """The values themselves are looked at when it begins: see claveld.config."""
    if elsewhere := {*said} & {"url", "nats", "token_file"}:
        right = "stands beside listen: claveld runs either here or elsewhere; take one of them out"
        return [Problem(file, f"claveld.{min(elsewhere)}", None, right)]
    known = ("listen", "tls_certificate", "tls_key", "plain_http")
    return [
        Problem(file, f"claveld.{key}", said[key], f"no such key; there are {', '.join(known)}") for key in {*said} - {*known}
    ]


def _broker(said: object) -> Broker:
    """Late: most have none, and every command would wait for it."""
    from clavel_tui.domain.broker import Broker

    return Broker.model_validate(said)


def _nats_problems(file: str, said: dict[str, object]) -> list[Problem]:
    if "url" in said:
        return [Problem(file, "claveld.nats", None, "stands beside url: claveld is reached in one way; take one of them out")]
    from pydantic import ValidationError

    try:
        broker = _broker(said["nats"])
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(("claveld", "nats", *map(str, first["loc"])))
        return [Problem(file, key, first["input"], f"{first['msg']}; a table with url, such as tls://nats.example.org:4222")]
    right = "would send the token in the clear: say tls://, or plain = true inside a VPN"
    return [Problem(file, "claveld.nats.url", broker.url, right)] if broker.in_the_clear else []


def _key_problems(file: str, keys: dict[str, Any]) -> list[Problem]:
    from clavel_tui.domain.commands import COMMANDS

    known = [c.id for c in COMMANDS]
    none, right = f"no such command; there are {', '.join(known)}", 'should be a key, such as "U" or "ctrl+u"'
    found = [Problem(file, f"keys.{ident}", None, none) for ident in keys if ident not in known]
    found += [Problem(file, f"keys.{ident}", key, right) for ident, key in keys.items() if not isinstance(key, str)]
    taken: dict[str, str] = {}
    for ident, key in [(c.id, keys.get(c.id, c.key)) for c in COMMANDS]:
        if not isinstance(key, str):
            continue
        if key in taken:
            found.append(Problem(file, f"keys.{ident}", key, f"is the key of {taken[key]} already"))
        taken[key] = ident
    return found
