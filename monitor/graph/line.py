"""The line of one metric: its good results, and the segments in which they are joined. Pure.

A failed or interrupted run, a run without that number, or a pause ends a segment. Skipped runs and doubtful results do
not; they are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from monitor.model import Status
from monitor.numbers import UNITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from monitor.columns import Columns
    from monitor.graph.data import Metric


@dataclass(frozen=True, slots=True)
class Segment:
    """One unbroken line: times in epoch seconds, and stored values, of which `unit` make one of the metric."""

    times: NDArray[Any]
    stored: NDArray[Any]
    unit: int = 1

    @property
    def values(self) -> NDArray[np.float64]:
        """The values in the unit of the metric."""
        return self.stored / self.unit


@dataclass(frozen=True, slots=True)
class Line:
    """The results of a metric, oldest first; `starts` are the indexes at which a segment begins, 0 included.

    Values are integers, `unit` of which make one of the metric: floats would take three times the memory.
    """

    times: NDArray[Any]
    stored: NDArray[Any]
    starts: NDArray[np.intp]
    unit: int

    def __len__(self) -> int:
        return len(self.times)

    def above(self, top: float) -> list[tuple[float, float]]:
        """Return (time, value) of the results above `top`."""
        beyond = self.stored > top * self.unit
        return list(zip(self.times[beyond].tolist(), (self.stored[beyond] / self.unit).tolist(), strict=True))

    def segments(self, least_break: float = 0) -> Iterator[Segment]:
        """Yield the segments; breaks shorter than `least_break` seconds are ignored."""
        if not len(self):
            return
        candidates = self.starts[1:]
        breaks = candidates[self.times[candidates] - self.times[candidates - 1] >= least_break]
        edges = [0, *breaks, len(self)]
        for begin, end in pairwise(edges):
            yield Segment(self.times[begin:end], self.stored[begin:end], self.unit)


def line_of(columns: Columns, pauses: NDArray[np.intp], metric: Metric) -> Line:
    """Return the line of a metric; `pauses` are the indexes of the runs that follow a pause."""
    good = columns.good(metric)
    starts = _starts(columns, pauses, good)
    return Line(columns.seconds[good], columns.stored(metric), starts, UNITS[metric])


def _starts(columns: Columns, pauses: NDArray[np.intp], good: NDArray[np.bool_]) -> NDArray[np.intp]:
    ignored = columns.where(lambda run: run.status is Status.SKIPPED or run.doubtful)
    breaks = ~good & ~ignored
    breaks[pauses] = True
    segment = np.cumsum(breaks, dtype=np.int32)[good]
    return np.append(0, np.flatnonzero(segment[1:] != segment[:-1]) + 1)
