"""Crowded lines as median and envelope."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.analysis.series import Segment
from monitor.graph.panel import choose_bucket_width, make_envelope

SEGMENTS = st.lists(st.tuples(st.integers(0, 10**6), st.floats(0, 1e10)), min_size=1, max_size=60).map(
    lambda points: Segment(*map(np.array, zip(*sorted(points), strict=True)))
)

DAY = 86_400


@pytest.mark.parametrize(
    ("tests", "days", "width"),
    [
        (96, 1, None),
        (720, 30, None),
        (1000, 30, None),
        (2880, 30, 2 * 3600),
        (35_040, 365, DAY),
        (10**6, 3650, 7 * DAY),
    ],
)
def test_buckets_appear_when_tests_have_no_pixel_of_their_own(tests: int, days: int, width: int | None):
    """On a thousand pixels, a month of quarter hours is drawn in buckets of two hours."""
    assert choose_bucket_width(tests, days * DAY, 1000) == width


def test_a_bucket_shows_lowest_median_and_highest():
    """Two buckets of ten seconds; the outline begins and ends with the segment."""
    thin = make_envelope(Segment(np.array([1, 2, 3, 12, 18]), np.array([5.0, 1, 3, 8, 4])), 10)
    assert [each.tolist() for each in thin] == [[1, 2, 15, 18], [1, 1, 4, 4], [3, 3, 6, 6], [5, 5, 8, 8]]


@given(SEGMENTS, st.integers(1, 10**6))
def test_an_envelope_hides_nothing(segment: Segment, width: int):
    """It reaches the lowest and the highest value, spans exactly its segment, and never runs backwards."""
    thin = make_envelope(segment, width)
    assert (min(thin.low), max(thin.high)) == (min(segment.values), max(segment.values))
    assert (thin.times[0], thin.times[-1]) == (segment.times[0], segment.times[-1])
    assert all(before <= after for before, after in pairwise(thin.times))
