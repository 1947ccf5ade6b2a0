"""What a report is reported of the store: all of one moment, of the path and the probes that were chosen."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from example_runs import START, make_attempt, make_failed_attempt

from monitor.errors import UsageError
from monitor.localtime import Window
from monitor.model import NetworkPath, Plan
from monitor.output import export
from monitor.report import write
from monitor.report.load import RunSelection, add_comparison, load_subject
from monitor.store.connection import open_reader, open_writer
from monitor.store.lookups import probe_pks
from monitor.store.write import add_attempt, add_attempts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.report.evidence import ReportSubject

DAY = Window(datetime(2026, 11, 23, tzinfo=UTC), datetime(2026, 11, 24, tzinfo=UTC))

LATER = Window(DAY.until, DAY.until + timedelta(days=1))


@pytest.fixture(name="url")
def _url(either_url: str) -> str:
    with open_writer(either_url) as connection:
        runs = [
            make_attempt(engine_version="1.2"),
            make_failed_attempt(15),
            make_attempt(30, external_ip="198.51.100.8"),
            make_attempt(45, path=NetworkPath.HOST, engine="iperf3", engine_version=None, external_ip="192.0.2.1"),
            make_attempt(50, probe="cabin", external_ip="192.0.2.2"),
        ]
        add_attempts(connection, runs)
    return either_url


@pytest.fixture(name="chosen")
def _chosen(url: str) -> Iterator[RunSelection]:
    with open_reader(url) as connection:
        yield RunSelection(connection, DAY, NetworkPath.IP4ONLY, tuple(probe_pks(connection, ["home"])))


def read_subject(chosen: RunSelection) -> ReportSubject:
    """Return the subject."""
    return load_subject(chosen, zone=ZoneInfo("UTC"), made_at=START, plan=Plan())


def test_only_what_was_chosen(chosen: RunSelection):
    """Neither another path, nor another probe, nor another day."""
    about = read_subject(chosen)
    assert len(about.columns) == len(list(chosen.runs())) == 3
    assert {sort.path for sort, _ in about.columns.counts()} == {NetworkPath.IP4ONLY}
    assert about.engines == ("ookla 1.2", "ookla 1.2.0.84")
    assert about.addresses == ("198.51.100.7", "198.51.100.8")
    assert [incident.failures for incident in about.incidents] == [1]


def test_everything_when_nothing_is_chosen(chosen: RunSelection):
    """All paths and probes; an engine without a version is listed by its name."""
    about = read_subject(RunSelection(chosen.connection, DAY))
    assert len(about.columns) == 5
    assert about.engines == ("iperf3", "ookla 1.2", "ookla 1.2.0.84")


def test_the_window_before_is_of_equal_length(chosen: RunSelection):
    """What is compared is read in the same way."""
    later = RunSelection(chosen.connection, LATER, NetworkPath.IP4ONLY, chosen.probes)
    about = add_comparison(read_subject(later), later)
    assert about.previous_window == DAY
    assert about.previous is not None
    assert (len(about.columns), len(about.previous), len(about.previous_incidents)) == (0, 3, 1)


def test_plans_are_those_of_the_runs_that_were_chosen(url: str, chosen: RunSelection):
    """What another probe was sold, in this window or before it, does not count for this one."""
    with open_writer(url) as connection:
        for minutes in (-1440, 20):
            add_attempt(connection, replace(make_attempt(minutes, probe="cabin"), plan=Plan(1_000_000)))
    with open_reader(url) as connection:
        fresh = replace(chosen, connection=connection)
        about = add_comparison(read_subject(fresh), fresh)
        everybody = read_subject(RunSelection(connection, DAY))
    assert [plan.download_bps for _, plan in about.plan_periods] == [100_000_000]
    assert [plan.download_bps for _, plan in everybody.plan_periods] == [100_000_000, 1_000_000, 100_000_000]


def test_a_window_that_ends_within_a_second_has_the_run_of_that_second(chosen: RunSelection):
    """Names, plans and numbers are of the same runs."""
    at = START + timedelta(seconds=0.5)
    first, rest = (replace(chosen, window=Window(*ends)) for ends in ((DAY.since, at), (at, DAY.until)))
    assert [len(read_subject(each).columns) for each in (first, rest)] == [1, 2]
    assert [read_subject(each).engines for each in (first, rest)] == [("ookla 1.2",), ("ookla 1.2.0.84",)]
    assert read_subject(first).plan_periods[0][0] == START


def test_a_window_before_year_1_cannot_be_compared_with(chosen: RunSelection):
    """A window of two thousand years has none of equal length before it."""
    with pytest.raises(UsageError, match="choose a later start"):
        replace(chosen, window=Window(datetime(2, 1, 1, tzinfo=UTC), DAY.until)).previous()


def test_a_run_that_comes_meanwhile_is_in_no_part(chosen: RunSelection, url: str):
    """The numbers and the table are of one moment, whatever is stored between."""
    counted = len(read_subject(chosen).columns)
    with open_writer(url) as connection:
        add_attempt(connection, make_attempt(20))
    assert len(list(chosen.runs())) == counted == 3


def test_the_hash_is_that_of_the_bytes(chosen: RunSelection):
    """Those of an export of the same runs, with as many rows as runs."""
    file = BytesIO()
    made = write.write_csv(chosen.runs(), "a.csv", file)
    assert file.getvalue().decode() == "".join(export.to_csv_lines(chosen.runs()))
    assert (made.name, made.sha256, made.rows) == ("a.csv", hashlib.sha256(file.getvalue()).hexdigest(), 3)
