"""Thin out a line that has more tests than the picture has pixels: lowest, median and highest of each bucket. Pure.

Nothing is lost to the eye: the envelope reaches every value, and it begins and ends where its segment does.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.graph.data import Segment

HOUR = 3600
WIDTHS = (60, 300, 600, 900, 1800, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR, 48 * HOUR, 168 * HOUR)
LEAST_PIXELS = 2.5
MOST_TESTS_PER_PIXEL = 1.0


@dataclass(frozen=True, slots=True)
class Envelope:
    """One segment in buckets: moments in epoch seconds, and the values there in the unit of the metric."""

    times: tuple[float, ...]
    low: tuple[float, ...]
    middle: tuple[float, ...]
    high: tuple[float, ...]


def bucket_width(tests: int, seconds: float, pixels: float) -> int | None:
    """Return the bucket for so many tests in a window, in seconds; None while each test has a pixel of its own."""
    if tests <= MOST_TESTS_PER_PIXEL * pixels:
        return None
    least = LEAST_PIXELS * seconds / pixels
    return next((width for width in WIDTHS if width >= least), WIDTHS[-1])


def envelope(segment: Segment, width: int) -> Envelope:
    """Return a segment in buckets of `width` seconds, aligned to the epoch."""
    points = zip(segment.times, segment.values, strict=True)
    rows = [_row(list(bucket)) for _, bucket in groupby(points, key=lambda point: point[0] // width)]
    first, last = (segment.times[0], *rows[0][1:]), (segment.times[-1], *rows[-1][1:])
    times, low, middle, high = zip(first, *rows, last, strict=True)
    return Envelope(times, low, middle, high)


def _row(points: Sequence[tuple[float, float]]) -> tuple[float, float, float, float]:
    values = [value for _, value in points]
    return (points[0][0] + points[-1][0]) / 2, min(values), median(values), max(values)
