"""Samples, medians and ratios, and the table that is printed. Everything here but ``taken`` is pure."""

import os
import resource
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Sample:
    """One run: seconds of wall time, and of CPU time of the client alone."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Aim:
    """``quantity`` of the row is to be at most ``most`` times that of the row ``peer``."""

    quantity: str
    peer: str
    most: float | None
    """None where no aim was set: the ratio is only told."""


@dataclass(frozen=True)
class Row:
    """One line of a table: a contestant with its medians, or the reason why it has none."""

    bench: str
    name: str
    count: int
    runs: int = 0
    wall: float = 0.0
    cpu: float = 0.0
    missing: str = ""
    unit: str = ""
    """Where only one quantity was measured: ``wall`` is it, and in this."""


@dataclass(frozen=True)
class Verdict:
    """A ratio beside its aim."""

    bench: str
    count: int
    name: str
    aim: Aim
    ratio: float

    @property
    def met(self) -> bool:
        """Whether the aim was reached; of none it always is."""
        return self.aim.most is None or self.ratio <= self.aim.most


def taken(run: Callable[[], object]) -> Sample:
    """Runs once; the CPU is this process's and that of children that it waited for."""
    cpu, wall = _cpu(), time.perf_counter()
    run()
    return Sample(time.perf_counter() - wall, _cpu() - cpu)


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def interleaved(contestants: Mapping[str, Callable[[], Sample]], runs: int) -> dict[str, list[Sample]]:
    """A B C A B C …: a load that comes and goes meets all of them alike."""
    samples: dict[str, list[Sample]] = {name: [] for name in contestants}
    for _ in range(runs):
        for name, run in contestants.items():
            samples[name].append(run())
    return samples


def row(bench: str, name: str, count: int, samples: Sequence[Sample]) -> Row:
    """Medians, of each quantity by itself."""
    walls, cpus = [s.wall for s in samples], [s.cpu for s in samples]
    return Row(bench, name, count, len(samples), statistics.median(walls), statistics.median(cpus))


def verdicts(rows: Iterable[Row], name: str, aims: Iterable[Aim]) -> list[Verdict]:
    """The ratios of ``name`` to its peers; a peer that is missing has none."""
    found = {r.name: r for r in rows}
    ours = found[name]
    return [
        Verdict(ours.bench, ours.count, name, aim, getattr(ours, aim.quantity) / getattr(found[aim.peer], aim.quantity))
        for aim in aims
        if aim.peer in found and not found[aim.peer].missing
    ]


def table(rows: Sequence[Row]) -> list[str]:
    """As it is printed: wall seconds, and client CPU in all and for each."""
    lines = [f"{'bench':8} {'n':>4}  {'what':40} {'runs':>4} {'wall s':>9} {'cpu s':>9} {'cpu ms each':>12}"]
    for r in rows:
        start = f"{r.bench:8} {r.count:>4}  {r.name:40}"
        numbers = f"{r.runs:>4} {r.wall:>9.3f} {r.cpu:>9.3f} {1000 * r.cpu / r.count:>12.3f}"
        single = f"{r.runs:>4} {r.wall:>9.3f} {r.unit}" if r.unit else numbers
        lines.append(f"{start} {r.missing or single}")
    return lines


def ratios(found: Sequence[Verdict]) -> list[str]:
    """As they are printed."""
    return [
        f"{v.bench:8} {v.count:>4}  {v.name}: {v.aim.quantity:4} {v.ratio:>6.3f} of {v.aim.peer} "
        f"({'no aim' if v.aim.most is None else f'aim {v.aim.most:g}: ' + ('met' if v.met else 'NOT met')})"
        for v in found
    ]


def as_json(rows: Sequence[Row], found: Sequence[Verdict]) -> dict[str, object]:
    """All that was measured, and the load of the machine at the end."""
    said = [{**asdict(v), "met": v.met} for v in found]
    return {"load": os.getloadavg(), "cpus": os.cpu_count(), "rows": [asdict(r) for r in rows], "ratios": said}
