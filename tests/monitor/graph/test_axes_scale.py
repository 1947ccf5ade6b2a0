"""The y axis: units, round ticks and outliers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.analysis.metrics import Metric
from monitor.graph.axes import make_value_axis

RATE = Metric.DOWNLOAD

M = 1_000_000


@pytest.mark.parametrize(
    ("metric", "values", "sold", "shown", "unit"),
    [
        (RATE, [95 * M], 100 * M, [0, 25, 50, 75, 100], "Mbit/s"),
        (RATE, [940 * M], None, [0, 200, 400, 600, 800], "Mbit/s"),
        (RATE, [1000 * M], None, [0, 250, 500, 750, 1000], "Mbit/s"),
        (RATE, [9000 * M], None, [0, 2, 4, 6, 8], "Gbit/s"),
        (RATE, [9000 * M], 10_000 * M, [0, 2.5, 5, 7.5, 10], "Gbit/s"),
        (RATE, [300_000], None, [0, 100, 200, 300], "kbit/s"),
        (RATE, [], None, [0, 25, 50, 75, 100], "Mbit/s"),
        (RATE, [0], None, [0, 25, 50, 75, 100], "Mbit/s"),
        (Metric.LATENCY, [0.31], None, [0, 0.1, 0.2, 0.3], "ms"),
        (Metric.LATENCY, [12.4, 18.0], 20.0, [0, 5, 10, 15, 20], "ms"),
        (Metric.LATENCY, [], None, [0, 2.5, 5, 7.5, 10], "ms"),
    ],
)
def test_ticks_are_round_in_a_unit_that_suits(
    metric: Metric, values: list[float], sold: float | None, shown: list[float], unit: str
):
    """From kbit/s to Gbit/s, from 0, with the plan in view."""
    axis = make_value_axis(metric, np.array(values, float), sold)
    assert [tick / axis.divisor for tick in axis.ticks] == pytest.approx(shown)
    assert axis.unit == unit


@pytest.mark.parametrize(
    ("values", "top"),
    [
        ([10.0] * 20 + [900.0], 12.0),
        ([10.0] * 20 + [29.0], 29.0),
        ([10.0] * 3 + [900.0], 900.0),
        ([10.0] * 20 + [900.0] * 2, 900.0),
        ([10.0] * 300 + [900.0] * 3, 12.0),
        ([0.0] * 20 + [900.0], 900.0),
    ],
)
def test_a_few_outliers_do_not_flatten_the_rest(values: list[float], top: float):
    """One value in a hundred, at least one of five, may lie beyond the axis if it is thrice as high as all others."""
    assert make_value_axis(Metric.LATENCY, np.array(values), None).top == pytest.approx(top * 1.06)


@given(st.lists(st.floats(0, 1e15), max_size=40).map(sorted), st.none() | st.floats(1, 1e13), st.sampled_from(Metric))
def test_any_values_get_an_axis(values: list[float], sold: float | None, metric: Metric):
    """A few rising ticks from 0, the plan in view, and at most the one outlier above."""
    axis = make_value_axis(metric, np.array(values, float), sold)
    assert axis.ticks[0] == 0
    assert 3 <= len(axis.ticks) <= 6
    assert axis.ticks[-1] <= axis.top
    assert (sold or 0) < axis.top
    assert sum(value > axis.top for value in values) <= 1
