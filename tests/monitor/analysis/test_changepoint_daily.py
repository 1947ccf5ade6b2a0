"""The median of each local day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from example_reports import BERLIN
from example_runs import make_attempt, make_failed_attempt

from monitor.analysis.changepoint import daily_medians
from monitor.analysis.columns import Columns


def test_a_day_that_a_clock_shows_twice_is_one():
    """In Newfoundland they once went back at a minute past midnight: after it came an hour of the day before."""
    before = datetime(2006, 10, 29, 2, 29, tzinfo=UTC)
    runs = [make_attempt(started_at=before + timedelta(minutes=at), latency_ms=1.0 + at).run for at in range(3)]
    later = make_attempt(started_at=before + timedelta(hours=3), latency_ms=9.0).run
    medians = daily_medians(Columns.from_runs([*runs, later]), "latency_ms", ZoneInfo("America/St_Johns"))
    assert medians.medians.tolist() == [2.0, 5.5]


def test_only_days_that_measured_the_number_have_a_median():
    """Failed and doubtful runs and those without that number are left out, and so are their days."""
    runs = [
        make_attempt(),
        make_attempt(1440, healthy=False),
        make_failed_attempt(2880),
        make_attempt(4320, latency_ms=None),
        make_attempt(5760),
    ]
    medians = daily_medians(Columns.from_runs(each.run for each in runs), "latency_ms", BERLIN)
    assert (len(medians.days), medians.days[1] - medians.days[0], medians.medians.tolist()) == (2, 4, [4.2, 4.2])
