"""What switch-to-configuration says that it would do, or did. The same words in perl's and in Rust's."""

from __future__ import annotations

import re
from collections.abc import Iterable

from clavel_tui.domain.system import ServiceChange
from clavel_tui.domain.text import clean

_WOULD = re.compile(r"^would (?P<verb>start|stop|restart|reload) the following units: *(?P<names>.*)$")
MOST = 500


def parse_dry(lines: Iterable[str]) -> tuple[ServiceChange, ...]:
    """From the lines of dry-activate; what is not understood is left out."""
    found: list[ServiceChange] = []
    for line in lines:
        if match := _WOULD.match(line.strip()):
            names = (clean(name.strip(), 120) for name in match["names"].split(","))
            found.extend(ServiceChange(verb=match["verb"], name=name) for name in names if name)
    return tuple(found[:MOST])
