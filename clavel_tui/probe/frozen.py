"""The probe as a file on the unit: what a read-only key runs. It holds all that a console would send with each look."""

from __future__ import annotations

import shlex

from clavel_tui.domain.unit import Unit
from clavel_tui.probe.ask import probe_query
from clavel_tui.remote.ssh import SAY
from clavel_tui.remote.target import Target


def frozen_probe(unit: Unit, target: Target) -> str:
    """The text of probe.sh for this unit. Stacks and checks that are declared later are not in it."""
    query = probe_query(unit)
    setting = "\n".join(f"{name}={shlex.quote(value)}; export {name}" for name, value in target.variables().items())
    return f"{setting}\nset -- {shlex.join(query.args)}\n{SAY}{query.text}\n"
