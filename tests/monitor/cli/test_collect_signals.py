"""`speedmon collect` when a signal stops it, and when it is killed: the test is recorded either way."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from installation import STREAM, Installation, failure_kind_and_scope, make_installation
from waiting import until

from monitor.model import FailureKind, Scope, Status
from monitor.system import lock


@pytest.fixture
def site(tmp_path: Path) -> Installation:
    """Return a site with a stand-in that replays a good test."""
    return make_installation(tmp_path)


def group_members(group: int) -> list[str]:
    """Return the live processes of a process group."""
    fields = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields.append(file.read_text().rpartition(")")[2].split())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return [each[0] for each in fields if int(each[2]) == group and each[0] != "Z"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_test_and_is_recorded(site: Installation, number: signal.Signals) -> None:
    """SIGTERM or Ctrl-C ends the engine's whole group, stores the run as interrupted and exits with 128 + signal."""
    site.script(hang=600, ignore_term=True, grandchild=600)
    with site.command(start_new_session=True) as process:
        engine = until(site.starts)[0]["pid"]
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert err == f"speedmon: test interrupted: interrupted (local): ended by {number.name}\n"
    assert (site.rows()[0].status, failure_kind_and_scope(site.rows()[0])) == (
        Status.INTERRUPTED,
        (FailureKind.INTERRUPTED, Scope.LOCAL),
    )
    until(lambda: not group_members(engine))


def test_a_test_that_was_killed_is_recorded_by_the_next(site: Installation) -> None:
    """After kill -9, or a power cut, the next call leaves a row for the test that never ended, once."""
    site.script(hang=600)
    with site.command(start_new_session=True) as process:
        engine = until(site.starts)[0]["pid"]
        process.kill()
    until(lambda: not group_members(engine))  # it ends with the call, and the lock is free after that
    until(lambda: not lock.is_held(str(site.folder / "lock")))
    site.script(stdout=STREAM)
    for _ in range(2):
        assert site.run()[1] == 0
    lost, *good = sorted(site.rows(), key=lambda run: run.status)
    assert [run.status for run in good] == [Status.OK, Status.OK]
    assert (lost.status, failure_kind_and_scope(lost)) == (Status.INTERRUPTED, (FailureKind.INTERRUPTED, Scope.LOCAL))
    assert "cut off" in lost.failure.message
