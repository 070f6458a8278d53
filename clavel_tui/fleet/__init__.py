"""What a face sees of the fleet: the FleetClient protocol and the states that it hands out."""

from clavel_tui.fleet.client import FleetClient
from clavel_tui.fleet.state import FleetState, UnitState

__all__ = ["FleetClient", "FleetState", "UnitState"]
