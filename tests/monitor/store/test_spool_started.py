"""A test that is cut off leaves a note, and the note becomes a row."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from example_runs import make_attempt, run_id

from monitor.collect import outcome
from monitor.model import Status
from monitor.store import spool

if TYPE_CHECKING:
    from pathlib import Path

ONE = make_attempt(id=run_id("ab"), status=Status.INTERRUPTED, failure=outcome.CUT_OFF)

HOLDS_A_NOTE = """
import sys, msgspec
from pathlib import Path
from monitor.store import spool
from monitor.model import Attempt
attempt = msgspec.json.decode(sys.argv[2], type=Attempt)
with spool.started_note(Path(sys.argv[1]), attempt):
    print("begun", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path):
    """Start a process that holds a note until its stdin ends."""
    import msgspec  # noqa: PLC0415  as the program does

    argv = [sys.executable, "-c", HOLDS_A_NOTE, str(tmp_path), msgspec.json.encode(ONE).decode()]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "begun\n"
        yield process
        process.kill()


def test_a_test_that_runs_is_left_alone(holder: subprocess.Popen[str], tmp_path: Path):
    """Nobody takes the note of a living test, and it goes when the test ends."""
    assert spool.recover_interrupted(tmp_path) == 0
    assert [*tmp_path.glob("*")] == [tmp_path / f"{run_id('ab')}.started"]
    holder.communicate("")
    assert [*tmp_path.glob("*")] == []


def test_a_test_that_was_killed_becomes_a_row(holder: subprocess.Popen[str], tmp_path: Path):
    """After kill -9 the next start finds the note and spools an interrupted run, once."""
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert (spool.recover_interrupted(tmp_path), spool.recover_interrupted(tmp_path)) == (1, 0)
    ((_, attempt),) = spool.load_attempts(tmp_path)
    assert attempt == ONE


def test_a_note_that_cannot_be_read_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """Half a note, as a full disk leaves it, is kept for a look and does not come again."""
    (tmp_path / f"{run_id('ab')}.started").write_text('{"run": {"id"')
    assert (spool.recover_interrupted(tmp_path), spool.recover_interrupted(tmp_path)) == (0, 0)
    assert (tmp_path / f"{run_id('ab')}.broken").exists()
    assert "cannot be stored" in caplog.text


def test_a_test_runs_without_a_note(tmp_path: Path):
    """Where no note can be written the test runs all the same, and its own errors come through."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ZeroDivisionError), spool.started_note(tmp_path / "file" / "spool", ONE):
        raise ZeroDivisionError
    assert spool.recover_interrupted(tmp_path / "nowhere") == 0
