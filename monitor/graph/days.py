"""Tests and outages counted by local day. Pure; times are epoch seconds, lengths seconds."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from monitor.graph.ticks import start_of_day
from monitor.model import Scope, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from zoneinfo import ZoneInfo

    from numpy.typing import NDArray

    from monitor.columns import Columns
    from monitor.graph.data import Window
    from monitor.graph.track import Track


@dataclass(frozen=True, slots=True)
class Outage:
    """An outage within a window. While it `lasts` (no good test since), `end` is that of the last test."""

    start: float
    end: float
    lasts: bool

    @property
    def length(self) -> float:
        """Its length in seconds."""
        return self.end - self.start


@dataclass(slots=True)
class Day:
    """One local day of 23 to 25 hours: runs started, runs that failed (`broken`), seconds of outage (`out`)."""

    day: date
    start: float
    end: float
    started: int = 0
    broken: int = 0
    out: float = 0.0


def outages(all_series: Sequence[Track], window: Window) -> list[Outage]:
    """Return the outages of all series, oldest first; those that overlap are merged into one."""
    last = max((float(series.runs.finished.max()) for series in all_series), default=0.0)
    all_outages = [outage for series in all_series for outage in _outages(series.runs, last, window.span[1])]
    return _merged(sorted(all_outages, key=lambda outage: outage.start))


def _outages(runs: Columns, last: float, until: float) -> Iterator[Outage]:
    good = np.flatnonzero(runs.where(lambda run: run.status is Status.OK))
    failed = np.flatnonzero(runs.where(lambda run: run.status is Status.FAILED and run.scope is Scope.LINE))
    following = np.searchsorted(good, failed)
    first = np.flatnonzero(np.diff(following, prepend=-1))
    starts, recoveries = runs.seconds[failed[first]].tolist(), runs.seconds[good].tolist()
    for start, ending in zip(starts, following[first].tolist(), strict=True):
        lasts = ending == len(good)
        yield Outage(start, min(last if lasts else recoveries[ending], until), lasts)


def _merged(outage_list: Sequence[Outage]) -> list[Outage]:
    """Merge outages that overlap, such as those that two paths saw."""
    merged: list[Outage] = []
    for outage in outage_list:
        if merged and outage.start < merged[-1].end:
            before = merged.pop()
            outage = Outage(before.start, max(before.end, outage.end), before.lasts or outage.lasts)  # noqa: PLW2901  the two as one
        merged.append(outage)
    return merged


def days(all_series: Sequence[Track], outage_list: Iterable[Outage], window: Window, zone: ZoneInfo) -> list[Day]:
    """Return every local day that the window touches, with its counts; an outage is divided among its days."""
    local_days = _empty(window, zone)
    starts = [day.start for day in local_days]
    for series in all_series:
        _count(local_days, day_of(series.runs, np.array(starts)), series.runs)
    for outage in outage_list:
        for day in local_days[bisect_right(starts, outage.start) - 1 : bisect_left(starts, outage.end)]:
            day.out += max(0.0, min(day.end, outage.end) - max(day.start, outage.start))
    return local_days


def day_of(runs: Columns, starts: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return for each run the index of its day among days with these starts."""
    return np.searchsorted(starts, runs.seconds, side="right") - 1


def _count(local_days: Sequence[Day], places: NDArray[np.intp], runs: Columns) -> None:
    started, broken = runs.where(lambda run: run.status is not Status.SKIPPED), runs.where(lambda run: run.broken)
    for day, tests, failures in zip(
        local_days,
        np.bincount(places[started], minlength=len(local_days)).tolist(),
        np.bincount(places[broken], minlength=len(local_days)).tolist(),
        strict=True,
    ):
        day.started += tests
        day.broken += failures


def _empty(window: Window, zone: ZoneInfo) -> list[Day]:
    first, last = (
        moment.astimezone(zone).date() for moment in (window.since, window.until - timedelta(microseconds=1))
    )
    dates = [first + timedelta(days=at) for at in range((last - first).days + 2)]
    midnights = [start_of_day(day, zone).timestamp() for day in dates]
    return [Day(day, *span) for day, span in zip(dates, pairwise(midnights), strict=False)]
