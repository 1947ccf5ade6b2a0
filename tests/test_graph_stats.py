"""Percentiles and counts of the header."""

from __future__ import annotations

from datetime import timedelta
from statistics import median, quantiles

import numpy as np
import pytest
from attempts import START, attempt, failed
from hypothesis import given
from hypothesis import strategies as st

from monitor.graph.data import Metric, Window, tracks
from monitor.graph.stats import percentile, spread, tally, values
from monitor.model import Failure, Kind, Scope, Server, Status

DAY = Window(START, START + timedelta(days=1))
MIXED = [
    attempt(0, download_bps=10, ip_family=4).run,
    attempt(15, download_bps=30, ip_family=6).run,
    attempt(30, download_bps=None, isp=None, server=Server("7")).run,
    failed(45).run,
    failed(60, Failure(Kind.TIMEOUT, Scope.PROVIDER, None, "")).run,
    attempt(75, status=Status.INTERRUPTED, download_bps=99, isp="ghost").run,
    attempt(90, status=Status.SKIPPED, download_bps=99, isp="ghost").run,
]


@given(st.lists(st.floats(0, 1e10), min_size=1, max_size=50).map(sorted), st.floats(0, 100))
def test_percentiles_agree_with_numpy(ordered: list[float], percent: float):
    """Our definition is numpy's default, type 7."""
    assert percentile(ordered, percent) == pytest.approx(float(np.percentile(ordered, percent)), rel=1e-9, abs=1e-6)


@given(st.lists(st.integers(0, 10**10), min_size=2, max_size=50).map(sorted))
def test_percentiles_agree_with_the_standard_library(ordered: list[int]):
    """The median and the twentieths are those of `statistics`."""
    twentieths = quantiles(ordered, n=20, method="inclusive")
    assert percentile(ordered, 50) == pytest.approx(median(ordered))
    assert [percentile(ordered, 5), percentile(ordered, 95)] == pytest.approx([twentieths[0], twentieths[-1]])


@pytest.mark.parametrize(("percent", "value"), [(0, 1), (5, 1.2), (50, 3), (95, 4.8), (100, 5)])
def test_percentiles_lie_between_the_nearest_two(percent: float, value: float):
    """Five values, by hand."""
    assert percentile([1, 2, 3, 4, 5], percent) == pytest.approx(value)


def test_only_measured_values_of_successes_count():
    """Numbers of interrupted and skipped runs, and missing ones, are in no statistic."""
    found = tracks(MIXED, DAY)
    assert values(found, Metric.DOWNLOAD) == [10, 30]
    assert spread(found[0], Metric.DOWNLOAD).median == 20


def test_nothing_measured_has_no_percentiles():
    """Failures alone give no number, not 0."""
    (found,) = tracks([failed().run], DAY)
    assert spread(found, Metric.LATENCY) is None


def test_the_tally_counts_what_happened():
    """Skipped runs are counted, but are no test that could have succeeded."""
    counted = tally(tracks(MIXED, DAY))
    assert counted.runs == 7
    assert counted.success_pct == pytest.approx(50)
    assert counted.scopes == {Scope.LINE: 1, Scope.PROVIDER: 1, Scope.UNKNOWN: 1}
    assert counted.isps == {"Verizon Fios": 2}
    assert counted.families == {4: 2, 6: 1}
    assert counted.servers == {"DediPath, Secaucus, NJ": 2, "7": 1}


def test_without_a_started_run_there_is_no_share():
    """Neither an empty window nor skipped runs alone have a share of successes."""
    assert tally([]).success_pct is None
    assert tally(tracks([MIXED[-1]], DAY)).success_pct is None
