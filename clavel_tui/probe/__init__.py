"""One round trip a unit: the fragments of unit/probe, framed, each with a deadline; and the pure parser of what they say."""

from clavel_tui.probe.ask import probe, probe_query
from clavel_tui.probe.parse import parse_frame

__all__ = ["parse_frame", "probe", "probe_query"]
