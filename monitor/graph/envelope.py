"""Reduces a line with more tests than pixels to the minimum, median and maximum of each time bucket. Pure.

The envelope covers every value, and it begins and ends where its segment does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from monitor.graph.line import Segment

HOUR = 3600
WIDTHS = (60, 300, 600, 900, 1800, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR, 48 * HOUR, 168 * HOUR)
LEAST_PIXELS = 2.5
MOST_TESTS_PER_PIXEL = 1.0


class Envelope(NamedTuple):
    """One segment in buckets: times in epoch seconds, values in the unit of the metric."""

    times: NDArray[np.float64]
    low: NDArray[np.float64]
    middle: NDArray[np.float64]
    high: NDArray[np.float64]


def bucket_width(tests: int, seconds: float, pixels: float) -> int | None:
    """Return the bucket width in seconds; None if every test has a pixel of its own."""
    if tests <= MOST_TESTS_PER_PIXEL * pixels:
        return None
    wanted_s = LEAST_PIXELS * seconds / pixels
    return next((width for width in WIDTHS if width >= wanted_s), WIDTHS[-1])


def envelope(segment: Segment, width: int) -> Envelope:
    """Return a segment in buckets of `width` seconds, aligned to the epoch."""
    times, values = segment.times, segment.stored
    bucket = times // width
    starts = np.append(0, np.flatnonzero(bucket[1:] != bucket[:-1]) + 1)
    last = np.append(starts[1:], len(times)) - 1
    middle = np.array([_median(part) for part in np.split(values, starts[1:])])
    low, high = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    middles = (times[starts].astype(float) + times[last]) / 2
    return Envelope(
        _to_ends(middles, times[0], times[-1]),
        *(_to_ends(part, part[0], part[-1]) / segment.unit for part in (low, middle, high)),
    )


def _to_ends(inner: NDArray[Any], first: float, last: float) -> NDArray[np.float64]:
    return np.concatenate([[first], inner, [last]])


def _median(values: NDArray[Any]) -> float:
    """Return the median; np.median takes ten times as long for the few values of a bucket."""
    ordered = np.sort(values)
    return (float(ordered[(len(ordered) - 1) // 2]) + float(ordered[len(ordered) // 2])) / 2
