"""When the line was watched, and when it was down: pauses in monitoring, outages, downtime, spans of failures. Pure.

What an outage is, `outages` says. Times are epoch seconds, lengths seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from monitor.analysis.columns import split_by_source
from monitor.analysis.outages import LineState, OutageTracker, intersect_spans, merge_spans, total_length

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from monitor.analysis.columns import Columns
    from monitor.analysis.outages import Incident, TimeSpan
    from monitor.analysis.series import RunSeries
    from monitor.localtime import Window


# A pause is longer than the cadence times this.
GAP_FACTOR = 2.5

# The cadence at a spacing between tests is found among so many spacings on either side of it.
NEIGHBOURS = 5

# Spacings are looked through in blocks of so many.
BLOCK_SIZE = 65_536


@dataclass(frozen=True, slots=True)
class WatchedTime:
    """When the line was watched, in epoch seconds.

    Attributes:
        spans: the time watched, ascending; none touches another.
        pauses: the spans between.
        interval_s: median seconds from the start of a test to that of the next of the same probe and path; None if no
            probe and path has two tests.
    """

    spans: tuple[TimeSpan, ...]
    pauses: tuple[TimeSpan, ...]
    interval_s: float | None

    @property
    def total_s(self) -> float:
        """The time watched, in seconds."""
        return total_length(self.spans)


def find_watched_time(columns: Columns) -> WatchedTime:
    """Return when the line was watched: from test to test, except for pauses, see `find_runs_after_pauses`.

    Each probe and path has its own interval between tests, so each is looked at by itself. The line is watched while
    at least one of them watches it.
    """
    return _watch([runs for _, runs in split_by_source(columns)])


def watch_series(all_series: Sequence[RunSeries]) -> WatchedTime:
    """Return when the line was watched by any of the series, as `find_watched_time` does."""
    return _watch([series.runs for series in all_series if len(series.runs)])


def _watch(sources: Sequence[Columns]) -> WatchedTime:
    spans = tuple(merge_spans(span for runs in sources for span in _spans_between_pauses(runs)))
    pauses = tuple((before[1], after[0]) for before, after in pairwise(spans))
    intervals = np.concatenate([np.array([]), *(np.diff(runs.started) for runs in sources)])
    return WatchedTime(spans, pauses, float(np.median(intervals)) if len(intervals) else None)


def _spans_between_pauses(runs: Columns) -> Iterator[TimeSpan]:
    """Yield the spans between pauses, each up to the end of the last of its runs. Needs at least one run."""
    started, finished = runs.started, runs.finished
    edges = np.concatenate([[0], find_runs_after_pauses(started), [len(started)]])
    yield from ((float(started[a]), float(finished[a:b].max())) for a, b in pairwise(edges))


@dataclass(frozen=True, slots=True)
class Downtime:
    """The number of outages (`ongoing` of them have not ended), the time down of the time watched, and the longest."""

    outages: int
    ongoing: int
    down_s: float
    watched_s: float
    longest_s: float

    @property
    def available_pct(self) -> float | None:
        """The share of the time watched in which the line was up; None when nothing was watched."""
        return 100 * (1 - self.down_s / self.watched_s) if self.watched_s else None


def sum_downtime(incidents: Iterable[Incident], watched: WatchedTime, window: Window) -> Downtime:
    """Add up the incidents that overlap a window, as one outage where they overlap each other.

    Only time in which the line was watched counts: a pause of the tests is neither up nor down.
    """
    spans_by_incident = [(incident, incident_span(incident, watched, window)) for incident in incidents]
    inside = [(incident, part) for incident, part in spans_by_incident if part]
    # All that have not ended end with the last test, so that they are merged into one.
    ongoing = any(incident.ended is None for incident, _ in inside)
    return _add_up(merge_spans(part for _, part in inside), watched, ongoing=ongoing)


def _add_up(spans: Sequence[TimeSpan], watched: WatchedTime, *, ongoing: bool) -> Downtime:
    lengths = [watched_seconds(span, watched) for span in spans]
    return Downtime(
        outages=len(spans),
        ongoing=int(ongoing),
        down_s=sum(lengths),
        watched_s=watched.total_s,
        longest_s=max(lengths, default=0.0),
    )


def watched_seconds(span: TimeSpan, watched: WatchedTime) -> float:
    """Return how many seconds of a span were watched."""
    return total_length(intersect_spans([span], watched.spans))


def incident_span(incident: Incident, watched: WatchedTime, window: Window) -> TimeSpan | None:
    """Return the part of an incident within the window, up to the last test if it has not ended; None if outside."""
    start, end = window.span
    last = watched.spans[-1][1] if watched.spans else start
    began, ended = incident.began.timestamp(), incident.ended.timestamp() if incident.ended else last
    return (max(start, began), min(end, ended)) if began < end and ended > start else None


@dataclass(frozen=True, slots=True)
class Outage:
    """An outage within a window. While it is ongoing (no good test since), `end` is that of the last test."""

    start: float
    end: float
    is_ongoing: bool

    @property
    def length(self) -> float:
        """Its length in seconds."""
        return self.end - self.start


def find_outages(all_series: Sequence[RunSeries], window: Window) -> list[Outage]:
    """Return the outages of all series, oldest first, as one where they overlap."""
    last = max((float(series.runs.finished.max()) for series in all_series), default=0.0)
    latest = min(last, window.span[1])
    spans = merge_spans(span for series in all_series for span in find_outage_spans(series.runs))
    return [Outage(start, min(end, latest), is_ongoing=end == math.inf) for start, end in spans]


def total_downtime(outages: Sequence[Outage], watched: WatchedTime) -> Downtime:
    """Add up outages of `find_outages`; the sum is that of `sum_downtime` of the same runs."""
    spans = [(outage.start, outage.end) for outage in outages]
    return _add_up(spans, watched, ongoing=any(outage.is_ongoing for outage in outages))


def watched_parts(outages: Iterable[Outage], watched: WatchedTime) -> list[Outage]:
    """Return the parts of outages in which the line was watched."""
    return [
        Outage(*part, is_ongoing=outage.is_ongoing)
        for outage in outages
        for part in intersect_spans([(outage.start, outage.end)], watched.spans)
    ]


def find_outage_spans(runs: Columns) -> list[TimeSpan]:
    """Return the outages in the runs of one probe and path, oldest first; one that is ongoing has no end: `inf`."""
    tracker = OutageTracker[float]()
    ended = [tracker.add(state, at) for state, at in _turning_points(runs)]
    return [
        (outage.first_failed, math.inf if outage.first_good is None else outage.first_good)
        for outage in (*ended, tracker.ongoing)
        if outage
    ]


def _turning_points(runs: Columns) -> list[tuple[LineState, float]]:
    """Return the state of the line, and the start, of the runs that prove another state than the run before."""
    down = runs.where(lambda run: run.line_state is LineState.DOWN)
    places = np.flatnonzero(down | runs.where(lambda run: run.line_state is LineState.UP))
    down = down[places]
    changes = np.flatnonzero(np.diff(down, prepend=False))
    states = [LineState.DOWN if is_down else LineState.UP for is_down in down[changes].tolist()]
    return list(zip(states, runs.seconds[places[changes]].astype(float).tolist(), strict=True))


class FailureSpans(NamedTuple):
    """Starts and ends of the spans in epoch seconds, oldest first; no two overlap."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    def at_least(self, seconds: float) -> list[tuple[float, float]]:
        """Return (start, end) of the spans that last at least `seconds`."""
        chosen = self.ends - self.starts >= seconds
        return list(zip(self.starts[chosen].tolist(), self.ends[chosen].tolist(), strict=True))


def find_failure_spans(columns: Columns, pauses: NDArray[np.intp]) -> FailureSpans:
    """Return the spans of consecutive failures; `pauses` are the indexes of the runs that follow a pause.

    A pause ends a span at the last failure before it: what happened without tests is unknown.
    """
    good, broken = columns.where(lambda run: run.succeeded), columns.where(lambda run: run.broken)
    places = np.flatnonzero(broken)
    row = np.cumsum(good, dtype=np.int32)[places] + np.searchsorted(pauses, places, side="right")
    first = places[np.flatnonzero(np.diff(row, prepend=-1))]
    last = places[np.flatnonzero(np.diff(row, append=-1))]
    return FailureSpans(
        columns.seconds[first].astype(np.int64), _span_ends(columns, last, np.flatnonzero(good), pauses)
    )


def _span_ends(
    columns: Columns, last: NDArray[np.intp], good: NDArray[np.intp], pauses: NDArray[np.intp]
) -> NDArray[np.int64]:
    """Return the start of the next success; if a pause comes first or there is none, the end of the last failure."""
    following = np.searchsorted(good, last)
    beyond = following == len(good)
    at = last.copy()
    at[~beyond] = good[following[~beyond]]
    undisturbed = np.searchsorted(pauses, at, side="right") == np.searchsorted(pauses, last, side="right")
    recovered, failed = columns.select(at), columns.select(last)
    return np.where(~beyond & undisturbed, recovered.started, failed.finished)


def find_runs_after_pauses(times: NDArray[Any]) -> NDArray[np.intp]:
    """Return the indexes of the ascending times that follow a pause.

    A pause is a spacing longer than `GAP_FACTOR` times the cadence, the lower median of the ten spacings around it: a
    schedule that changes from minutes to hours within the window is not a pause.
    """
    spacings = np.diff(times)
    pauses = [
        at for at in _candidate_places(spacings).tolist() if spacings[at] > GAP_FACTOR * _cadence_around(spacings, at)
    ]
    return np.array(pauses, np.intp) + 1


def _candidate_places(spacings: NDArray[Any]) -> NDArray[np.intp]:
    """Return the indexes of spacings much longer than the shortest one nearby: every pause is among them, little else.

    Works in blocks to limit the memory for intermediate arrays.
    """
    blocks = []
    for begin in range(0, len(spacings), BLOCK_SIZE):
        first = max(0, begin - NEIGHBOURS)
        block = spacings[first : begin + BLOCK_SIZE + NEIGHBOURS]
        candidates = np.flatnonzero(block > GAP_FACTOR * _smallest_nearby(block)) + first
        blocks.append(candidates[(candidates >= begin) & (candidates < begin + BLOCK_SIZE)])
    return np.concatenate([np.array([], np.intp), *blocks])


def _smallest_nearby(spacings: NDArray[Any]) -> NDArray[Any]:
    least = spacings.copy()
    for away in range(1, min(NEIGHBOURS, len(spacings) - 1) + 1):
        np.minimum(least[away:], spacings[:-away], out=least[away:])
        np.minimum(least[:-away], spacings[away:], out=least[:-away])
    return least


def _cadence_around(spacings: NDArray[Any], at: int) -> float:
    nearby = np.sort(spacings[max(0, at - NEIGHBOURS) : at + NEIGHBOURS + 1])
    return float(nearby[(len(nearby) - 1) // 2])
