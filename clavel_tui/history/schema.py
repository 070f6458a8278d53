"""The journal's tables, as numbered migrations. One that was released is never edited: a new one follows."""

from __future__ import annotations

from clavel_tui.store import Migration


def _never_changed(table: str, key: str, why: str) -> tuple[str, ...]:
    """Held by the database itself: whoever opens the file meets it, also with another program.

    INSERT OR REPLACE deletes without asking a trigger for DELETE, so a key that is there refuses to be inserted.
    """
    known = f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {key} = NEW.{key})"  # noqa: S608  names of our own tables
    return tuple(
        f"CREATE TRIGGER {table}_no_{name} BEFORE {event} ON {table} {when} BEGIN SELECT RAISE(ABORT, '{why}'); END"
        for name, event, when in (("update", "UPDATE", ""), ("delete", "DELETE", ""), ("replace", "INSERT", known))
    )


def _points_to_one(table: str) -> tuple[str, ...]:
    """A foreign key holds only where a connection asks for it; this holds always."""
    when = "WHEN NOT EXISTS (SELECT 1 FROM deployments WHERE id = NEW.deployment)"
    then = "BEGIN SELECT RAISE(ABORT, 'there is no such Deployment'); END"
    return tuple(
        f"CREATE TRIGGER {table}_points_to_one_{word.lower()} BEFORE {word} ON {table} {when} {then}"
        for word in ("INSERT", "UPDATE")
    )


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
    Migration(
        2,
        (
            """CREATE TABLE deployments (
            id TEXT PRIMARY KEY, name TEXT NOT NULL, source_hash TEXT NOT NULL, body TEXT NOT NULL)""",
            "CREATE INDEX deployments_by_name ON deployments (name)",
            *_never_changed("deployments", "id", "a Deployment is immutable"),
            """CREATE TABLE evaluations (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, deployment TEXT NOT NULL REFERENCES deployments (id), at REAL NOT NULL,
            operator TEXT NOT NULL, source TEXT NOT NULL, url TEXT NOT NULL, revision TEXT NOT NULL, dirty INTEGER NOT NULL,
            nix TEXT NOT NULL)""",
            "CREATE INDEX evaluations_by_deployment ON evaluations (deployment, seq)",
            *_never_changed("evaluations", "seq", "an evaluation has happened, and does not change"),
            "CREATE TABLE refs (name TEXT PRIMARY KEY, deployment TEXT NOT NULL REFERENCES deployments (id))",
            *_points_to_one("refs"),
            """CREATE TABLE ref_moves (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, deployment TEXT NOT NULL REFERENCES deployments (id),
            before TEXT NOT NULL, at REAL NOT NULL, operator TEXT NOT NULL, why TEXT NOT NULL)""",
            "CREATE INDEX ref_moves_by_name ON ref_moves (name, seq)",
            *_points_to_one("ref_moves"),
            *_never_changed("ref_moves", "seq", "where a ref has pointed does not change"),
            "CREATE TABLE memo (key TEXT PRIMARY KEY, at REAL NOT NULL, body TEXT NOT NULL)",
            "CREATE TABLE sources (name TEXT PRIMARY KEY, at REAL NOT NULL, body TEXT NOT NULL)",
        ),
    ),
    Migration(
        3,
        (
            """CREATE TABLE mutes (
            unit TEXT NOT NULL, code TEXT NOT NULL, text TEXT NOT NULL, until REAL NOT NULL, at REAL NOT NULL,
            operator TEXT NOT NULL, PRIMARY KEY (unit, code, text))""",
        ),
    ),
    Migration(4, ("CREATE TABLE rollouts (id TEXT PRIMARY KEY REFERENCES operations (id), body TEXT NOT NULL)",)),
    Migration(
        5,
        (
            "CREATE TABLE pins (name TEXT PRIMARY KEY, at REAL NOT NULL, operator TEXT NOT NULL, why TEXT NOT NULL)",
            """CREATE TABLE agents (
            name TEXT PRIMARY KEY, at REAL NOT NULL, body TEXT NOT NULL, told TEXT NOT NULL DEFAULT '',
            orders INTEGER NOT NULL DEFAULT 0)""",
            """CREATE TABLE tokens (
            hash TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, at REAL NOT NULL, ends REAL)""",
            "CREATE INDEX tokens_by_name ON tokens (name)",
            """CREATE TABLE reports (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL UNIQUE, agent TEXT NOT NULL, name TEXT NOT NULL,
            received REAL NOT NULL, body TEXT NOT NULL)""",
            "CREATE INDEX reports_by_agent ON reports (agent, name, seq)",
            """CREATE TABLE good (
            name TEXT NOT NULL, deployment TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (name, deployment))""",
            """CREATE TRIGGER reports_no_update BEFORE UPDATE ON reports
            BEGIN SELECT RAISE(ABORT, 'what an agent has said does not change'); END""",
        ),
    ),
    Migration(
        6,
        (
            # What of the bus's log was carried out here: seq is its number there, refused why it changed nothing.
            "CREATE TABLE applied (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, refused TEXT NOT NULL DEFAULT '')",
            "CREATE TABLE applied_evaluations (source TEXT PRIMARY KEY, seq INTEGER NOT NULL)",
            "CREATE TABLE bus (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
        ),
    ),
    Migration(7, ("CREATE TABLE kept_sources (name TEXT PRIMARY KEY, body TEXT NOT NULL)",)),
)
