"""What several test modules share: the private machine, and leaving out what needs root when the suite has none."""

from __future__ import annotations

import os
import signal
import tempfile
from typing import TYPE_CHECKING

import isolated_suite
import pytest
from hypothesis import HealthCheck, settings
from private_machine import PrivateMachine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from home_network import HomeNetwork
    from postgres_cluster import Cluster

    from monitor.config.settings import Settings


isolated_suite.clean_environment(os.environ)

# Its default is a folder of the checkout, which may belong to somebody else.
os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", f"{tempfile.gettempdir()}/speedmon-hypothesis-{os.geteuid()}")

# Nothing depends on a fast machine.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])

settings.load_profile("patient")

# A shell starts background jobs with Ctrl-C ignored, and programs that the tests interrupt would inherit that.
for _number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL)

_left_out = pytest.StashKey[int]()


@pytest.fixture
def machine() -> Iterator[PrivateMachine]:
    """Yield a private machine that ends with the test."""
    with PrivateMachine() as opened:
        yield opened


@pytest.fixture
def home() -> Iterator[HomeNetwork]:
    """Yield a home host with an ISP and a LAN neighbour, without a namespace."""
    from home_network import HomeNetwork  # noqa: PLC0415  most tests need no network

    with HomeNetwork() as opened:
        yield opened


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Yield a PostgreSQL of our own that ends with the tests."""
    from postgres_cluster import Cluster  # noqa: PLC0415  psycopg, which most tests do not need

    with Cluster() as server:
        yield server


@pytest.fixture
def probe(tmp_path: Path, cluster: Cluster) -> Settings:
    """Return the settings of a probe with a database of its own, and a fleet that has nothing yet."""
    from fleet import probe_settings  # noqa: PLC0415  the store, which most tests do not need

    return probe_settings(tmp_path / "home.db", cluster.store())


@pytest.fixture(params=["sqlite", "postgresql"])
def either_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty store on each of the two databases."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/state/speedmon.db"
    server: Cluster = request.getfixturevalue("cluster")
    return server.store()


def pytest_cmdline_main(config: pytest.Config) -> None:
    """Run the suite in mounts of its own."""
    isolated_suite.restart_in_own_mounts(config)


def pytest_unconfigure() -> None:
    """Remove the files that those mounts needed."""
    isolated_suite.remove_own_locks()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the slowest files first; leave out what a plain user cannot do.

    A worker that takes up a file of minutes last keeps all others waiting. Left out are tests marked `root`, and those
    marked `tun` where the mode of the device is 0600.
    """
    system = config.rootpath / "tests" / "system"
    items.sort(key=lambda item: not item.path.is_relative_to(system))
    if os.geteuid() == 0:
        return
    missing = {"root"} if os.access("/dev/net/tun", os.R_OK | os.W_OK) else {"root", "tun"}
    left_out = [item for item in items if missing & {mark.name for mark in item.iter_markers()}]
    config.stash[_left_out] = len(left_out)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Call a run in CI failed when a test was skipped: what tests need is installed there."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("skipped tests are failures in CI", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_report_collectionfinish(config: pytest.Config) -> str:
    """Say how many tests were left out for want of root."""
    count = config.stash.get(_left_out, 0)
    return f"{count} tests that need root were left out" if count else ""
