"""Tests that a person asks for: one at a time, none beside another, cancelled at will."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest
from msgspec import structs

from monitor.config.settings import CollectSettings, DatabaseSettings, Settings
from monitor.model import is_run_id
from monitor.scheduler.relay import find_refused
from monitor.scheduler.requested import ARGUMENTS, RequestedTests, TestRunningError

SECONDS = 120


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return settings with a lock of their own."""
    collect = structs.replace(CollectSettings(), lock_file=str(tmp_path / "lock"))
    return Settings(collect=collect, database=DatabaseSettings(f"sqlite:///{tmp_path}/speedmon.db"))


@pytest.fixture
def door(tmp_path: Path) -> Path:
    """Return a FIFO: a test that reads it lasts until somebody writes to it."""
    fifo = tmp_path / "door"
    os.mkfifo(fifo)
    return fifo


def wait_until_done(tests: RequestedTests) -> None:
    """Wait until no test that was asked for is running."""
    for thread in threading.enumerate():
        if thread.name == "requested test":
            thread.join(SECONDS)
    assert tests.current is None


def test_a_test_runs_with_the_id_that_was_returned(settings: Settings, tmp_path: Path):
    """The child gets the id of the row; afterwards the next one can be asked for."""
    tests = RequestedTests(settings, None, lambda run_id: ["/bin/sh", "-c", f"echo {run_id} >> {tmp_path}/ids"])
    ids = []
    for _ in range(2):
        ids.append(tests.request())
        wait_until_done(tests)
    assert (tmp_path / "ids").read_text().split() == ids
    assert all(map(is_run_id, ids))
    assert tests.problem == ""


def test_a_second_click_is_told_so(settings: Settings, door: Path):
    """While one is running no other starts; cancelling ends it, and says which one it was."""
    tests = RequestedTests(settings, None, lambda _run_id: ["/bin/sh", "-c", f"read x < {door}"])
    run_id = tests.request()
    assert tests.current == run_id
    with pytest.raises(TestRunningError, match=run_id):
        tests.request()
    assert tests.cancel() == run_id
    wait_until_done(tests)
    assert (tests.cancel(), tests.problem) == (None, "the test was cancelled before it began")


def test_none_starts_beside_a_test_of_the_schedule(settings: Settings):
    """Whoever holds the lock of the machine runs a test."""
    tests = RequestedTests(settings, None, lambda _run_id: ["/bin/false"])
    with Path(settings.collect.lock_file).open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(TestRunningError, match="schedule or of another program"):
            tests.request()


def test_what_left_no_row_has_a_reason(settings: Settings):
    """A child that ended without a row is a problem, which the next test forgets."""
    codes = iter((1, 0))
    tests = RequestedTests(settings, None, lambda _: ["/bin/sh", "-c", f"echo 'speedmon: no' >&2; exit {next(codes)}"])
    tests.request()
    wait_until_done(tests)
    assert tests.problem == "the test ended with exit 1 without a result: no"
    tests.request()
    wait_until_done(tests)
    assert tests.problem == ""


def test_the_daemon_ends_in_order(settings: Settings, door: Path):
    """A running test is asked to end, and no other starts."""
    tests = RequestedTests(settings, None, lambda _run_id: ["/bin/sh", "-c", f"read x < {door}"])
    tests.request()
    tests.stop()
    tests.finish(SECONDS)
    wait_until_done(tests)
    with pytest.raises(TestRunningError, match="about to end"):
        tests.request()


def test_the_service_takes_what_the_page_asks_for():
    """Where systemd starts the tests, the trigger and the id pass its check."""
    assert find_refused([*ARGUMENTS, "8d7ff0ea-2c62-4a9f-9f4c-0a5b4a1a2f11"]) is None
