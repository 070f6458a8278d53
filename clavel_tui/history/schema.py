"""The journal's tables, as numbered migrations. One that was released is never edited: a new one follows."""

from __future__ import annotations

from clavel_tui.store import Migration

MIGRATIONS = (
    Migration(
        1,
        (
            """CREATE TABLE operations (
            id TEXT PRIMARY KEY, unit TEXT NOT NULL, stack TEXT NOT NULL, verb TEXT NOT NULL, state TEXT NOT NULL,
            outcome TEXT, started REAL NOT NULL, ended REAL, runner TEXT NOT NULL, log_offset INTEGER NOT NULL DEFAULT 0,
            body TEXT NOT NULL)""",
            "CREATE INDEX operations_by_time ON operations (started DESC)",
            "CREATE INDEX operations_open ON operations (state) WHERE state <> 'settled'",
            """CREATE TABLE events (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, kind TEXT NOT NULL, operation TEXT NOT NULL,
            unit TEXT NOT NULL, text TEXT NOT NULL)""",
            "CREATE INDEX events_by_operation ON events (operation, seq)",
            """CREATE TRIGGER events_are_append_only BEFORE UPDATE ON events
            BEGIN SELECT RAISE(ABORT, 'events are append-only'); END""",
            """CREATE TRIGGER settled_is_settled BEFORE UPDATE ON operations WHEN OLD.state = 'settled'
            BEGIN SELECT RAISE(ABORT, 'a settled operation does not change'); END""",
            "CREATE TABLE facts (unit TEXT PRIMARY KEY, at REAL NOT NULL, trouble TEXT NOT NULL, body TEXT)",
        ),
    ),
)
