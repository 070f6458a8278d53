"""A job's files as one tar, with a list of hashes that the unit checks before anything of it is run."""

from __future__ import annotations

import hashlib
import io
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True)
class Bundle:
    """Relative path → (content, mode). The same content makes the same bytes."""

    files: Mapping[str, tuple[bytes, int]]

    def sums(self) -> bytes:
        """As ``sha256sum`` writes and checks them."""
        return "".join(
            f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, (content, _) in sorted(self.files.items())
        ).encode()

    def sum(self) -> str:
        """The hash of the list of hashes: what the start of a job names."""
        return hashlib.sha256(self.sums()).hexdigest()

    def code_sum(self) -> str:
        """The hash of the list of hashes of what is the same for each job of its kind."""
        code = {name: file for name, file in self.files.items() if name not in {"params", "owner"}}
        return Bundle(code).sum()

    def tar(self) -> bytes:
        """Owned by root, with plain modes and no times."""
        import tarfile  # late: an agent that applies nothing never needs it

        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for folder in sorted({str(parent) for name in self.files for parent in PurePosixPath(name).parents} - {"."}):
                info = tarfile.TarInfo(folder)
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(info)
            for name, (content, mode) in {**self.files, "SUMS": (self.sums(), 0o600)}.items():
                info = tarfile.TarInfo(name)
                info.size, info.mode = len(content), mode
                tar.addfile(info, io.BytesIO(content))
        return raw.getvalue()


def assignments(values: Mapping[str, str | int]) -> bytes:
    """Shell assignments that a script sources: each value quoted once, whatever is in it."""
    return "".join(f"{key}={shlex.quote(str(value))}\n" for key, value in values.items()).encode()
