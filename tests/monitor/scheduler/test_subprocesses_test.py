"""A test as a child of the daemon: its outcome, and how it is ended."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from monitor.errors import SpeedmonError
from monitor.scheduler.subprocesses import ScheduledTest, speedmon_command

if TYPE_CHECKING:
    from collections.abc import Callable

DEADLINE_S = 120


def shell(script: str, deadline_s: float = DEADLINE_S) -> ScheduledTest:
    """Return a child that runs a shell script."""
    return ScheduledTest(["/bin/sh", "-c", script], deadline_s)


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds, for a while at most."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.mark.parametrize("code", [0, 3, 4, 5])
def test_a_child_that_stored_its_run_is_no_error(code: int):
    """A test that was measured, failed, was skipped or had no namespace stored its own run."""
    shell(f"exit {code}").run()


def test_the_message_of_a_failed_test_is_logged(caplog: pytest.LogCaptureFixture):
    """The last line of a failed test is one line in the daemon's log."""
    shell("echo first >&2; echo 'speedmon: test failed: dns (line): no host' >&2; exit 3").run()
    assert [record.getMessage() for record in caplog.records] == ["scheduled test: test failed: dns (line): no host"]


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("echo 'speedmon: no such option' >&2; exit 2", "ended with exit 2 without a result: no such option"),
        ("exit 1", "ended with exit 1 without a result: no error message"),
        ("kill -KILL $$", "was ended by SIGKILL without a result"),
        ("head -c 100000 /dev/zero >&2; echo >&2; echo the end >&2; exit 1", "without a result: the end"),
    ],
)
def test_a_child_that_recorded_nothing_is_an_error(script: str, says: str):
    """The error has the last line that the child wrote."""
    with pytest.raises(SpeedmonError, match=says):
        shell(script).run()


def test_a_missing_program_is_an_error(tmp_path: Path):
    """A child that cannot be started names its program."""
    with pytest.raises(SpeedmonError, match=r"could not be started: No such file or directory: .*/nothing"):
        ScheduledTest([str(tmp_path / "nothing")], DEADLINE_S).run()


def test_a_stuck_child_is_killed_with_its_group():
    """After the deadline the child and what it started in its group are gone."""
    with pytest.raises(SpeedmonError, match="stuck and was killed after 0 s"):
        shell("trap '' TERM; sleep 60 & wait; sleep 60", deadline_s=0.2).run()


def test_stop_ends_a_running_child_and_starts_no_other(tmp_path: Path):
    """SIGTERM reaches the child; its ending is no error, and a later run does nothing."""
    started, ended = tmp_path / "started", tmp_path / "ended"
    child = shell(f"trap 'touch {ended}; exit 1' TERM; touch {started}; while :; do sleep 0.05; done")
    thread = threading.Thread(target=child.run)
    thread.start()
    wait_for(started.exists)
    child.stop()
    assert child.wait(DEADLINE_S)
    thread.join()
    assert ended.exists()
    started.unlink()
    child.run()
    assert not started.exists()


def test_kill_ends_a_child_that_ignores_the_request(tmp_path: Path):
    """A child that ignores SIGTERM is still there after the wait, and gone after the kill."""
    started = tmp_path / "started"
    child = shell(f"trap '' TERM; touch {started}; while :; do sleep 0.05; done")
    thread = threading.Thread(target=child.run)
    thread.start()
    wait_for(started.exists)
    child.stop()
    assert not child.wait(0.1)
    child.kill()
    thread.join(DEADLINE_S)
    assert not thread.is_alive()


def test_a_child_is_this_speedmon_with_the_same_configuration():
    """The command names our interpreter and the configuration file, before the arguments."""
    command = speedmon_command(Path("/etc/own.toml"), "collect", "-q")
    assert command == [sys.executable, "-P", "-m", "monitor", "--config", "/etc/own.toml", "collect", "-q"]
    assert "--config" not in speedmon_command(None, "collect")
