"""A unit that takes a system from binary caches by itself: which substituters, whose signatures, and what Nix says of it.

The messages are those of Nix 2.8 and 2.26, of `nix-store --realise`: it is the same in every version, and needs no feature.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from clavel_tui.domain.closure import PATH
from clavel_tui.domain.text import clean
from clavel_tui.remote.effects import Query
from clavel_tui.remote.errors import RemoteError
from clavel_tui.remote.runner import QueryRunner
from clavel_tui.remote.target import Target

OFFER_S = 120.0
"""A closure of 2,000 paths is as many questions to a cache that was never asked."""
_FETCHED = re.compile(
    r"(?P<paths>\d+|this) paths? will be fetched \([\d.]+ .iB download, (?P<size>[\d.]+) (?P<unit>[KMGT]?)iB unpacked\)"
)
_UNKNOWN = "don't know how to build these paths"
_UNSIGNED = re.compile(r"'(?P<path>/nix/store/[^']+)' from '(?P<cache>[^']+)'.*not signed by any of the keys")
_AWAY = re.compile(r"(?:unable to download|cannot open connection to|unable to connect to) '?(?P<cache>[a-z0-9+]+://[^'\s]+)")
_POWERS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}


@dataclass(frozen=True)
class Offer:
    """What the caches have of it: so many ``paths`` would be fetched, of ``size`` bytes when unpacked; ``missing`` is in none."""

    paths: int = 0
    size: int = 0
    missing: tuple[str, ...] = ()
    away: tuple[str, ...] = ()
    """Caches that did not answer."""


def words(path: str, substituters: Sequence[str], keys: Sequence[str]) -> tuple[str, ...]:
    """Fetches a path, and builds nothing. What the unit itself trusts is trusted as well: its own administrator has said so."""
    options = {
        "max-jobs": "0",
        "require-sigs": "true",
        "extra-substituters": " ".join(substituters),
        "extra-trusted-public-keys": " ".join(keys),
        "connect-timeout": "10",
        "download-attempts": "2",
        # What a cache lacked a minute ago may have been uploaded since, and what bore no good signature signed: Nix
        # would remember the one for an hour and the other for a month.
        "narinfo-cache-negative-ttl": "0",
        "narinfo-cache-positive-ttl": "10",
    }
    return ("nix-store", "--realise", path, *(word for key, value in options.items() for word in ("--option", key, value)))


async def offer(runner: QueryRunner, target: Target, path: str, substituters: Sequence[str], keys: Sequence[str]) -> Offer:
    """Asks the unit what it would fetch. Signatures are looked at only when it does.

    Raises:
        RemoteError: it could not be asked, or has no Nix.
    """
    lines: list[str] = []
    question = (*words(path, substituters, keys), "--dry-run")
    result = await runner.query(target, Query.script("offer", '"$@" 2>&1', *question, timeout=OFFER_S), lines.append)
    found = parse_offer(lines)
    if result.code and found.away:  # a cache whose description Nix remembers, and which answers no more
        return Offer(missing=(path,), away=found.away)
    if result.code:
        raise RemoteError("nix", f"{target.name} cannot tell what it would fetch: {clean((lines or ['nix-store failed'])[-1])}")
    return found


def parse_offer(lines: Iterable[str]) -> Offer:
    """From what `nix-store --realise --dry-run` says."""
    paths = size = 0
    missing: list[str] = []
    away: dict[str, None] = {}
    listing = False
    for line in lines:
        if match := _FETCHED.search(line):
            paths = 1 if match["paths"] == "this" else int(match["paths"])
            size = int(float(match["size"]) * (1 << _POWERS[match["unit"]]))
        if match := _AWAY.search(line):
            away[_base(match["cache"])] = None
        listing = line.startswith(_UNKNOWN) or (listing and bool(PATH.fullmatch(line.strip())))
        if listing and PATH.fullmatch(line.strip()):
            missing.append(line.strip())
    return Offer(paths, size, tuple(missing), tuple(away))


def refused(path: str, lines: Sequence[str], substituters: Sequence[str]) -> tuple[str, str]:
    """Why Nix could not fetch a path, and what to do; both empty where it says something else."""
    for line in lines:
        if match := _UNSIGNED.search(line):
            who = f"{match['cache']} has {match['path']}, and it is not signed by a key that is trusted for it"
            return who, "say the right one in substituters-public-keys, or sign what is in the cache: `nix store sign`"
    return why_not(path, parse_offer(lines), substituters)


def why_not(path: str, found: Offer, substituters: Sequence[str]) -> tuple[str, str]:
    """Why a path cannot be fetched, and what to do."""
    caches = ", ".join(substituters) or "the unit's own substituters"
    if found.away:
        return f"{', '.join(found.away)} did not answer", "is it up, and reached from the unit?"
    if found.missing:
        what = path if found.missing[0] == path else f"{found.missing[0]}, which it needs,"
        hint = f"upload it: `nix copy --to CACHE {path}`; or copy it: --delivery copy"
        if not substituters:
            hint = f"name caches in the flake's nixConfig, unit.toml or fleet.toml, and evaluate again; {hint}"
        return f"{what} is in none of {caches}", hint
    return "", ""


def _base(url: str) -> str:
    """Of the cache, without the file that was asked for."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host}{slash}{path.rpartition('/')[0]}".rstrip("/")
