"""When the line was watched: from test to test, but not over pauses in which nobody looked. Pure.

Each probe and path has a pace of its own, so each is looked at alone; what any of them watched was watched.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from monitor.graph.pauses import after_pauses

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from monitor.columns import Columns, Sort
    from monitor.model import Path

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Watch:
    """The spans, in epoch seconds and ascending, in which tests followed each other at their usual pace.

    `every_s` is the median of seconds from a start to the next of the same probe and path, None without any; `pauses`
    are the spans between. Several probes or paths each have a pace of their own, and somebody looked while one of them
    did.
    """

    spans: tuple[Span, ...]
    pauses: tuple[Span, ...]
    every_s: float | None

    @property
    def length_s(self) -> float:
        """For how long somebody looked."""
        return length(self.spans)


def watch(columns: Columns) -> Watch:
    """Return when the line was watched: a pause is much longer than the ten spacings around it, as on the graphs."""
    each = list(_sources(columns))
    spans = tuple(merged(span for runs in each for span in _spans(runs)))
    pauses = tuple((before[1], after[0]) for before, after in pairwise(spans))
    spacing = np.concatenate([np.array([]), *(np.diff(runs.started) for runs in each)])
    return Watch(spans, pauses, float(np.median(spacing)) if len(spacing) else None)


def _sources(columns: Columns) -> Iterator[Columns]:
    """Yield the runs of each probe over each path."""
    sources = {(sort.probe, sort.path) for sort, _ in columns.counts()}
    if len(sources) == 1:
        yield columns
        return
    for source in sorted(sources):
        yield columns.select(columns.where(partial(_is_of, source)))


def _is_of(source: tuple[str, Path], sort: Sort) -> bool:
    return (sort.probe, sort.path) == source


def _spans(track: Columns) -> Iterator[Span]:
    """Yield the spans from pause to pause of runs, some, each to the end of its last."""
    started, finished = track.started, track.finished
    edges = np.concatenate([[0], after_pauses(started), [len(started)]])
    yield from ((float(started[a]), float(finished[a:b].max())) for a, b in pairwise(edges))


def merged(spans: Iterable[Span]) -> Iterator[Span]:
    """Yield spans as few that do not touch, ascending."""
    before: Span | None = None
    for start, end in sorted(spans):
        if before and start <= before[1]:
            before = before[0], max(before[1], end)
            continue
        if before:
            yield before
        before = start, end
    if before:
        yield before


def common(one: Iterable[Span], other: Sequence[Span]) -> list[Span]:
    """Return what spans have in common with others, which ascend and do not touch each other."""
    starts, ends = [start for start, _ in other], [end for _, end in other]
    near = ((span, other[bisect_right(ends, span[0]) : bisect_left(starts, span[1])]) for span in one)
    return [(max(start, a), min(end, b)) for (start, end), found in near for a, b in found]


def length(spans: Iterable[Span]) -> float:
    """Return the seconds of spans that do not overlap."""
    return sum(end - start for start, end in spans)
