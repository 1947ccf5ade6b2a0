"""Results by weekday and hour of the local day. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from monitor import clock
from monitor.graph.promise import sold

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from numpy.typing import NDArray

    from monitor.columns import Columns
    from monitor.graph.data import Metric
    from monitor.graph.track import Track

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
HOURS = range(24)


@dataclass(frozen=True, slots=True)
class Cell:
    """The trusted results of one hour of one weekday: how many, and their median."""

    count: int
    median: float


@dataclass(frozen=True, slots=True)
class Hours:
    """A cell for each (weekday, hour) with results; Monday is 0.

    With `of_plan`, medians are shares of the plan in force, else in the unit of the metric.
    """

    cells: dict[tuple[int, int], Cell]
    of_plan: bool


def hours(all_series: Sequence[Track], zone: ZoneInfo, metric: Metric) -> Hours:
    """Return the cells of all series together.

    An hour that occurs twice when clocks change counts as one; one that is skipped has no runs.
    """
    of_plan = any(run.trusted and metric.promised(run.plan) for series in all_series for run, _ in series.runs.counts())
    parts = [_placed(series.runs, zone, metric, of_plan=of_plan) for series in all_series]
    places = np.concatenate([np.array([], np.uint8), *(place for place, _ in parts)])
    values = np.concatenate([np.array([]), *(value for _, value in parts)])
    return Hours(dict(_cells(places, values)), of_plan)


def _placed(
    runs: Columns, zone: ZoneInfo, metric: Metric, *, of_plan: bool
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Return the hour of the week of each trusted result, and its value."""
    good, values = np.flatnonzero(runs.good(metric)), runs.measured(metric)
    if of_plan:
        values = values / sold(runs, metric)[good]
        good, values = good[~np.isnan(values)], values[~np.isnan(values)]
    return hour_of_week(runs.seconds[good], zone), values


def hour_of_week(times: NDArray[Any], zone: ZoneInfo) -> NDArray[np.uint8]:
    """Return the local hour of the week of ascending moments, from Monday 00:00 = 0."""
    local = clock.wall(times.astype(np.int64), zone)
    place: NDArray[np.uint8] = (clock.weekdays(local) * len(HOURS) + clock.hours(local)).astype(np.uint8)
    return place


def _cells(places: NDArray[np.uint8], values: NDArray[np.float64]) -> list[tuple[tuple[int, int], Cell]]:
    order = np.argsort(places, kind="stable")
    filled, starts = np.unique(places[order], return_index=True)
    parts = np.split(values[order], starts[1:]) if len(filled) else []
    return [
        (divmod(int(place), len(HOURS)), Cell(len(part), float(np.median(part))))
        for place, part in zip(filled, parts, strict=True)
    ]
