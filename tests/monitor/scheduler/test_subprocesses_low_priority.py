"""A command that disturbs no test: it has the lowest priority, is paused while one runs, and is ended in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from monitor.errors import SpeedmonError
from monitor.scheduler.subprocesses import LowPriorityRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEADLINE_S = 120


def shell(script: str) -> list[str]:
    """Return the command that runs a shell script."""
    return ["/bin/sh", "-c", script]


def niced(
    busy: Callable[[], bool] = lambda: False, deadline_s: float = DEADLINE_S, patience_s: float = 60
) -> LowPriorityRunner:
    """Return a runner on a machine on which no test runs, unless `busy` says so."""
    return LowPriorityRunner(busy, deadline_s, patience_s)


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds, for a while at most."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def state_of(pid: str) -> str:
    """Return the state of a process, T where it was stopped; empty when it is gone.

    A shell that starts a program does not show T where both are stopped before the program runs (vfork), so the scripts
    here start none.
    """
    stat = Path(f"/proc/{pid.strip()}/stat")
    return stat.read_text().rpartition(") ")[2][0] if stat.exists() else ""


@contextmanager
def in_background(runner: LowPriorityRunner, script: str) -> Iterator[threading.Thread]:
    """Run a script in another thread and end it, whether or not the test passes."""
    thread = threading.Thread(target=runner.run, args=(shell(script),))
    thread.start()
    try:
        yield thread
    finally:
        runner.stop()
        thread.join(DEADLINE_S)


def test_a_command_has_the_lowest_priority_and_a_readable_mask(tmp_path: Path):
    """What it writes can be read by others, whatever our own umask is."""
    before = os.umask(0o077)
    try:
        # It gets the priority as soon as it runs, which may be a moment after its first step.
        niced().run(shell(f"until [ $(nice) = 19 ]; do :; done; nice >{tmp_path}/nice"))
    finally:
        os.umask(before)
    assert (tmp_path / "nice").read_text() == "19\n"
    assert (tmp_path / "nice").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("echo first >&2; echo 'speedmon: no room' >&2; exit 1", r"^no room \(ended with exit 1\)$"),
        ("exit 2", r"^no error message \(ended with exit 2\)$"),
        ("kill -KILL $$", r"^no error message \(was ended by SIGKILL\)$"),
    ],
)
def test_a_command_that_fails_says_why(script: str, says: str):
    """The error has the last line of the command and how it ended."""
    with pytest.raises(SpeedmonError, match=says):
        niced().run(shell(script))


def test_a_missing_program_is_named(tmp_path: Path):
    """A program that cannot be started is an error with its path."""
    with pytest.raises(SpeedmonError, match=r"could not be started: No such file or directory: .*/nothing"):
        niced().run([str(tmp_path / "nothing")])


def test_a_stuck_command_is_killed_with_its_group(tmp_path: Path):
    """After the deadline the command and what it started are gone."""
    with pytest.raises(SpeedmonError, match="was stuck and was killed after"):
        niced(deadline_s=0.4).run(shell(f"trap '' TERM; sleep 60 & echo $! >{tmp_path}/pid; wait"))
    wait_for(lambda: state_of((tmp_path / "pid").read_text()) in {"", "Z"})


def test_nothing_begins_while_a_test_runs(tmp_path: Path):
    """The command starts when the test has ended, not before."""
    looks = iter([True, True])
    niced(lambda: next(looks, False)).run(shell(f"touch {tmp_path}/made"))
    assert (tmp_path / "made").exists()
    assert next(looks, None) is None


def test_the_wait_for_a_test_has_a_limit(tmp_path: Path):
    """After it the command is given up, with a line that says why."""
    with pytest.raises(SpeedmonError, match="not made, because a test has been running for 0 s"):
        niced(lambda: True, patience_s=0).run(shell(f"touch {tmp_path}/made"))
    assert not (tmp_path / "made").exists()


def test_a_running_command_is_paused_while_a_test_runs(tmp_path: Path):
    """It is stopped when a test begins and goes on to its end when the test has ended."""
    test, pid, go = tmp_path / "test", tmp_path / "pid", tmp_path / "go"
    script = f"echo $$ >{pid}; until test -e {go}; do :; done; touch {tmp_path}/made"
    with in_background(niced(test.exists), script) as thread:
        wait_for(lambda: pid.exists() and bool(pid.read_text()))
        test.touch()
        wait_for(lambda: state_of(pid.read_text()) == "T")
        go.touch()
        test.unlink()
        thread.join(DEADLINE_S)
    assert (tmp_path / "made").exists()


def test_stop_ends_a_paused_command(tmp_path: Path):
    """The end of the daemon waits for neither the test nor the command, and a later command is not started."""
    test, pid = tmp_path / "test", tmp_path / "pid"
    runner = niced(test.exists)
    with in_background(runner, f"echo $$ >{pid}; while :; do :; done"):
        wait_for(lambda: pid.exists() and bool(pid.read_text()))
        test.touch()
        wait_for(lambda: state_of(pid.read_text()) == "T")
        runner.stop()
        assert runner.wait(DEADLINE_S)
    runner.run(shell(f"touch {tmp_path}/made"))
    assert not (tmp_path / "made").exists()


KILLED = """
import sys
from pathlib import Path
from monitor.scheduler.subprocesses import LowPriorityRunner
folder = Path(sys.argv[1])
script = f"echo $$ >{folder}/new; mv {folder}/new {folder}/pid; sleep 60"
LowPriorityRunner((folder / "pid").exists, 60, 60).run(["/bin/sh", "-c", script])
"""


def test_a_paused_command_dies_with_a_killed_daemon(tmp_path: Path):
    """If the daemon is killed while a test runs, the kernel ends the command that it had stopped."""
    daemon = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], start_new_session=True)
    pid = tmp_path / "pid"
    try:
        wait_for(lambda: pid.exists() and state_of(pid.read_text()) == "T")
    finally:
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()
    wait_for(lambda: state_of(pid.read_text()) in {"", "Z"})
