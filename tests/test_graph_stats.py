"""Percentiles and counts of the header."""

from __future__ import annotations

from datetime import timedelta
from statistics import median, quantiles

import numpy as np
import pytest
from attempts import START, attempt, failed
from hypothesis import given
from hypothesis import strategies as st

from monitor.graph.data import Metric, Window
from monitor.graph.stats import tally, values
from monitor.graph.track import tracks
from monitor.model import Failure, Kind, Scope, Server, Status
from monitor.spread import spread_of

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


@given(st.lists(st.integers(0, 10**10), min_size=2, max_size=50).map(sorted))
def test_percentiles_agree_with_the_standard_library(ordered: list[int]):
    """The median and the twentieths are those of `statistics`."""
    twentieths, found = quantiles(ordered, n=20, method="inclusive"), spread_of(np.array(ordered, float))
    assert [found.p5, found.median, found.p95] == pytest.approx([twentieths[0], median(ordered), twentieths[-1]])


def test_only_measured_values_of_successes_count():
    """Numbers of interrupted and skipped runs, and missing ones, are in no statistic."""
    found = tracks(MIXED, DAY)
    assert values(found, Metric.DOWNLOAD).tolist() == [10, 30]
    assert spread_of(values(found, Metric.DOWNLOAD)).median == 20


def test_nothing_measured_has_no_percentiles():
    """Failures alone give no number, not 0."""
    assert spread_of(values(tracks([failed().run], DAY), Metric.LATENCY)) is None


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
