"""SQLite: connections, pragmas and the migration runner. The only place of aiosqlite."""

from clavel_tui.store.database import Connection, Database
from clavel_tui.store.file import Migration, StoreError

__all__ = ["Connection", "Database", "Migration", "StoreError"]
