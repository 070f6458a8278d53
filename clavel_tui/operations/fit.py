"""What every plan asks of a unit first: that it is seen, that what it remembers can be read, and that nothing else runs there."""

from __future__ import annotations

from clavel_tui.domain.errors import RefusedError, UnitError
from clavel_tui.domain.facts import Facts
from clavel_tui.domain.unit import Unit
from clavel_tui.operations.watch import Watch


async def looked(watch: Watch, unit: Unit) -> Facts:
    """How it is now.

    Raises:
        UnitError: it cannot be reached.
    """
    facts = await watch.look(unit)
    if facts is None:
        state = watch.state(unit)
        raise UnitError("unreachable", state.trouble, state.hint)
    return facts


def unread(facts: Facts, unit: Unit) -> RefusedError | None:
    """Why what the unit remembers cannot be read, if it cannot."""
    if "state" in facts.silent or facts.state == "unreadable":
        text = f"{unit.state} on {unit.name} cannot be read: root's rights are needed"
        return RefusedError(text, 'say elevate = "sudo" in unit.toml')
    return None


def busy(facts: Facts, unit: Unit) -> RefusedError | None:
    """Who else is at it, if anybody is."""
    if running := next((job for job in facts.jobs if not job.dead), None):
        text = f"another operation runs on {unit.name}: {running.owner or running.id}"
        return RefusedError(text, "wait until it has ended")
    return None
