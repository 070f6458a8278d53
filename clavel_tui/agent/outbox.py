"""Reports that claveld has not taken yet, on the disk: neither a reboot nor a claveld that is away for days loses them."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import ValidationError

from clavel_tui.domain.agent import Report

KEPT = 500
"""Then the oldest goes: how it stands now is worth more than how it stood a week ago."""


class Outbox:
    """A folder with a file for each, named so that they sort as they came."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._number = max((int(file.stem) for file in self._files()), default=0)

    def sweep(self) -> None:
        """Takes away what a power cut has torn; by the one that writes here alone."""
        for torn in self._folder.glob("*.new"):
            torn.unlink(missing_ok=True)

    def put(self, report: Report) -> bool:
        """Whole or not at all; False where there was no room for it."""
        self._number += 1
        file = self._folder / f"{self._number:012d}.json"
        new = file.with_suffix(".new")
        try:
            with new.open("w", encoding="utf-8") as out:
                out.write(report.model_dump_json())
                out.flush()
                os.fsync(out.fileno())
            new.replace(file)
        except OSError:
            new.unlink(missing_ok=True)
            return False
        for old in self._files()[:-KEPT]:
            old.unlink(missing_ok=True)
        return True

    def oldest(self) -> tuple[Path, Report] | None:
        """The next to be sent; what is not understood any more is thrown away."""
        for file in self._files():
            try:
                return file, Report.model_validate_json(file.read_bytes())
            except OSError:  # gone meanwhile, or not to be read just now
                continue
            except ValidationError:
                file.unlink(missing_ok=True)
        return None

    def __len__(self) -> int:
        return len(self._files())

    def _files(self) -> list[Path]:
        return sorted(file for file in self._folder.glob("*.json") if file.stem.isdigit())
