"""How an operation ends: the words, and the exit codes of the CLI. Plain enums: the parser of arguments needs no model."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """How it ended. Different words on the screen, different exit codes in the CLI."""

    SUCCEEDED = "succeeded"
    NO_CHANGE = "nochange"
    FAILED = "failed"
    UNITS_FAILED = "units-failed"
    """Some of its units, and not all."""
    RETURNED = "returned"
    """It went bad and returned to the recorded release by itself, verified."""
    NEEDS_REBOOT = "needs-reboot"
    """It could not be activated while the unit runs: it comes up at the next boot."""
    REFUSED = "refused"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    """The job died: the unit was restarted, lost its power, or the job was killed."""
    NEVER_STARTED = "never-started"
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"


GOOD = {Outcome.SUCCEEDED, Outcome.NO_CHANGE}
"""What was asked for is so."""

EXIT_CODES: dict[Outcome, int] = {
    Outcome.SUCCEEDED: 0,
    Outcome.NO_CHANGE: 0,
    Outcome.FAILED: 1,
    Outcome.REFUSED: 3,
    Outcome.UNITS_FAILED: 4,
    Outcome.RETURNED: 5,
    Outcome.UNREACHABLE: 6,
    Outcome.CANCELLED: 7,
    Outcome.INTERRUPTED: 8,
    Outcome.UNKNOWN: 9,
    Outcome.NEEDS_REBOOT: 10,
    Outcome.NEVER_STARTED: 11,
}
"""Exit codes of the CLI. 2 is wrong usage or a fleet that cannot be read; 4 is several units with different outcomes."""

WORDS: dict[Outcome, str] = {
    Outcome.SUCCEEDED: "succeeded",
    Outcome.NO_CHANGE: "no change",
    Outcome.FAILED: "failed",
    Outcome.UNITS_FAILED: "some units failed",
    Outcome.RETURNED: "returned by itself",
    Outcome.NEEDS_REBOOT: "needs a reboot",
    Outcome.REFUSED: "refused",
    Outcome.CANCELLED: "cancelled",
    Outcome.INTERRUPTED: "interrupted",
    Outcome.NEVER_STARTED: "never started",
    Outcome.UNREACHABLE: "unreachable",
    Outcome.UNKNOWN: "unknown",
}
