"""One lab of two hosts for what the transport is tried against."""

from collections.abc import Iterator

import pytest

from tests.lab.lab import Lab


@pytest.fixture(scope="session")
def bookworm() -> Iterator[Lab]:
    """Debian 12: busybox init, OpenSSH 9.2, sudo 1.9.13."""
    with Lab("bookworm", 2) as lab:
        yield lab
