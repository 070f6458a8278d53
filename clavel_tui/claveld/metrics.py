"""What Prometheus is told: agents by how they are, refs, and how old the newest evaluation is."""

from __future__ import annotations

from collections import Counter as Count
from collections.abc import Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from clavel_tui.claveld.coordinator import Coordinator
from clavel_tui.claveld.replica import Replica

MEDIA = CONTENT_TYPE_LATEST


def render(coordinator: Coordinator, replica: Replica | None = None) -> bytes:
    """The exposition of this moment."""
    registry = CollectorRegistry()
    registry.register(_Collected(coordinator, replica))
    return generate_latest(registry)


class _Collected(Collector):
    """Read off when it is asked for: nothing is counted beside what the journal holds."""

    def __init__(self, coordinator: Coordinator, replica: Replica | None) -> None:
        self._coordinator = coordinator
        self._replica = replica

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client."""
        claveld = self._coordinator
        now, states = claveld.wall(), claveld.states()
        phases = Count(said.report.phase.value for state in states for said in state.reports)
        agents = GaugeMetricFamily("claveld_agents", "Registered agents, by whether they are heard of", labels=["seen"])
        seen = Count("never" if not state.seen else "away" if state.away(now) else "now" for state in states)
        for word in ("now", "away", "never"):
            agents.add_metric([word], seen[word])
        yield agents
        reported = GaugeMetricFamily("claveld_deployments_applied", "Last reports, by their phase", labels=["phase"])
        for phase, count in sorted(phases.items()):
            reported.add_metric([phase], count)
        yield reported
        refs = claveld.known.refs.values()
        yield GaugeMetricFamily("claveld_refs", "DeploymentRefs", value=len(refs))
        pinned = sum(ref.pin is not None for ref in refs)
        yield GaugeMetricFamily("claveld_refs_pinned", "DeploymentRefs that are pinned", value=pinned)
        newest = max((ref.at for ref in refs), default=0.0)
        yield GaugeMetricFamily("claveld_last_ref_move_timestamp_seconds", "When a ref last moved", value=newest)
        if self._replica:
            up = not self._replica.trouble
            yield GaugeMetricFamily("claveld_bus_up", "Whether it keeps up with the log of the broker", value=up)
            yield GaugeMetricFamily("claveld_bus_record", "Number of the newest record carried out", value=self._replica.cursor)
