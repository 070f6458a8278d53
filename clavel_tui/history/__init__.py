"""The operator's journal: operations, events in order, and what was last known of every unit."""

from clavel_tui.history.journal import Journal
from clavel_tui.history.schema import MIGRATIONS
from clavel_tui.store import StoreError as JournalError

__all__ = ["MIGRATIONS", "Journal", "JournalError"]
