"""Gaps in monitoring, failure spans, downtime and availability.

When the line was watched: from test to test, except for pauses in which no test ran. Pure.

Each probe and path has its own interval between tests, so each is looked at by itself. The line is watched while at
least one of them watches it.

How long the line was down, as far as the tests saw it. Pure; times are epoch seconds, lengths seconds.

An outage counts within the window, and only while the line was watched: a pause of the tests is neither up nor down.
An outage that has not ended counts to the end of the last test. Overlapping outages of several paths or probes are one.

Spans of consecutive failures: from the start of the first to the next success, else to the end of the last. Pure.

Pauses in monitoring: where a test came much later than the cadence around it. Pure.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from monitor.model import Scope, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from monitor.analysis.columns import Columns, RunAttributes
    from monitor.analysis.outages import Incident
    from monitor.analysis.series import RunSeries
    from monitor.localtime import Window
    from monitor.model import NetworkPath


TimeSpan = tuple[float, float]

GAP_FACTOR = 2.5

NEIGHBOURS = 5

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
    """Return when the line was watched. What a pause is, `after_pauses` decides, as for graphs."""
    sources = list(_split_by_source(columns))
    spans = tuple(merge_spans(span for runs in sources for span in _spans_between_pauses(runs)))
    pauses = tuple((before[1], after[0]) for before, after in pairwise(spans))
    intervals = np.concatenate([np.array([]), *(np.diff(runs.started) for runs in sources)])
    return WatchedTime(spans, pauses, float(np.median(intervals)) if len(intervals) else None)


def _split_by_source(columns: Columns) -> Iterator[Columns]:
    """Yield the runs of each probe over each path."""
    sources = {(attributes.probe, attributes.path) for attributes, _ in columns.counts()}
    if len(sources) == 1:
        yield columns
        return
    for source in sorted(sources):
        yield columns.select(columns.where(partial(_is_from, source)))


def _is_from(source: tuple[str, NetworkPath], attributes: RunAttributes) -> bool:
    return (attributes.probe, attributes.path) == source


def _spans_between_pauses(runs: Columns) -> Iterator[TimeSpan]:
    """Yield the spans between pauses, each up to the end of the last of its runs. Needs at least one run."""
    started, finished = runs.started, runs.finished
    edges = np.concatenate([[0], find_runs_after_pauses(started), [len(started)]])
    yield from ((float(started[a]), float(finished[a:b].max())) for a, b in pairwise(edges))


def merge_spans(spans: Iterable[TimeSpan]) -> Iterator[TimeSpan]:
    """Yield the union of spans, ascending; none of them touches another."""
    before: TimeSpan | None = None
    for start, end in sorted(spans):
        if before and start <= before[1]:
            before = before[0], max(before[1], end)
            continue
        if before:
            yield before
        before = start, end
    if before:
        yield before


def intersect_spans(spans: Iterable[TimeSpan], others: Sequence[TimeSpan]) -> list[TimeSpan]:
    """Return the intersection of spans with others, which ascend and do not touch each other."""
    starts, ends = [start for start, _ in others], [end for _, end in others]
    overlapping = ((span, others[bisect_right(ends, span[0]) : bisect_left(starts, span[1])]) for span in spans)
    return [(max(start, a), min(end, b)) for (start, end), overlaps in overlapping for a, b in overlaps]


def total_length(spans: Iterable[TimeSpan]) -> float:
    """Return the total length, in seconds, of spans that do not overlap."""
    return sum(end - start for start, end in spans)


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
    """Add up the incidents that overlap a window."""
    spans_by_incident = [(incident, incident_span(incident, watched, window)) for incident in incidents]
    inside = [(incident, part) for incident, part in spans_by_incident if part]
    spans = list(merge_spans(part for _, part in inside))
    lengths = [watched_seconds(outage, watched) for outage in spans]
    return Downtime(
        outages=len(spans),
        # All that have not ended end with the last test, so that they are merged into one.
        ongoing=int(any(incident.ended is None for incident, _ in inside)),
        down_s=sum(lengths),
        watched_s=watched.total_s,
        longest_s=max(lengths, default=0.0),
    )


def watched_seconds(outage: TimeSpan, watched: WatchedTime) -> float:
    """Return how many seconds of an outage were watched."""
    return total_length(intersect_spans([outage], watched.spans))


def incident_span(incident: Incident, watched: WatchedTime, window: Window) -> TimeSpan | None:
    """Return the part of an incident within the window, up to the last test if it has not ended; None if outside."""
    start, end = window.span
    last = watched.spans[-1][1] if watched.spans else start
    began, ended = incident.began.timestamp(), incident.ended.timestamp() if incident.ended else last
    return (max(start, began), min(end, ended)) if began < end and ended > start else None


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
    good, broken = columns.where(lambda sort: sort.status is Status.OK), columns.where(lambda sort: sort.broken)
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


def find_outages(all_series: Sequence[RunSeries], window: Window) -> list[Outage]:
    """Return the outages of all series, oldest first; those that overlap are merged into one."""
    last = max((float(series.runs.finished.max()) for series in all_series), default=0.0)
    all_outages = [outage for series in all_series for outage in _series_outages(series.runs, last, window.span[1])]
    return _merge_outages(sorted(all_outages, key=lambda outage: outage.start))


def _series_outages(runs: Columns, last: float, until: float) -> Iterator[Outage]:
    good = np.flatnonzero(runs.where(lambda run: run.status is Status.OK))
    failed = np.flatnonzero(runs.where(lambda run: run.status is Status.FAILED and run.scope is Scope.LINE))
    following = np.searchsorted(good, failed)
    first = np.flatnonzero(np.diff(following, prepend=-1))
    starts, recoveries = runs.seconds[failed[first]].tolist(), runs.seconds[good].tolist()
    for start, ending in zip(starts, following[first].tolist(), strict=True):
        lasts = ending == len(good)
        yield Outage(start, min(last if lasts else recoveries[ending], until), lasts)


def _merge_outages(outage_list: Sequence[Outage]) -> list[Outage]:
    """Merge outages that overlap, such as those that two paths saw."""
    merged: list[Outage] = []
    for outage in outage_list:
        if merged and outage.start < merged[-1].end:
            before = merged.pop()
            outage = Outage(before.start, max(before.end, outage.end), before.lasts or outage.lasts)  # noqa: PLW2901  the two as one
        merged.append(outage)
    return merged
