"""Percentiles and counts of the header."""

from __future__ import annotations

from datetime import timedelta
from statistics import median, quantiles

import numpy as np
import pytest
from example_runs import START, make_attempt, make_failed_attempt
from hypothesis import given
from hypothesis import strategies as st

from monitor.analysis.metrics import Metric
from monitor.analysis.series import to_series
from monitor.analysis.statistics import compute_spread, count_series, measured_values
from monitor.localtime import Window
from monitor.model import Failure, FailureKind, Scope, Server, Status, server_name

DAY = Window(START, START + timedelta(days=1))

MIXED = [
    make_attempt(0, download_bps=10, ip_family=4).run,
    make_attempt(15, download_bps=30, ip_family=6).run,
    make_attempt(30, download_bps=None, isp=None, server=Server("7")).run,
    make_failed_attempt(45).run,
    make_failed_attempt(60, Failure(FailureKind.TIMEOUT, Scope.PROVIDER, None, "")).run,
    make_attempt(75, status=Status.INTERRUPTED, download_bps=99, isp="ghost").run,
    make_attempt(90, status=Status.SKIPPED, download_bps=99, isp="ghost").run,
]


@given(st.lists(st.integers(0, 10**10), min_size=2, max_size=50).map(sorted))
def test_percentiles_agree_with_the_standard_library(ordered: list[int]):
    """The median and the twentieths are those of `statistics`."""
    twentieths, spread = quantiles(ordered, n=20, method="inclusive"), compute_spread(np.array(ordered, float))
    assert [spread.p5, spread.median, spread.p95] == pytest.approx([twentieths[0], median(ordered), twentieths[-1]])


def test_only_measured_values_of_successes_count():
    """Numbers of interrupted and skipped runs, and missing ones, are in no statistic."""
    all_series = to_series(MIXED, DAY)
    assert measured_values(all_series, Metric.DOWNLOAD).tolist() == [10, 30]
    assert compute_spread(measured_values(all_series, Metric.DOWNLOAD)).median == 20


def test_nothing_measured_has_no_percentiles():
    """Failures alone give no number, not 0."""
    assert compute_spread(measured_values(to_series([make_failed_attempt().run], DAY), Metric.LATENCY)) is None


def test_attempts_are_counted_by_outcome_and_name():
    """Skipped and interrupted runs are counted, but are no test that could have succeeded."""
    counted, sources = count_series(to_series(MIXED, DAY))
    assert counted.attempts == 7
    assert counted.success_pct == pytest.approx(60)
    assert counted.scopes == {Scope.LINE: 1, Scope.PROVIDER: 1, Scope.UNKNOWN: 1}
    assert sources.isps == {"Verizon Fios": 2}
    assert sources.families == {4: 2, 6: 1}
    assert sources.servers_by(server_name) == {"DediPath, Secaucus, NJ": 2, "7": 1}


def test_without_a_started_run_there_is_no_success_rate():
    """Neither an empty window nor skipped runs alone have a share of successes."""
    assert count_series([])[0].success_pct is None
    assert count_series(to_series([MIXED[-1]], DAY))[0].success_pct is None
