"""Runs by hour of the day, by weekday and by local day. Pure.

The local day has 23 to 25 hours: tests of an hour that is repeated when clocks are set back count under its one name,
and an hour that is skipped has no tests. Times are epoch seconds, lengths seconds.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from monitor.analysis.metrics import PLAN_MET_PCT, RATE_METRICS, SPEED_METRICS
from monitor.analysis.plan import count_below_shares, promised_values
from monitor.localtime import Window, start_of_day, utc_offsets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from zoneinfo import ZoneInfo

    from numpy.typing import NDArray

    from monitor.analysis.availability import Outage
    from monitor.analysis.columns import Columns
    from monitor.analysis.metrics import Metric
    from monitor.analysis.plan import PlanHistory
    from monitor.analysis.series import RunSeries


HOURS = range(24)

DAYS_PER_WEEK = 7

_HOUR_S, _DAY_S = 3600, 86_400

# 1 January 1970 was a Thursday; Monday is 0.
_FIRST_WEEKDAY = 3


def to_wall_clock(started: NDArray[np.int64], zone: ZoneInfo) -> NDArray[np.int64]:
    """Convert ascending epoch seconds to local wall-clock time, as seconds since 1970-01-01 00:00 on that clock."""
    if not len(started):
        return started
    first, last = (datetime.fromtimestamp(int(at), UTC) for at in (started[0], started[-1] + 1))
    shifts_in_window = utc_offsets(Window(first, last), zone)
    begins = np.array([moment.timestamp() for moment, _ in shifts_in_window[1:]], np.float64)
    shifts = np.array([offset.total_seconds() for _, offset in shifts_in_window], np.int64)
    walls: NDArray[np.int64] = started + shifts[np.searchsorted(begins, started, side="right")]
    return walls


def hours_of_day(walls: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the hour of the day, 0 to 23, of wall-clock times."""
    return walls % _DAY_S // _HOUR_S


def weekday_numbers(walls: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the weekday, 0 for Monday, of wall-clock times."""
    return (walls // _DAY_S + _FIRST_WEEKDAY) % DAYS_PER_WEEK


def day_numbers(walls: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the days since 1970-01-01 of wall-clock times."""
    return walls // _DAY_S


def group_medians(groups: NDArray[Any], values: NDArray[Any]) -> dict[int, tuple[int, float]]:
    """Return the number and the median of the values of each group; `groups` has the group of each value."""
    return {group: (len(places), float(np.median(values[places]))) for group, places in _group_places(groups)}


def _group_places(groups: NDArray[Any]) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Yield each group, ascending, with the indexes at which it stands."""
    order = np.argsort(groups, kind="stable")
    present, starts = np.unique(groups[order], return_index=True)
    parts = np.split(order, starts[1:]) if len(present) else []
    yield from zip(present.tolist(), parts, strict=True)


@dataclass(frozen=True, slots=True)
class CalendarBin:
    """The tests of one hour of the day, or of one weekday.

    Attributes:
        tests: trusted results.
        medians: by metric; one that was not measured is missing.
        below_plan: percent of the results that did not meet the plan, by rate; one that no plan names is missing.
        failed: tests that failed or were interrupted.
    """

    tests: int
    medians: dict[str, float]
    below_plan: dict[str, float]
    failed: int


@dataclass(frozen=True, slots=True)
class MetPlan:
    """The plans of runs, and the percentage of them at and above which a test met its plan."""

    plans: PlanHistory
    percent: float = PLAN_MET_PCT


def group_by_hour(columns: Columns, plan: MetPlan, zone: ZoneInfo) -> tuple[CalendarBin, ...]:
    """Return the 24 hours of the local day."""
    return _make_bins(columns, plan, hours_of_day(to_wall_clock(columns.started, zone)), len(HOURS))


def group_by_weekday(columns: Columns, plan: MetPlan, zone: ZoneInfo) -> tuple[CalendarBin, ...]:
    """Return the seven weekdays, Monday first."""
    return _make_bins(columns, plan, weekday_numbers(to_wall_clock(columns.started, zone)), DAYS_PER_WEEK)


def _make_bins(columns: Columns, plan: MetPlan, bins: NDArray[np.int64], count: int) -> tuple[CalendarBin, ...]:
    """Return the tests by bin; `bins` has the number of the bin of each run, from 0 to `count` - 1."""
    trusted, broken = columns.where(lambda run: run.trusted), columns.where(lambda run: run.broken)
    medians = {metric: group_medians(bins[columns.good(metric)], columns.measured(metric)) for metric in SPEED_METRICS}
    short = {metric: _percent_below_plan(columns, plan, bins, metric) for metric in RATE_METRICS}
    return tuple(
        CalendarBin(
            tests=int(np.count_nonzero(trusted[bins == number])),
            medians={metric: groups[number][1] for metric, groups in medians.items() if number in groups},
            below_plan={metric: shares[number] for metric, shares in short.items() if number in shares},
            failed=int(np.count_nonzero(broken[bins == number])),
        )
        for number in range(count)
    )


def _percent_below_plan(columns: Columns, plan: MetPlan, bins: NDArray[np.int64], metric: Metric) -> dict[int, float]:
    """Return by bin the percentage of results that did not meet the plan; bins without a plan are left out."""
    good = columns.good(metric)
    values, promised, bins = columns.values(metric)[good], plan.plans.promised(columns, metric)[good], bins[good]
    misses = {
        number: count_below_shares(values[at], promised[at], (plan.percent,)) for number, at in _group_places(bins)
    }
    return {number: miss.percent for number, by_limit in misses.items() for miss in by_limit}


@dataclass(frozen=True, slots=True)
class HourCell:
    """The trusted results of one hour of one weekday: how many, and their median."""

    count: int
    median: float


@dataclass(frozen=True, slots=True)
class HourTable:
    """A cell for each (weekday, hour) with results; Monday is 0.

    With `of_plan`, medians are shares of the plan in force, else in the unit of the metric.
    """

    cells: dict[tuple[int, int], HourCell]
    of_plan: bool


def tabulate_hours(all_series: Sequence[RunSeries], zone: ZoneInfo, metric: Metric) -> HourTable:
    """Return the cells of all series together.

    An hour that occurs twice when clocks change counts as one; one that is skipped has no runs.
    """
    of_plan = any(run.trusted and metric.promised(run.plan) for series in all_series for run, _ in series.runs.counts())
    parts = [_results_by_hour(series.runs, zone, metric, of_plan=of_plan) for series in all_series]
    places = np.concatenate([np.array([], np.uint8), *(place for place, _ in parts)])
    values = np.concatenate([np.array([]), *(value for _, value in parts)])
    cells = {divmod(place, len(HOURS)): HourCell(*cell) for place, cell in group_medians(places, values).items()}
    return HourTable(cells, of_plan)


def _results_by_hour(
    runs: Columns, zone: ZoneInfo, metric: Metric, *, of_plan: bool
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Return the hour of the week of each trusted result, and its value."""
    good, values = np.flatnonzero(runs.good(metric)), runs.measured(metric)
    if of_plan:
        values = values / promised_values(runs, metric)[good]
        good, values = good[~np.isnan(values)], values[~np.isnan(values)]
    return hour_of_week(runs.seconds[good], zone), values


def hour_of_week(times: NDArray[Any], zone: ZoneInfo) -> NDArray[np.uint8]:
    """Return the local hour of the week of ascending moments, from Monday 00:00 = 0."""
    local = to_wall_clock(times.astype(np.int64), zone)
    place: NDArray[np.uint8] = (weekday_numbers(local) * len(HOURS) + hours_of_day(local)).astype(np.uint8)
    return place


@dataclass(slots=True)
class Day:
    """One local day of 23 to 25 hours.

    Attributes:
        started: runs that count in shares, of which `broken` failed.
        out: seconds of outage.
        uncounted: runs that were started and do not count.
    """

    day: date
    start: float
    end: float
    started: int = 0
    broken: int = 0
    out: float = 0.0
    uncounted: int = 0


def count_days(
    all_series: Sequence[RunSeries], outage_list: Iterable[Outage], window: Window, zone: ZoneInfo
) -> list[Day]:
    """Return every local day that the window touches, with its counts; an outage is divided among its days."""
    local_days = _empty_days(window, zone)
    starts = [day.start for day in local_days]
    for series in all_series:
        _add_runs(local_days, day_places(series.runs, np.array(starts)), series.runs)
    for outage in outage_list:
        for day in local_days[bisect_right(starts, outage.start) - 1 : bisect_left(starts, outage.end)]:
            day.out += max(0.0, min(day.end, outage.end) - max(day.start, outage.start))
    return local_days


def day_places(runs: Columns, starts: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return for each run the index of its day among days with these starts."""
    return np.searchsorted(starts, runs.seconds, side="right") - 1


def _add_runs(local_days: Sequence[Day], places: NDArray[np.intp], runs: Columns) -> None:
    counted, lost = runs.where(lambda run: run.counted), runs.where(lambda run: run.lost)
    others = runs.where(lambda run: run.broken and not run.counted)
    chosen = (np.bincount(places[mask], minlength=len(local_days)).tolist() for mask in (counted, lost, others))
    for day, tests, failures, uncounted in zip(local_days, *chosen, strict=True):
        day.started += tests
        day.broken += failures
        day.uncounted += uncounted


def _empty_days(window: Window, zone: ZoneInfo) -> list[Day]:
    first, last = (
        moment.astimezone(zone).date() for moment in (window.since, window.until - timedelta(microseconds=1))
    )
    dates = [first + timedelta(days=at) for at in range((last - first).days + 2)]
    midnights = [start_of_day(day, zone).timestamp() for day in dates]
    return [Day(day, *span) for day, span in zip(dates, pairwise(midnights), strict=False)]
