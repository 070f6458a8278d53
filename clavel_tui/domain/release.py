"""A Release: what a Stack ran at one moment. It is kept on the unit and never changes."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from clavel_tui.domain.model import Model


class ServiceImage(Model):
    """The image that one service ran: its ID, the reference that named it, all its digests and platform."""

    service: str
    image: str
    ref: str
    platform: str = ""
    digests: tuple[str, ...] = ()


class Held(Model):
    """A stack that stays where it is until someone releases it."""

    release: str
    at: str = ""
    operator: str = ""
    reason: str = ""


class Release(Model):
    """Images, files and tool versions of a stack. ``seq`` grows each time that it was seen to run."""

    id: str
    project: str = ""
    services: tuple[ServiceImage, ...] = ()
    archived: tuple[str, ...] = ()
    """Services whose image is also kept as a file on the unit, where no prune takes it."""
    files: tuple[str, ...] = ()
    docker: str = ""
    compose: str = ""
    seq: int = 0
    health: str = ""
    seen_at: str = ""
    job: str = ""

    def images(self) -> dict[str, str]:
        """The recorded image ID of each service."""
        return {s.service: s.image for s in self.services}

    def missing(self, present: Collection[str]) -> tuple[str, ...]:
        """Services whose recorded image is neither among ``present``, the image IDs of the unit, nor archived."""
        return tuple(s.service for s in self.services if s.image not in present and s.service not in self.archived)


def last_known_good(releases: Sequence[Release], running: str | None) -> Release | None:
    """The newest recorded release that was verified healthy and is not what runs now."""
    good = [r for r in releases if r.health == "healthy" and r.id != running]
    return max(good, key=lambda r: r.seq, default=None)
