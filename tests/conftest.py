"""Options and guards of the whole suite."""

import os

import hypothesis
import pytest

# A machine that stands still for a moment makes no example wrong.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")


def pytest_addoption(parser: pytest.Parser) -> None:
    """--lab: also run what needs real hosts; as root on Debian."""
    parser.addoption("--lab", action="store_true", help="run the tests on real hosts too (root, Debian)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without --lab the lab's tests are left out; with it none of them may skip."""
    lab_tests = {item for item in items if item.get_closest_marker("lab")}
    if not config.getoption("--lab"):
        config.hook.pytest_deselected(items=list(lab_tests))
        items[:] = [item for item in items if item not in lab_tests]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # noqa: ANN201
    """A lab test that would skip has failed: a skipped test is not a green one."""
    report = yield
    if report.skipped and item.get_closest_marker("lab") and item.config.getoption("--lab"):
        report.outcome = "failed"
        report.longrepr = f"skipped in the lab: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def no_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the developer's own home, data, fleet or keys."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.delenv("CLAVEL_FLEET", raising=False)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    os.environ.pop("NO_COLOR", None)
