"""The base of every model: frozen, and closed to keys that nobody declared."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A frozen value. Two of them with the same content are equal; a change is a new one, by ``model_copy``."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=False)
