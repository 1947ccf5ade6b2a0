"""Which clocks make a run doubtful, and that its length is that of the clock that nobody sets."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from example_runs import make_attempt
from installation import Installation, make_installation

from monitor.collect.collector import collect, make_request
from monitor.collect.measure import Runtime
from monitor.collect.validation import ClockEvidence, clock_remarks
from monitor.model import Remark, Status, Trigger
from monitor.store.connection import open_writer
from monitor.store.read import latest_starts
from monitor.store.write import add_attempt
from monitor.system import clock
from monitor.system.clock import ClockReading

if TYPE_CHECKING:
    from pathlib import Path

    from monitor.model import Run

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)

DAY = timedelta(days=1)


def after(wall_s: float, boot_s: float, **known: object) -> ClockEvidence:
    """Return the evidence of a test during which the clocks advanced by so many seconds each."""
    end = ClockReading(NOW + timedelta(seconds=wall_s), 500 + boot_s)
    return ClockEvidence(ClockReading(NOW, 500), end, **known)


@pytest.mark.parametrize(
    ("evidence", "message"),
    [
        (after(30, 30), None),
        (after(31.5, 30), None),
        (after(-30, 30), "was set back by 1 min during the test; the clock may or may not be synchronised now"),
        (after(33, 30, synchronised=True), None),
        (after(36, 30, synchronised=True), "was set forward by 6 s during the test; the clock is synchronised now"),
        (after(3 * 365 * 86_400, 30, synchronised=False), "forward by 1,095 days"),
        (after(30, 30, last=NOW - DAY), None),
        (after(30, 30, last=NOW + DAY, synchronised=True), "is 1 day behind the newest stored run"),
        (after(30, 30, last=NOW - DAY, newest=NOW + DAY, synchronised=True), None),
        (after(30, 30, last=NOW - DAY, newest=NOW + DAY), None),
        (after(30, 30, last=NOW - DAY, newest=NOW + DAY, synchronised=False), "behind the newest stored run"),
        (after(30, 30, newest=NOW - 300 * DAY, synchronised=False), None),
        (after(30, 30, newest=NOW - 400 * DAY, synchronised=True), None),
        (after(30, 30, newest=NOW - 400 * DAY, synchronised=False), "400 days ahead of the newest stored run"),
        (after(-56 * 365 * 86_400, -56 * 365 * 86_400), "shows 14 December 1970"),
    ],
)
def test_what_makes_a_clock_doubtful(evidence: ClockEvidence, message: str | None):
    """A jump, a time that no clock can show, and one that does not fit the stored runs or the kernel's word."""
    remarks = clock_remarks(evidence)
    assert [remark.kind for remark in remarks] == ([] if message is None else ["clock"])
    assert message is None or message in remarks[0].message


@pytest.mark.parametrize("wall_s", [30, -400 * 86_400, 3 * 365 * 86_400])
@pytest.mark.parametrize("synchronised", [True, False, None])
def test_a_length_is_that_of_the_clock_that_nobody_sets(wall_s: float, synchronised: bool | None):
    """Never three years; a clock that was set and is right now says when the test was."""
    evidence = after(wall_s, 30, synchronised=synchronised)
    started, finished = evidence.times()
    assert finished - started == timedelta(seconds=30)
    assert started == (evidence.end.after(-30) if synchronised and wall_s != 30 else NOW)


@pytest.fixture
def site(tmp_path: Path) -> Installation:
    """Return an installation without retries."""
    return make_installation(tmp_path, "attempts = 1")


def collected(site: Installation, synchronised: bool | None = None, **clocks: object) -> Run:
    """Return the run of a test."""
    request = make_request(site.settings(), None, None, None, Trigger.CLI)
    runtime = Runtime(site.environ, os.geteuid(), synchronised=lambda: synchronised, **clocks)
    return collect(site.settings(), request, runtime)[0]


def store(site: Installation, started: datetime, *remarks: Remark) -> None:
    """Store a run of this probe that started at a time."""
    probe = site.settings().probe.name
    run = make_attempt(started_at=started, finished_at=started, probe=probe, remarks=remarks)
    with open_writer(site.settings().database.url) as connection:
        add_attempt(connection, run)


def test_a_test_with_a_right_clock_has_no_remark(site: Installation):
    """Of any stored run that is older; the real clocks of this machine agree."""
    store(site, datetime.now(UTC) - DAY)
    run = collected(site)
    assert (run.status, run.remarks, run.healthy) == (Status.OK, (), True)


def test_a_test_before_the_newest_stored_run_is_doubtful_once_where_the_clock_is_synchronised(site: Installation):
    """The clock was set back since then: the first test is doubtful, the next ones are right."""
    store(site, datetime.now(UTC) + 400 * DAY)
    first, second = collected(site, synchronised=True), collected(site, synchronised=True)
    assert ([remark.kind for remark in first.remarks], first.healthy) == (["clock"], False)
    assert (second.remarks, second.healthy) == ((), True)


def test_a_test_before_the_newest_stored_run_is_doubtful_while_the_clock_is_not_synchronised(site: Installation):
    """Nothing says which of them is right."""
    store(site, datetime.now(UTC) + 40 * DAY)
    runs = [collected(site, synchronised=False) for _ in range(2)]
    assert [[remark.kind for remark in run.remarks] for run in runs] == [["clock"], ["clock"]]


def test_a_run_with_a_doubtful_clock_makes_no_other_doubtful(site: Installation):
    """A stored run from the future that is marked so itself is no measure."""
    store(site, datetime.now(UTC) - DAY)
    store(site, datetime.now(UTC) + 400 * DAY, Remark("clock", "400 days ahead"))
    assert collected(site, synchronised=False).remarks == ()


def test_the_newest_starts_are_those_of_the_probe(site: Installation, tmp_path: Path):
    """Those of other probes, and those with a doubtful clock, are left out; a missing store has none."""
    url, probe = site.settings().database.url, site.settings().probe.name
    assert latest_starts(f"sqlite:///{tmp_path}/none.db", probe) == (None, None)
    assert not (tmp_path / "none.db").exists()
    store(site, NOW)
    store(site, NOW - DAY, Remark("cross_traffic", "clock"))
    with open_writer(url) as connection:
        add_attempt(connection, make_attempt(started_at=NOW + DAY, probe="another"))
    assert latest_starts(url, probe) == (NOW - DAY, NOW)
    store(site, NOW + DAY, Remark("clock", "ahead"))
    assert latest_starts(url, probe) == (None, NOW)


def test_the_kernel_says_whether_the_clock_is_synchronised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """By its state, which any user may read, or by the file of systemd-timesyncd."""
    monkeypatch.setattr(clock, "TIMESYNC_FILE", tmp_path / "synchronized")
    assert clock.is_synchronised() in {True, False, None}
    (tmp_path / "synchronized").touch()
    assert clock.is_synchronised() is True


def test_the_time_since_boot_is_that_of_the_kernel():
    """It advances as the monotonic clock does."""
    before, since_boot = time.monotonic(), clock.seconds_since_boot()
    assert clock.seconds_since_boot() - since_boot <= time.monotonic() - before + 1
