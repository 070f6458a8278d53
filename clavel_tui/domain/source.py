"""A Source: a reference to a Nix flake, and what evaluating it yielded, attribute by attribute."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum

from pydantic import Field

from clavel_tui.domain.model import Model

URL = r"^[^\s-][^\s]*$"
"""What a flake reference looks like: nothing that Nix would take for an option."""


class Trigger(StrEnum):
    """When claveld evaluates a Source by itself. Whenever somebody asks it is evaluated as well."""

    CHANGE = "change"
    SCHEDULE = "schedule"
    REQUEST = "request"


class SourcePin(Model):
    """A Source stays at one revision, which was evaluated before. ``url`` is the reference that yields it again.

    ``of``: what the Source followed then: of another repository it says nothing.
    """

    revision: str
    url: str
    of: str
    at: float
    operator: str
    why: str = ""

    @property
    def told(self) -> str:
        """How it is told to people, behind the Source's name."""
        return f"stays at {self.revision[:12]}: {self.operator}{f', {self.why}' if self.why else ''}"


class Source(Model):
    """``url`` is anything that Nix takes as a flake reference; a folder is made absolute by whoever read it."""

    name: str
    url: str
    on: Trigger = Trigger.CHANGE
    every_minutes: int = 0
    """How often it is looked at beside that; 0: each minute where its changes cannot be watched, else each hour."""
    added_by: str = ""
    """Who told claveld of it; empty where fleet.toml names it."""
    pin: SourcePin | None = None

    @property
    def reference(self) -> str:
        """What is evaluated."""
        return self.pin.url if self.pin else self.url


class KeptSource(Model):
    """What claveld was told of a Source: that there is one, where fleet.toml does not say so, and where it is pinned."""

    name: str
    added: Source | None = None
    pin: SourcePin | None = None

    def held(self, source: Source) -> Source:
        """That Source, with its pin."""
        return source.model_copy(update={"pin": self.pin}) if self.pin and self.pin.of == source.url else source


def standing(said: Iterable[Source], kept: Iterable[KeptSource]) -> list[Source]:
    """All Sources by name, those of fleet.toml before what was added under the same name, each with its pin."""
    told = {one.name: one for one in kept}
    named = {one.name: one.added for one in told.values() if one.added} | {one.name: one for one in said}
    return [told[name].held(one) if name in told else one for name, one in sorted(named.items())]


def repository(url: str) -> str:
    """A locked reference without its revision: those of one repository have the same."""
    return re.sub(r"/[0-9a-f]{40}(?=$|\?)", "", url).partition("?")[0]


class Lock(Model):
    """A Source at one moment: what Nix says that the reference means now."""

    url: str
    """With the revision, where there is one: evaluating it again yields the same."""
    nar_hash: str
    revision: str = ""
    dirty: bool = False
    dir: str = ""
    nix: str = ""
    """The version that said so: `2.8.0`."""

    @property
    def pinned(self) -> bool:
        """The reference names the content itself, so that it can be evaluated purely."""
        return "rev=" in self.url or "narHash=" in self.url or re.search(r"^[a-z]+:[^?]*/[0-9a-f]{40}\b", self.url) is not None

    @property
    def key(self) -> str:
        """What a memo of it stands under. The revision belongs to it: flakes write it into what they build."""
        return "\n".join((self.nar_hash, self.dir, self.revision, "dirty" if self.dirty else ""))


class Fault(StrEnum):
    """Why an attribute has no Deployment."""

    EVALUATION = "evaluation"
    BUILD = "build"
    MEMORY = "memory"
    TIME = "time"
    CRASH = "crash"
    FETCH = "fetch"
    WORKSTATION = "workstation"
    """A full disk, a daemon that is down, a key that git lacks: nothing of the source."""
    SCHEMA = "schema"
    AMBIGUOUS = "ambiguous"

    @property
    def lasting(self) -> bool:
        """It would be the same if the same source were evaluated again: worth to be kept."""
        return self in {Fault.EVALUATION, Fault.BUILD, Fault.SCHEMA, Fault.AMBIGUOUS}


class Attribute(Model):
    """One attribute of the flake that matches a unit: a closure, or why there is none."""

    name: str
    """As `nixosConfigurations.cinnabar`."""
    unit: str
    nar_id: str = ""
    drv_path: str = ""
    system: str = ""
    type: str = ""
    profile: str = ""
    substituters: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    metadata: dict[str, str] = Field(default_factory=dict)
    fault: Fault | None = None
    text: str = ""
    """Nix's own message, trimmed to what helps."""


class Listing(Model):
    """What the flake holds beside its units, and what its nixConfig says."""

    attributes: tuple[str, ...] = ()
    """All of nixosConfigurations, darwinConfigurations and clavelUnits, by name."""
    substituters: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


class Evaluation(Model):
    """A Source as it was evaluated: each matching attribute, what matches no unit, and Nix's warnings."""

    source: Source
    lock: Lock
    listing: Listing = Listing()
    attributes: tuple[Attribute, ...] = ()
    warnings: tuple[str, ...] = ()
    processes: int = 0
    """Evaluators that were started for it; none where all of it was known."""

    @property
    def others(self) -> tuple[str, ...]:
        """Attributes that match no unit: listed, never deployed."""
        known = {attribute.name for attribute in self.attributes}
        return tuple(name for name in self.listing.attributes if name not in known)

    @property
    def failed(self) -> tuple[Attribute, ...]:
        """Those without a closure."""
        return tuple(attribute for attribute in self.attributes if attribute.fault)
