"""A token in a file, kept as ssh keeps a key."""

from __future__ import annotations

import contextlib
from pathlib import Path

from clavel_tui.domain.errors import Problem, SettingsError


def read_token(file: Path, made_by: str) -> str:
    """``made_by``: the command that shows one.

    Raises:
        SettingsError: it is not there, holds something else, or can be read by others.
    """
    try:
        mode, said = file.stat().st_mode, file.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        right = f"cannot be read: put the token of `{made_by}` there"
        raise SettingsError([Problem(str(file), "", None, f"{right} ({error})")]) from error
    if mode & 0o077:
        raise SettingsError([Problem(str(file), "", None, f"can be read by others: chmod 600 {file}")])
    if not said or len(said.split()) != 1:
        raise SettingsError([Problem(str(file), "", None, f"holds no token: put that of `{made_by}` there")])
    return said


class KeptToken:
    """The token of a file, read again for each question; what stood there last where it cannot be read just now."""

    def __init__(self, file: Path, made_by: str) -> None:
        """Raises SettingsError."""
        self._file = file
        self._made_by = made_by
        self._last = read_token(file, made_by)

    def __call__(self) -> str:
        """The token as it is now."""
        with contextlib.suppress(SettingsError):
            self._last = read_token(self._file, self._made_by)
        return self._last
