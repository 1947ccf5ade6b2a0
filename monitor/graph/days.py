"""Local days and what was seen of the line on each. Pure; moments are epoch seconds, lengths seconds."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from monitor.graph.data import BROKEN
from monitor.graph.ticks import start_of_day
from monitor.incidents import incidents
from monitor.model import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from zoneinfo import ZoneInfo

    from monitor.graph.data import Window
    from monitor.model import Run


@dataclass(frozen=True, slots=True)
class Outage:
    """An incident within a window; it `lasts` when no good test has ended it, and then ends with the last test."""

    start: float
    end: float
    lasts: bool

    @property
    def length(self) -> float:
        """How long it was."""
        return self.end - self.start


@dataclass(slots=True)
class Day:
    """One local day, 23 to 25 hours long: its runs, oldest first, and for how long the line was out."""

    day: date
    start: float
    end: float
    runs: list[Run] = field(default_factory=list)
    out: float = 0.0

    @property
    def started(self) -> int:
        """Runs that were not skipped."""
        return sum(run.status is not Status.SKIPPED for run in self.runs)

    @property
    def broken(self) -> int:
        """Runs that failed or were interrupted."""
        return sum(run.status in BROKEN for run in self.runs)


def outages(runs: Sequence[Run], window: Window) -> list[Outage]:
    """Return the incidents of runs that come oldest first, oldest first."""
    start, end = window.span
    last = max((run.finished_at.timestamp() for run in runs), default=start)
    found = [
        Outage(at.began.timestamp(), min(at.ended.timestamp() if at.ended else last, end), at.ended is None)
        for at in incidents(runs)
    ]
    return _merged(sorted(found, key=lambda outage: outage.start))


def _merged(found: Sequence[Outage]) -> list[Outage]:
    """Return outages of which none overlaps another: what two paths saw at once is one."""
    merged: list[Outage] = []
    for outage in found:
        if merged and outage.start < merged[-1].end:
            before = merged.pop()
            outage = Outage(before.start, max(before.end, outage.end), before.lasts or outage.lasts)  # noqa: PLW2901  the two as one
        merged.append(outage)
    return merged


def days(runs: Iterable[Run], out: Iterable[Outage], window: Window, zone: ZoneInfo) -> list[Day]:
    """Return every local day that the window touches, with its runs; an outage counts on each day by its share."""
    found = _empty(window, zone)
    starts = [day.start for day in found]
    for run in runs:
        found[bisect_right(starts, run.started_at.timestamp()) - 1].runs.append(run)
    for outage in out:
        for day in found:
            day.out += max(0.0, min(day.end, outage.end) - max(day.start, outage.start))
    return found


def _empty(window: Window, zone: ZoneInfo) -> list[Day]:
    first, last = (
        moment.astimezone(zone).date() for moment in (window.since, window.until - timedelta(microseconds=1))
    )
    dates = [first + timedelta(days=at) for at in range((last - first).days + 2)]
    midnights = [start_of_day(day, zone).timestamp() for day in dates]
    return [Day(day, *span) for day, span in zip(dates, pairwise(midnights), strict=False)]
