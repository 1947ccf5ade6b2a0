"""Changes of ISP, servers and plan, and what plans promised when."""

from __future__ import annotations

import dataclasses
import math
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
from example_runs import START, make_attempt, make_failed_attempt
from hypothesis import given
from hypothesis import strategies as st

from monitor.analysis.columns import NO_PLAN, Columns
from monitor.analysis.metrics import Metric
from monitor.analysis.plan import PlanLine, highest_promise, plan_lines, promised_levels
from monitor.analysis.series import RECENT_RESULTS, ChangeKind, find_changes, to_series
from monitor.analysis.statistics import compare_with_plan, shares_of_plan
from monitor.localtime import Window
from monitor.model import Plan, Server

if TYPE_CHECKING:
    from collections.abc import Sequence

DAY = Window(START, START + timedelta(days=1))

ZERO = START.timestamp()

SLOW, FAST = Plan(50_000_000, 10_000_000), Plan(100_000_000, 20_000_000, 10.0)


def used(servers: str) -> Columns:
    """Return a result a minute from each server, called by a letter."""
    return Columns.from_runs(make_attempt(at, server=Server(letter)).run for at, letter in enumerate(servers))


def planned(plans: Sequence[Plan], **more: object) -> Columns:
    """Return a result a minute, each stored with its plan."""
    columns = Columns.from_runs(make_attempt(at, **more).run for at in range(len(plans)))
    distinct = list(dict.fromkeys(plans))
    attributes = tuple(dataclasses.replace(columns.attributes[0], plan=plan) for plan in distinct)
    return dataclasses.replace(
        columns, attributes=attributes, codes=np.array([distinct.index(plan) for plan in plans], np.uint8)
    )


@pytest.mark.parametrize(
    ("servers", "expected"),
    [
        ("", []),
        ("AAAA", []),
        ("ABAB" * 30, []),
        ("ABCABC" * 20, []),
        ("A" * 60 + "B" * 60, [(60, "server now B")]),
        ("A" * 5 + "B" * 5, [(5, "server now B")]),
        ("AB" * 40 + "ABC" * 40, [(82, "server now also C")]),
        ("A" * RECENT_RESULTS + "B" + "A" * RECENT_RESULTS, [(RECENT_RESULTS, "server now also B")]),
        ("A" * 60 + "B" * 60 + "A" * 60, [(60, "server now B"), (120, "server now A")]),
    ],
)
def test_a_server_is_new_if_none_of_the_last_results_used_it(servers: str, expected: list[tuple[int, str]]):
    """Servers that an engine uses in turn are no change; one that joins them is, and one that takes over."""
    changes = [change for change in find_changes(used(servers)) if change.event is ChangeKind.SERVER]
    assert [((change.at - ZERO) / 60, change.text) for change in changes] == expected


@given(st.text("AB", max_size=200))
def test_a_server_that_was_just_used_is_never_new(servers: str):
    """Whatever the order, a change names a server that the results before did not use."""
    for change in find_changes(used(servers)):
        at = round((change.at - ZERO) / 60)
        assert servers[at] not in servers[max(0, at - RECENT_RESULTS) : at]


@pytest.mark.parametrize(("count", "names"), [(1000, {"A", "B"}), (1001, {""})])
def test_many_changes_have_no_names(count: int, names: set[str]):
    """Nobody could read more than a thousand; they are still all there."""
    runs = Columns.from_runs(make_attempt(at, isp="AB"[at % 2]).run for at in range(count + 1))
    changes = [change for change in find_changes(runs) if change.event is ChangeKind.ISP]
    assert (len(changes), {change.after for change in changes}) == (count, names)


def test_a_failed_test_can_show_a_change_of_plan():
    """It was stored with the one in force, and the change stands where it was first noted."""
    columns = Columns.from_runs([make_attempt(0).run, make_failed_attempt(1).run, make_attempt(2).run])
    places = zip(columns.codes.tolist(), [SLOW, FAST, FAST], strict=True)
    attributes = tuple(dataclasses.replace(columns.attributes[place], plan=plan) for place, plan in places)
    (change,) = find_changes(dataclasses.replace(columns, attributes=attributes, codes=np.arange(3, dtype=np.uint8)))
    assert (change.at, change.text) == (ZERO + 60, "plan now 100 / 20")


def test_the_plan_line_steps_where_the_plan_changed():
    """The first plan reaches back to the beginning; what promises nothing has no line."""
    all_series = to_series(planned([SLOW, SLOW, FAST]), DAY)
    (down,), (latency,) = (
        plan_lines(all_series, metric, NO_PLAN, ZERO - 60) for metric in (Metric.DOWNLOAD, Metric.LATENCY)
    )
    assert down.steps == ((ZERO - 60, 50e6), (ZERO + 120, 100e6))
    assert down.line(ZERO + 600) == [[(ZERO - 60, 50e6), (ZERO + 120, 50e6), (ZERO + 120, 100e6), (ZERO + 600, 100e6)]]
    assert latency.line(ZERO + 600) == [[(ZERO + 120, 10.0), (ZERO + 600, 10.0)]]
    assert (highest_promise([down]), promised_levels([down]), latency.newest) == (100e6, [50e6, 100e6], 10.0)


def test_each_run_is_compared_with_its_own_plan():
    """60 Mbit/s met the slow plan twice and missed the fast one."""
    all_series = to_series(planned([SLOW, SLOW, FAST], download_bps=60_000_000), DAY)
    assert sorted(shares_of_plan(all_series, Metric.DOWNLOAD)) == pytest.approx([0.6, 1.2, 1.2])
    comparison = compare_with_plan(all_series, Metric.DOWNLOAD, 60e6)
    assert (comparison.median, comparison.met) == pytest.approx((120, 200 / 3))


def test_latency_meets_a_plan_by_staying_below_it():
    """Three of four did, one of them exactly; whichever way it is counted."""
    runs = [make_attempt(at, latency_ms=ms).run for at, ms in enumerate((5.0, 8.0, 10.0, 30.0))]
    all_series = to_series(runs, DAY, FAST)
    assert compare_with_plan(all_series, Metric.LATENCY, 9.0).met == pytest.approx(75)
    both = [
        *all_series,
        *to_series([dataclasses.replace(runs[3], probe="cabin")], DAY, dataclasses.replace(FAST, latency_ms=30)),
    ]
    assert compare_with_plan(both, Metric.LATENCY, 10.0).met == pytest.approx(80)


def test_runs_without_a_plan_among_others_are_not_compared_with_any():
    """They were imported, or made before a plan was known: they neither met it nor did they not."""
    all_series = to_series(planned([NO_PLAN, SLOW, NO_PLAN, SLOW], download_bps=60_000_000), DAY, FAST)
    assert list(shares_of_plan(all_series, Metric.DOWNLOAD)) == pytest.approx([1.2, 1.2])
    assert plan_lines(all_series, Metric.DOWNLOAD, FAST, 0)[0].steps == ((ZERO + 60, 50e6),)
    assert not [change for change in all_series[0].changes if change.event is ChangeKind.PLAN]


def test_if_no_run_has_a_plan_all_are_compared_with_the_given_one():
    """An import from another program is compared with what the user configured."""
    all_series = to_series(planned([NO_PLAN] * 3, download_bps=60_000_000), DAY, FAST)
    assert list(shares_of_plan(all_series, Metric.DOWNLOAD)) == pytest.approx([0.6] * 3)
    assert plan_lines(all_series, Metric.DOWNLOAD, FAST, 0)[0].steps == ((0, 100e6),)


def test_a_plan_outside_of_the_window_does_not_count():
    """Only runs of the window count."""
    later = Window(START + timedelta(seconds=30), DAY.until)
    all_series = to_series(planned([SLOW, NO_PLAN], download_bps=60_000_000), later, FAST)
    assert list(shares_of_plan(all_series, Metric.DOWNLOAD)) == pytest.approx([0.6])


def test_without_a_run_the_given_plan_is_shown():
    """An empty picture still says what was sold; nothing where nothing was."""
    assert plan_lines([], Metric.DOWNLOAD, FAST, 0)[0].newest == 100e6
    (nothing,) = plan_lines([], Metric.DOWNLOAD, NO_PLAN, 0)
    assert (nothing.newest, nothing.line(9), highest_promise([nothing])) == (None, [], None)


def test_a_failure_before_the_first_result_does_not_shorten_the_plan_line():
    """Only results of before a plan was known part it from the beginning."""
    columns = planned([SLOW, SLOW])
    failure = dataclasses.replace(Columns.from_runs([make_failed_attempt(-5).run]).attributes[0])
    early = dataclasses.replace(columns, attributes=(*columns.attributes, failure), codes=np.array([1, 0], np.uint8))
    assert plan_lines(to_series(early, DAY), Metric.DOWNLOAD, NO_PLAN, 7)[0].steps == ((7, 50e6),)


def test_a_time_without_a_plan_is_a_gap_in_the_plan_line():
    """Nothing was promised between two plans."""
    line = PlanLine(((0, 5.0), (10, math.nan), (20, 7.0)))
    assert line.line(30) == [[(0, 5.0), (10, 5.0)], [(20, 7.0), (30, 7.0)]]
