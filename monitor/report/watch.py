"""When the line was watched: from test to test, except for pauses in which no test ran. Pure.

Each probe and path has its own interval between tests, so each is looked at by itself. The line is watched while at
least one of them watches it.
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
    """When the line was watched, in epoch seconds.

    Attributes:
        spans: the time watched, ascending; none touches another.
        pauses: the spans between.
        interval_s: median seconds from the start of a test to that of the next of the same probe and path; None if no
            probe and path has two tests.
    """

    spans: tuple[Span, ...]
    pauses: tuple[Span, ...]
    interval_s: float | None

    @property
    def total_s(self) -> float:
        """The time watched, in seconds."""
        return length(self.spans)


def watch(columns: Columns) -> Watch:
    """Return when the line was watched. What a pause is, `after_pauses` decides, as for graphs."""
    sources = list(_sources(columns))
    spans = tuple(merged(span for runs in sources for span in _spans(runs)))
    pauses = tuple((before[1], after[0]) for before, after in pairwise(spans))
    intervals = np.concatenate([np.array([]), *(np.diff(runs.started) for runs in sources)])
    return Watch(spans, pauses, float(np.median(intervals)) if len(intervals) else None)


def _sources(columns: Columns) -> Iterator[Columns]:
    """Yield the runs of each probe over each path."""
    sources = {(attributes.probe, attributes.path) for attributes, _ in columns.counts()}
    if len(sources) == 1:
        yield columns
        return
    for source in sorted(sources):
        yield columns.select(columns.where(partial(_is_of, source)))


def _is_of(source: tuple[str, Path], attributes: Sort) -> bool:
    return (attributes.probe, attributes.path) == source


def _spans(runs: Columns) -> Iterator[Span]:
    """Yield the spans between pauses, each up to the end of the last of its runs. Needs at least one run."""
    started, finished = runs.started, runs.finished
    edges = np.concatenate([[0], after_pauses(started), [len(started)]])
    yield from ((float(started[a]), float(finished[a:b].max())) for a, b in pairwise(edges))


def merged(spans: Iterable[Span]) -> Iterator[Span]:
    """Yield the union of spans, ascending; none of them touches another."""
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


def common(spans: Iterable[Span], others: Sequence[Span]) -> list[Span]:
    """Return the intersection of spans with others, which ascend and do not touch each other."""
    starts, ends = [start for start, _ in others], [end for _, end in others]
    overlapping = ((span, others[bisect_right(ends, span[0]) : bisect_left(starts, span[1])]) for span in spans)
    return [(max(start, a), min(end, b)) for (start, end), overlaps in overlapping for a, b in overlaps]


def length(spans: Iterable[Span]) -> float:
    """Return the total length, in seconds, of spans that do not overlap."""
    return sum(end - start for start, end in spans)
