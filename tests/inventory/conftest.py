"""Fleets written into a folder, good ones unless a test makes them bad."""

from collections.abc import Callable
from pathlib import Path

import pytest

Write = Callable[[str, str], Path]

UNIT = """\
name = "{name}"
type = "nixos"
arch = "x86_64-linux"
address = "{name}.example.net"
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of a fleet without units."""
    (tmp_path / "fleet.toml").write_text('name = "small"\n')
    return tmp_path


@pytest.fixture
def write(root: Path) -> Write:
    """Writes a file of the fleet, with the folders above it."""

    def write(name: str, text: str) -> Path:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    return write


@pytest.fixture
def unit(write: Write) -> Callable[..., Path]:
    """Writes a good unit.toml, with more text behind it."""

    def unit(name: str, more: str = "") -> Path:
        return write(f"{name}/unit.toml", UNIT.format(name=name) + more)

    return unit
