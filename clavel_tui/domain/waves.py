"""How many units a rollout takes at a time, and what holds the next ones back. Pure."""

from __future__ import annotations

import math
from enum import StrEnum

from pydantic import Field, ValidationError

from clavel_tui.domain import limits
from clavel_tui.domain.errors import RefusedError
from clavel_tui.domain.model import Model


class OnStop(StrEnum):
    """What becomes of the units that are done when a rollout stops."""

    LEAVE = "leave"
    RETURN = "return"


_RIGHT = {
    "canary": "0 to 1000 units",
    "wave": "so many units, or a part of all of them such as 25%",
    "soak_seconds": "0 to 86400",
    "stop_at": "1 to 1000 failures",
    "on_stop": "leave or return",
}


class RolloutSettings(Model):
    """``[rollout]`` of fleet.toml: the size of the waves, and what holds the next one back."""

    canary: int = Field(1, ge=0, le=1000)
    """So many units go first, alone."""
    wave: str = Field("25%", pattern=limits.WAVE)
    """So many units, or so much of all of them, in each wave behind that."""
    soak_seconds: int = Field(60, ge=0, le=86400)
    """How long a wave is watched before the next one begins."""
    stop_at: int = Field(1, ge=1, le=1000)
    """With so many failures nothing more is begun."""
    on_stop: OnStop = OnStop.LEAVE

    @property
    def sentence(self) -> str:
        """As people say it."""
        first = f"{self.canary} first, then " if self.canary else ""
        done = "are left as they are" if self.on_stop is OnStop.LEAVE else "are brought back"
        failures = f"{self.stop_at} failure{'s' * (self.stop_at != 1)}"
        return f"{first}{self.wave} at a time, {self.soak_seconds} s watched between; stops at {failures}, and those done {done}"

    @property
    def typed(self) -> str:
        """All of it, by the keys of fleet.toml: `canary=1 wave=25% soak_seconds=60 stop_at=1 on_stop=leave`."""
        return " ".join(f"{key}={value}" for key, value in self.model_dump(mode="json").items())

    def otherwise(self, text: str) -> RolloutSettings:
        """These, but for what is typed, such as `wave=10% soak_seconds=300`.

        Raises:
            RefusedError: with the key, what was typed for it, and what would be right.
        """
        said: dict[str, str] = {}
        for word in text.split():
            key, is_, value = word.partition("=")
            if key not in _RIGHT or not is_:
                raise RefusedError(f"{word}: not one of {', '.join(f'{known}=…' for known in _RIGHT)}")
            if key in said:
                raise RefusedError(f"{key} is there twice: {said[key]} and {value}")
            said[key] = value
        try:
            return RolloutSettings.model_validate(self.model_dump(mode="json") | said)
        except ValidationError as error:
            key = str(error.errors()[0]["loc"][0])
            raise RefusedError(f"{key}={said[key]}: it is {_RIGHT[key]}") from None


def sizes(count: int, settings: RolloutSettings) -> list[int]:
    """How many units each wave has. A part of all units is rounded up, so that no wave is empty."""
    said = settings.wave
    each = math.ceil(count * int(said[:-1]) / 100) if said.endswith("%") else int(said)
    found = [min(settings.canary, count)] if settings.canary else []
    while (left := count - sum(found)) > 0:
        found.append(min(each, left))
    return found
