"""Local days, outages on them, and the calendar's weeks."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from example_runs import START, make_attempt, make_failed_attempt
from hypothesis import given
from hypothesis import strategies as st

from monitor.analysis.availability import Outage, find_outages
from monitor.analysis.calendar import Day, count_days
from monitor.analysis.series import to_series
from monitor.graph.availability import failure_strength, week_column
from monitor.localtime import Window
from monitor.model import Failure, FailureKind, NetworkPath, Scope, Status

BERLIN = ZoneInfo("Europe/Berlin")

SATURDAY = datetime(2026, 10, 23, 22, tzinfo=UTC)

WINDOW = Window(SATURDAY, SATURDAY + timedelta(hours=73))

ZERO = START.timestamp()

DAY = Window(START, START + timedelta(days=1))


def test_a_day_is_as_long_as_it_is():
    """Sunday, when the clocks go back, has 25 hours; the window's last moment belongs to the last day."""
    days = count_days([], [], WINDOW, BERLIN)
    assert [(day.day.day, (day.end - day.start) / 3600) for day in days] == [(24, 24), (25, 25), (26, 24)]


def test_an_outage_over_midnight_counts_on_both_days():
    """Each has its share, and the shares add up."""
    out = Outage(SATURDAY.timestamp() + 23 * 3600, SATURDAY.timestamp() + 26 * 3600, is_ongoing=False)
    assert [day.out for day in count_days([], [out], WINDOW, BERLIN)] == [3600, 7200, 0]


def test_outages_of_two_paths_at_once_are_one():
    """The line was out once, however many tests saw it."""
    runs = [
        make_failed_attempt(0).run,
        dataclasses.replace(make_failed_attempt(5).run, path=NetworkPath.HOST),
        make_attempt(10).run,
    ]
    runs.append(make_attempt(20, path=NetworkPath.HOST).run)
    (outage,) = find_outages(to_series(runs, DAY), DAY)
    assert (outage.start, outage.end, outage.is_ongoing) == (ZERO, ZERO + 1200, False)


def test_an_outage_within_another_does_not_shorten_it():
    """What one path saw for longer lasts as long as that; so it does when it has not ended."""
    host = [
        dataclasses.replace(each, path=NetworkPath.HOST) for each in (make_failed_attempt(5).run, make_attempt(10).run)
    ]
    (outage,) = find_outages(to_series([make_failed_attempt(0).run, make_attempt(20).run, *host], DAY), DAY)
    assert (outage.start, outage.end, outage.is_ongoing) == (ZERO, ZERO + 1200, False)
    (outage,) = find_outages(to_series([make_failed_attempt(0).run, make_failed_attempt(20).run, *host], DAY), DAY)
    assert (outage.end, outage.is_ongoing) == (ZERO + 1200 + 21, True)


def test_an_outage_ends_with_the_window():
    """A test that began in it and ended after it shows nothing beyond."""
    (outage,) = find_outages(to_series([make_failed_attempt(24 * 60 - 0.1).run], DAY), DAY)
    assert outage.end == DAY.span[1]


def test_failures_that_are_not_the_lines_fault_are_not_outages():
    """Neither those of somebody else nor an interrupted test of the line's scope."""
    causes = [Failure(FailureKind.UNKNOWN, scope, None, "") for scope in Scope if scope is not Scope.LINE]
    stopped = dataclasses.replace(make_failed_attempt(50).run, status=Status.INTERRUPTED)
    runs = [*(make_failed_attempt(at, cause).run for at, cause in enumerate(causes)), stopped]
    assert find_outages(to_series(runs, DAY), DAY) == []


def test_a_day_counts_what_was_started_on_it():
    """From its first second to its last; a skipped test and an interrupted one count in no share."""
    midnight = SATURDAY + timedelta(hours=24)
    moments = [midnight + timedelta(seconds=at) for at in (-1, 0, 25 * 3600 - 1, 25 * 3600)]
    runs = [make_attempt(started_at=at).run for at in moments]
    runs.append(make_attempt(started_at=moments[1], status=Status.SKIPPED, latency_ms=None).run)
    runs.append(make_attempt(started_at=moments[1], status=Status.INTERRUPTED, latency_ms=None).run)
    days = count_days(to_series(runs, WINDOW), [], WINDOW, BERLIN)
    assert [(day.started, day.broken, day.uncounted) for day in days] == [(1, 0, 0), (2, 0, 1), (1, 0, 0)]


def test_an_ongoing_outage_ends_with_the_last_test():
    """Nothing is known after that, so nothing is claimed."""
    runs = [make_attempt(0).run, make_failed_attempt(10).run, make_failed_attempt(20).run]
    (outage,) = find_outages(to_series(runs, DAY), DAY)
    assert (outage.end, outage.is_ongoing) == (runs[-1].finished_at.timestamp(), True)


@given(st.dates(date(1990, 1, 1), date(2100, 12, 31)))
def test_a_week_of_the_calendar_begins_on_monday(day: date):
    """A Monday opens a column, every other day stands in that of the day before, and a year has 54 at most."""
    tomorrow = day + timedelta(days=1)
    assert 0 <= week_column(day) < 54
    if tomorrow.year == day.year:
        assert week_column(tomorrow) - week_column(day) == (tomorrow.weekday() == 0)


@pytest.mark.parametrize(("failures", "wanted"), [(0, 0.0), (1, 0.3), (10, 0.55), (25, 0.8), (50, 1.0), (100, 1.0)])
def test_the_more_failed_the_stronger_the_colour(failures: int, wanted: float):
    """One failure in a hundred is in view already."""
    assert failure_strength([Day(START.date(), ZERO, ZERO + 86_400, started=100, broken=failures)]) == wanted


def test_days_together_are_as_strong_as_their_tests():
    """A tenth of all failed, though a fifth did on one day."""
    two_days = [Day(START.date(), ZERO, ZERO + 86_400, started=100, broken=failures) for failures in (0, 20)]
    assert (
        failure_strength(two_days)
        == failure_strength([Day(START.date(), ZERO, ZERO + 86_400, started=100, broken=10)])
        == 0.55
    )
