"""Errors that a person reads: what is wrong, where, and what to do. Every one carries a hint, or says why there is none.

ClavelError
├── InventoryError     the fleet's files: all problems at once
├── SettingsError      the user's or the system's config file, in the same way
├── StoreRefusedError  the database cannot be used, and was not altered
├── RefusedError       an operation that would be ambiguous or unsafe
│   ├── MovedError     what was looked at has changed meanwhile
│   └── AwayError      what would have to carry it out does not answer
└── UnitError          one unit could not be reached or looked at; the others go on
"""

from __future__ import annotations

from collections.abc import Sequence


class ClavelError(Exception):
    """The base. ``str()`` is a whole sentence."""

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.hint = hint


class Problem:
    """One thing that is wrong in one file: where, what stands there, and what would be right."""

    def __init__(self, file: str, key: str, value: object, right: str) -> None:
        self.file = file
        self.key = key
        self.value = value
        self.right = right

    def __str__(self) -> str:
        """A sentence that names file, key, value and what to do."""
        place = f"{self.file}: {self.key}" if self.key else self.file
        shown = "" if self.value is None else f" is {self.value!r}"
        return f"{place}{shown}: {self.right}"


class InventoryError(ClavelError):
    """The fleet's files cannot be used; ``problems`` has them all."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(p) for p in self.problems), "mend the files and run `clavel-tui check`")


class SettingsError(ClavelError):
    """A config file cannot be used; ``problems`` has all that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(p) for p in self.problems), "mend the file")


class StoreRefusedError(ClavelError):
    """The database is corrupt, of a newer version, or cannot be written. It was not altered."""


class RefusedError(ClavelError):
    """Not done, and nothing was changed."""


class MovedError(RefusedError):
    """Somebody else was faster: what was to be changed is not what was looked at any more."""


class AwayError(RefusedError):
    """What would have to carry it out does not answer: it may be tried again, and may even have been done."""


class UnitError(ClavelError):
    """One unit's trouble: ``kind`` is a short stable word such as ``unreachable`` or ``host-key-changed``."""

    def __init__(self, kind: str, text: str, hint: str = "") -> None:
        super().__init__(text, hint)
        self.kind = kind
