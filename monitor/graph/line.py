"""The line of one metric: good results that may be joined, and the stretches in which they may. Pure.

A failed or interrupted run ends a stretch, a run without that number ends it, and so does a pause. Skipped runs and
doubtful results end nothing: a line passes them by, and no number counts them.
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
    """What one unbroken line joins: moments in epoch seconds and values, of which `unit` make one of the metric."""

    times: NDArray[Any]
    stored: NDArray[Any]
    unit: int = 1

    @property
    def values(self) -> NDArray[np.float64]:
        """The values in the unit of the metric."""
        return self.stored / self.unit


@dataclass(frozen=True, slots=True)
class Line:
    """The results of a metric, oldest first; `starts` are the places where a stretch begins, the first among them.

    Values are whole numbers, of which `unit` make one of the metric: of a million floats three times the memory.
    """

    times: NDArray[Any]
    stored: NDArray[Any]
    starts: NDArray[np.intp]
    unit: int

    def __len__(self) -> int:
        return len(self.times)

    def above(self, top: float) -> list[tuple[float, float]]:
        """Return moments and values of the results that are higher."""
        beyond = self.stored > top * self.unit
        return list(zip(self.times[beyond].tolist(), (self.stored[beyond] / self.unit).tolist(), strict=True))

    def segments(self, least_break: float = 0) -> Iterator[Segment]:
        """Yield the stretches; breaks shorter than so many seconds do not part them."""
        if not len(self):
            return
        candidates = self.starts[1:]
        breaks = candidates[self.times[candidates] - self.times[candidates - 1] >= least_break]
        edges = [0, *breaks, len(self)]
        for begin, end in pairwise(edges):
            yield Segment(self.times[begin:end], self.stored[begin:end], self.unit)


def line_of(columns: Columns, pauses: NDArray[np.intp], metric: Metric) -> Line:
    """Return the line of a metric; `pauses` are the places of the runs that come after one."""
    good = columns.good(metric)
    starts = _starts(columns, pauses, good)
    return Line(columns.seconds[good], columns.stored(metric), starts, UNITS[metric])


def _starts(columns: Columns, pauses: NDArray[np.intp], good: NDArray[np.bool_]) -> NDArray[np.intp]:
    ignored = columns.where(lambda run: run.status is Status.SKIPPED or run.doubtful)
    breaks = ~good & ~ignored
    breaks[pauses] = True
    segment = np.cumsum(breaks, dtype=np.int32)[good]
    return np.append(0, np.flatnonzero(segment[1:] != segment[:-1]) + 1)
