"""Labs for tests: started when first asked for, kept for the whole run, reset after each test."""

from collections.abc import Iterator

import pytest

from .lab import Lab
from .plan import STACKS


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that mostly wait run in two processes, a stack of hosts in each: `.ci/test` says `--dist loadgroup`."""
    for item in items:
        if item.get_closest_marker("waits"):
            stack = next((stack for stack in STACKS if stack in item.name), STACKS[-1])
            item.add_marker(pytest.mark.xdist_group(stack))


@pytest.fixture(scope="session")
def bookworm() -> Iterator[Lab]:
    """Three hosts of Debian 12: busybox init, Docker 20.10."""
    with Lab("bookworm") as lab:
        yield lab


@pytest.fixture(scope="session")
def trixie() -> Iterator[Lab]:
    """Three hosts of Debian 13: systemd, Docker 26."""
    with Lab("trixie") as lab:
        yield lab


@pytest.fixture(params=STACKS)
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Each stack in turn; whatever faults a test made are taken back after it."""
    lab: Lab = request.getfixturevalue(request.param)
    yield lab
    lab.reset()
