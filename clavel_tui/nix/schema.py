"""What the extractor tells of one attribute, checked: a flake may say anything under ``clavelUnits``."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from clavel_tui.domain.source import Attribute, Fault
from clavel_tui.domain.text import clean
from clavel_tui.domain.unit import UnitType

STORE_PATH = re.compile(r"^/nix/store/[0-9abcdfghijklmnpqrsvwxyz]{32}-[0-9A-Za-z+._?=-]+\Z")


class Told(BaseModel):
    """One line of ``found``. ``unknown`` and ``both`` are what an attribute of clavelUnits must not have."""

    model_config = ConfigDict(extra="forbid", strict=True)

    attribute: str
    unit: str
    narId: str = ""  # noqa: N815  as the extractor writes it
    drvPath: str = ""  # noqa: N815
    system: str = ""
    type: str = ""
    profile: str = ""
    substituters: list[str] = Field(default_factory=list)
    keys: list[str] = Field(default_factory=list)
    metadata: dict[str, str] = Field(default_factory=dict)
    unknown: list[str] = Field(default_factory=list)
    both: bool = False


_KNOWN = "type, profile, toplevel, storePath, system, substituters, substituters-public-keys and metadata"
_KEYS = {"narId": "storePath or toplevel", "keys": "substituters-public-keys"}


def attribute(said: dict[str, Any], expected: UnitType) -> Attribute:
    """The attribute, or the sentence that says what is wrong with it, key and value named."""
    name, unit = str(said["attribute"]), str(said["unit"])
    try:
        told = Told.model_validate(said)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(_KEYS.get(str(part), str(part)) for part in first["loc"])
        text = clean(f"{name}: {key} is {first.get('input')!r}: {first['msg']}")
        return Attribute(name=name, unit=unit, fault=Fault.SCHEMA, text=text)
    if wrong := _wrong(told, expected):
        return Attribute(name=name, unit=unit, fault=Fault.SCHEMA, text=clean(f"{name}: {wrong}"))
    return Attribute(
        name=name,
        unit=unit,
        nar_id=told.narId,
        drv_path=told.drvPath,
        system=told.system,
        type=told.type or expected.value,
        profile=told.profile,
        substituters=tuple(told.substituters),
        keys=tuple(told.keys),
        metadata=told.metadata,
    )


def _wrong(told: Told, expected: UnitType) -> str:
    if told.unknown:
        return f"no such key: {', '.join(told.unknown)}; known are {_KNOWN}"
    if told.both:
        return "says both toplevel and storePath: keep one of them"
    if not told.narId:
        return "says neither toplevel nor storePath"
    if not STORE_PATH.match(told.narId):
        return f"{told.narId!r} is no store path that is known before it is built"
    if told.type and told.type != expected.value:
        return f"type is {told.type!r}, but unit.toml says {expected.value!r}"
    if told.profile and not told.profile.startswith("/"):
        return f"profile is {told.profile!r}: it must be an absolute path, such as /nix/var/nix/profiles/system"
    return ""
