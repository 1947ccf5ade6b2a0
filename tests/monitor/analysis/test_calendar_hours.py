"""The numbers of the heat map, counted again by numpy."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
from example_runs import START, make_attempt, make_failed_attempt
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.analysis.calendar import HourCell, tabulate_hours
from monitor.analysis.columns import NO_PLAN, Columns
from monitor.analysis.metrics import Metric
from monitor.analysis.series import to_series
from monitor.localtime import Window
from monitor.model import Plan

if TYPE_CHECKING:
    from monitor.model import Run

BERLIN = ZoneInfo("Europe/Berlin")

SPRING = datetime(2026, 3, 27, tzinfo=UTC)

RESULTS = st.lists(st.tuples(st.integers(0, 8 * 1440), st.integers(0, 10**10), st.booleans()), max_size=60)


def cells(runs: list[Run]) -> dict[tuple[int, int], HourCell]:
    """Return the cells of the download in Berlin, over a year that has both changes of the clocks."""
    year = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    return tabulate_hours(to_series(runs, year), BERLIN, Metric.DOWNLOAD).cells


@settings(max_examples=50, deadline=None)
@given(RESULTS)
def test_each_cell_is_the_median_that_numpy_finds(results: list[tuple[int, int, bool]]):
    """Over a change of the clocks, with doubtful runs left out; numpy gets the local hour by its own arithmetic."""
    runs = [
        make_attempt(started_at=SPRING + timedelta(minutes=minute), download_bps=rate, healthy=good).run
        for minute, rate, good in results
    ]
    good_results = [(minute, rate) for minute, rate, good in results if good]
    # Central European Summer Time began on 29 March 2026 at 01:00 UTC: 49 hours after SPRING.
    minutes = np.array([minute + (120 if minute >= 49 * 60 else 60) for minute, _ in good_results], dtype=int)
    rates = np.array([rate for _, rate in good_results], dtype=float)
    weekday, hour = (minutes // 1440 + 4) % 7, minutes // 60 % 24  # SPRING was a Friday
    by_hour = cells(runs)
    places = {(int(day), int(each)) for day, each in zip(weekday, hour, strict=True)}
    assert set(by_hour) == places
    for place in places:
        inside = rates[(weekday == place[0]) & (hour == place[1])]
        assert (by_hour[place].count, by_hour[place].median) == (len(inside), np.median(inside))


def test_a_plan_that_only_failures_know_hides_no_result():
    """Results that nothing was promised of keep their own unit, whatever plan a failed test was stored with."""
    runs = Columns.from_runs([make_attempt(0).run, make_failed_attempt(1).run])
    planned = tuple(replace(sort, plan=Plan(100_000_000) if sort.broken else NO_PLAN) for sort in runs.attributes)
    day = Window(START, START + timedelta(days=1))
    table = tabulate_hours(to_series(replace(runs, attributes=planned), day), BERLIN, Metric.DOWNLOAD)
    assert (table.of_plan, [cell.median for cell in table.cells.values()]) == (False, [95_656_417])


def test_the_hour_that_happens_twice_is_one_cell():
    """02:30 summer time and 02:30 winter time are both 02."""
    twice = [datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1)]
    by_hour = cells([make_attempt(started_at=at).run for at in twice])
    assert {place: cell.count for place, cell in by_hour.items()} == {(6, 2): 2}
