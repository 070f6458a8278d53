"""A look at the whole fleet: warm against kept connections of the peers, cold against OpenSSH as it is and with our key exchange."""

import gc
from collections.abc import Callable
from contextlib import ExitStack

from .hosts import Hosts
from .measure import Aim, Row, Sample, Verdict, interleaved, row, taken, verdicts
from .ours import Ours, warm
from .peers import CURVE, Peers

OURS = "clavel-tui"
MASTER, PYINFRA, ANSIBLE = "OpenSSH, ControlMaster warm, xargs -P16", "pyinfra exec", "ansible -m raw, warm, 50 forks"
CURVE_ONLY, DEFAULTS = f"OpenSSH cold, {CURVE}, xargs -P64", "OpenSSH cold, its defaults, xargs -P64"
WARM_AIMS = (
    Aim("wall", MASTER, 0.3),
    Aim("cpu", MASTER, 0.1),
    Aim("wall", PYINFRA, 0.1),
    Aim("cpu", PYINFRA, 0.1),
    Aim("wall", ANSIBLE, 0.1),
    Aim("cpu", ANSIBLE, 0.1),
)
COLD_AIMS = (Aim("wall", CURVE_ONLY, 1.05), Aim("wall", DEFAULTS, 0.4))
Found = tuple[list[Row], list[Verdict]]


def refresh(hosts: Hosts, count: int, runs: int) -> Found:
    """Every connection is warm, but pyinfra's: it keeps none."""
    with ExitStack() as stack:
        ours = stack.enter_context(warm(hosts, count))
        peers = Peers(hosts, count, ours.probe_line())
        stack.callback(peers.end)
        contestants = {OURS: _ours(ours), MASTER: peers.control_master(), PYINFRA: peers.pyinfra(), ANSIBLE: peers.ansible()}
        return _race("refresh", count, runs, contestants, WARM_AIMS)


def cold(hosts: Hosts, count: int, runs: int) -> Found:
    """No connection yet, on either side; the fleet itself is open."""
    with Ours(hosts, count, f"cold{count}") as ours:
        peers = Peers(hosts, count, ours.probe_line())
        curve, defaults = peers.cold(f"KexAlgorithms {CURVE}"), peers.cold()
        contestants = {OURS: _ours(ours, forget=True), CURVE_ONLY: curve, DEFAULTS: defaults}
        return _race("cold", count, runs, contestants, COLD_AIMS)


def _ours(ours: Ours, *, forget: bool = False) -> Callable[[], Sample]:
    def run() -> Sample:
        if forget:
            ours.forget()
        gc.collect()
        sample = taken(ours.refresh)
        ours.check()
        return sample

    return run


def _race(bench: str, count: int, runs: int, all_of: dict[str, Callable[[], Sample] | None], aims: tuple[Aim, ...]) -> Found:
    there = {name: run for name, run in all_of.items() if run}
    interleaved(there, 1)  # not counted: it warms
    samples = interleaved(there, runs)
    rows = [
        row(bench, name, count, samples[name]) if name in samples else Row(bench, name, count, missing="not installed")
        for name in all_of
    ]
    return rows, verdicts(rows, OURS, aims)
