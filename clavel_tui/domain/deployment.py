"""A Deployment: what evaluating a Source yields for one Unit. Immutable, and named after its content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Self

from pydantic import ConfigDict, Field

from clavel_tui.domain.model import Model

SHORT = 8


class Template(Model):
    """NarTemplateSpecification: the store path, and where it could be had. ``metadata`` holds drvPath and system, and more."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)

    nar_id: str = Field(alias="narId")
    substituters: tuple[str, ...] = ()
    keys: tuple[str, ...] = Field((), alias="substituters-public-keys")
    metadata: dict[str, str] = Field(default_factory=dict)


class Specification(Model):
    """For which unit, and what."""

    unit: str
    template: Template


class Deployment(Model):
    """``metadata`` says from where it first came: source, sourceHash, and who said the substituters."""

    id: str
    name: str
    metadata: dict[str, str]
    specification: Specification

    @classmethod
    def of(cls, specification: Specification, source: str, source_hash: str, **metadata: str) -> Self:
        """The same source and specification give the same id, whoever evaluates it, and when."""
        name = specification.unit
        said = {"name": name, "sourceHash": source_hash, "specification": specification.model_dump(mode="json")}
        canonical = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        ident = hashlib.sha256(canonical.encode()).hexdigest()
        return cls(
            id=ident,
            name=name,
            metadata={"source": source, "sourceHash": source_hash, **metadata},
            specification=specification,
        )

    @property
    def genuine(self) -> bool:
        """Its id is that of its content: what came over a network may have been changed, or cut short."""
        source, hash_ = self.metadata.get("source", ""), self.metadata.get("sourceHash", "")
        return self.id == type(self).of(self.specification, source, hash_).id and self.name == self.specification.unit

    @property
    def nar_id(self) -> str:
        """The store path that the unit should run."""
        return self.specification.template.nar_id

    @property
    def source_hash(self) -> str:
        """The narHash of the source."""
        return self.metadata["sourceHash"]


def full_name(name: str, ident: str, others: Sequence[str] = ()) -> str:
    """``cinnabar@3f9c2a1b``; the part behind @ grows until it is unlike that of all ``others`` of the name."""
    length = SHORT
    while any(other != ident and other[:length] == ident[:length] for other in others):
        length += 1
    return f"{name}@{ident[:length]}"


class Recorded(Model):
    """A Deployment as the journal knows it: with the newest evaluation that yielded it, and how many did."""

    deployment: Deployment
    short: str
    at: float
    operator: str
    url: str
    revision: str = ""
    dirty: bool = False
    evaluations: int = 1


class RefMove(Model):
    """A DeploymentRef went to a Deployment: who, when, from what, why."""

    seq: int
    name: str
    deployment: str
    before: str = ""
    at: float
    operator: str
    why: str = ""


class Head(Model):
    """Where a unit's DeploymentRef points, and every Deployment that it has pointed to, the oldest first."""

    name: str
    id: str = ""
    short: str
    nar_id: str
    at: float
    past: tuple[tuple[str, str], ...] = ()
    """(short name, store path) of each move, up to and with the one that it points to now."""

    def behind(self, nar_id: str) -> tuple[str, int] | None:
        """The short name of what that store path was, and how many evaluations behind it is; None where it was never recorded."""
        for steps, (short, path) in enumerate(reversed(self.past)):
            if path == nar_id:
                return short, steps
        return None


def differences(old: Deployment, new: Deployment) -> dict[str, tuple[str, str]]:
    """What differs between two Deployments, by the name of the field."""
    before, after = _flat(old), _flat(new)
    changed = (key for key in sorted({*before, *after}) if before.get(key) != after.get(key))
    return {key: (before.get(key, ""), after.get(key, "")) for key in changed}


def _flat(deployment: Deployment) -> Mapping[str, str]:
    template = deployment.specification.template
    return {
        "unit": deployment.name,
        "sourceHash": deployment.source_hash,
        "narId": template.nar_id,
        "substituters": " ".join(template.substituters),
        "substituters-public-keys": " ".join(template.keys),
        **template.metadata,
    }
