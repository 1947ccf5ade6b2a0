"""The line of one metric: good results that may be joined, and the stretches in which they may. Pure.

A failed or interrupted run ends a stretch, a run without that number ends it, and so does a pause. Skipped runs and
doubtful results end nothing: a line passes them by, and no number counts them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from monitor.model import Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from monitor.columns import Columns
    from monitor.graph.data import Metric


@dataclass(frozen=True, slots=True)
class Segment:
    """What one unbroken line joins: moments in epoch seconds and values in the unit of the metric, of one length."""

    times: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Line:
    """The results of a metric, oldest first; `starts` are the places where a stretch begins, the first among them."""

    times: NDArray[np.int64]
    values: NDArray[np.float64]
    starts: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.times)

    def segments(self, least_break: float = 0) -> Iterator[Segment]:
        """Yield the stretches; breaks shorter than so many seconds do not part them."""
        if not len(self):
            return
        inner = self.starts[1:]
        parted = inner[self.times[inner] - self.times[inner - 1] >= least_break]
        edges = [0, *parted, len(self)]
        for begin, end in pairwise(edges):
            yield Segment(self.times[begin:end], self.values[begin:end])


def line_of(columns: Columns, pauses: NDArray[np.intp], metric: Metric) -> Line:
    """Return the line of a metric; `pauses` are the places of the runs that come after one."""
    known = columns.numbers[metric] != 0
    good = columns.where(lambda sort: sort.trusted) & known
    passed_by = columns.where(lambda sort: sort.status is Status.SKIPPED or sort.doubtful)
    breaks = ~good & ~passed_by
    breaks[pauses] = True
    places = np.flatnonzero(good)
    stretch = np.cumsum(breaks, dtype=np.int32)[places]
    starts = np.flatnonzero(np.diff(stretch, prepend=-1))
    return Line(columns.started[places], columns.measured(metric), starts)
