"""What claveld writes into its log: a line an event, as ``ref unit=cinnabar text="…"``.

By uvicorn's own logger, so that one setting holds for both; the wall clock and the name are the init's to put before it.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from clavel_tui.domain.operation import Event

LOG = logging.getLogger("uvicorn.error")
_LOGIN = re.compile(r"(?<=://)[^/?#\s]+(?=@)|(?<=[?&])((?:\w*_)?(?:token|password|secret|key)=)[^&#\s'\"]+", re.IGNORECASE)
"""Of a reference such as https://ada:secret@git.example.org/fleet?private_token=secret, which a fetcher's error repeats."""
_PLAIN = re.compile(r"[A-Za-z0-9_.:/@+-]+")
_PROGRESS = frozenset({"begun", "step"})
"""Events that are for whoever watches an operation; that it begins, and why, has a line of its own."""


MANY = 1000
"""What a new one of several learns at once is the whole past: of that the end is told."""
LATE_S = 60.0
"""What is older when it is heard of, as by a claveld that was away, says when it was; all else is of now."""


def tell(events: Sequence[Event]) -> None:
    """What was journalled since, by whomever: refs that moved, tokens, reports, what an evaluation came to."""
    if len(events) > MANY:
        LOG.info(line("past", events=str(len(events) - MANY)))
    for event in events[-MANY:]:
        if event.kind not in _PROGRESS:
            said = {"operation": event.operation, "unit": event.unit, "text": event.text}
            if time.time() - event.at > LATE_S:
                said = {"at": datetime.fromtimestamp(event.at, UTC).isoformat(timespec="seconds"), **said}
            level = logging.WARNING if event.kind == "warn" else logging.INFO
            LOG.log(level, line(event.kind, **{key: value for key, value in said.items() if value}))


def line(event: str, **fields: str) -> str:
    """The event, then what is known of it: as a plain word where it is one, else as JSON has it."""
    said = ((key, _LOGIN.sub(r"\1…", value)) for key, value in fields.items())
    words = (f"{key}={value if _PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)}" for key, value in said)
    return " ".join([event, *words])
