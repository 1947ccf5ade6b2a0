"""The words and numbers on a graph."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from example_runs import START, make_attempt, make_failed_attempt

from monitor.analysis.metrics import Metric
from monitor.analysis.plan import PlanLine
from monitor.analysis.series import to_series
from monitor.analysis.statistics import PlanComparison, count_series
from monitor.graph import labels
from monitor.graph.axes import make_value_axis
from monitor.localtime import Window
from monitor.model import Failure, FailureKind, NetworkPath, Scope, Server, Status

LOCAL = Failure(FailureKind.NAMESPACE, Scope.LOCAL, None, "it is missing")

DAY = Window(START, START + timedelta(days=1))


def test_a_window_with_a_clock_change_shows_both_offsets():
    """Local times, the length, the zone, and since when the other offset holds."""
    since = datetime(2026, 10, 24, 16, 40, tzinfo=UTC)
    text = labels.describe_window(Window(since, since + timedelta(days=30)), ZoneInfo("Europe/Berlin"))
    assert text == (
        "24 Oct 2026 18:40 to 23 Nov 2026 17:40 (30 days)",
        "times in Europe/Berlin, UTC+02:00, from 25 Oct 02:00 UTC+01:00",
    )


def test_offsets_west_and_of_quarter_hours_are_written_right():
    """A sign and minutes, as ISO 8601 has them."""
    assert labels.describe_offsets(DAY, ZoneInfo("America/New_York")) == "UTC-05:00"
    assert labels.describe_offsets(DAY, ZoneInfo("Pacific/Chatham")) == "UTC+13:45"


def test_the_source_names_who_was_measured_and_how():
    """One ISP, one path, one family, one engine, one server."""
    all_series = to_series([make_attempt().run], DAY)
    assert labels.describe_sources(count_series(all_series)[1], all_series) == (
        "ISP Verizon Fios",
        "path ip4only (IPv4-only namespace)",
        "external address IPv4",
        "measured with ookla",
    )
    assert labels.describe_servers(count_series(all_series)[1]) == "Server DediPath, Secaucus, NJ"


def test_several_isps_and_servers_are_counted():
    """The most frequent ones are named with their tests, the others counted."""
    mixed = [make_attempt(at, isp=isp, server=Server(isp)).run for at, isp in enumerate(["A", "B", "B", "C", "D"])]
    all_series = to_series([*mixed, make_attempt(9, path=NetworkPath.HOST, ip_family=6).run], DAY)
    assert labels.describe_sources(count_series(all_series)[1], all_series)[:3] == (
        "ISPs B (2 tests), A (1 test) and 3 more",
        "path ip4only (IPv4-only namespace) and host (outside the namespace)",
        "external address IPv4 in 5, IPv6 in 1 tests",
    )
    assert labels.describe_servers(count_series(all_series)[1]) == "Servers B (2 tests), A (1 test) and 3 more"


def test_nothing_measured_names_nobody():
    """An empty window has no source; failures have no ISP."""
    assert not any(labels.describe_sources(count_series([])[1], []))
    assert labels.describe_servers(count_series([])[1]) == ""
    assert labels.describe_families(Counter()) == ""


@pytest.mark.parametrize(
    ("runs", "success", "number"),
    [
        ([], "no test in this window", "runs"),
        ([make_attempt(status=Status.SKIPPED).run], "no test was started", "run, 1 of them skipped"),
        ([make_attempt().run], "1 ok (100 %), 0 failed", "run"),
        ([make_attempt().run, make_failed_attempt(1).run], "1 ok (50.0 %), 1 failed", "runs"),
        ([make_attempt(status=Status.INTERRUPTED).run], "none of 1 counts", "run"),
        ([make_attempt().run, make_failed_attempt(1, LOCAL).run], "1 ok (100 %), 0 failed, 1 not counted", "runs"),
    ],
)
def test_successes_and_failures_are_counted(runs: list, success: str, number: str):
    """Neither interrupted nor skipped runs count, nor those that this machine prevented."""
    counted, _ = count_series(to_series(runs, DAY))
    assert (labels.describe_successes(counted), labels.describe_run_count(counted)) == (success, number)


def test_a_single_failure_is_never_rounded_away():
    """One failure in ten thousand is not 100 %."""
    assert labels._capped_percent(99.99, complete=False) == "99.9"  # noqa: SLF001  the rule itself


def test_the_median_is_compared_with_the_plan():
    """Rates as a share of the plan, latency beside it; of several plans, the one that was in force."""
    axis = make_value_axis(Metric.DOWNLOAD, np.array([90e6]), 100e6)
    standing, always = PlanComparison(90.2, 50.0), PlanLine(((0, 100e6),))
    assert labels.describe_plan(standing, [always], Metric.DOWNLOAD, axis) == "90 % of the plan (100 Mbit/s)"
    assert labels.describe_plan(standing, [PlanLine(((0, 20.0),))], Metric.LATENCY, axis) == "plan: 20 ms"
    stepped = PlanLine(((0, math.nan), (5, 50e6), (9, 100e6)))
    assert labels.describe_plan(standing, [stepped], Metric.DOWNLOAD, axis) == "90 % of the plan in force at the time"


@pytest.mark.parametrize(
    ("width", "start"),
    [
        (None, "Lines join"),
        (7200, "Lines: median of every 2 hours, in a band"),
        (86_400, "Lines: median of every day, in a band"),
    ],
)
def test_the_footer_says_how_to_read_the_lines(width: int | None, start: str):
    """Whether a line shows tests or medians of tests is said."""
    assert labels.describe_lines(width).startswith(start)
