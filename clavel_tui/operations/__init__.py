"""The engine: plans, runs, follows and settles operations, and keeps what is known of the fleet."""

from clavel_tui.operations.fleet import InProcessFleet

__all__ = ["InProcessFleet"]
