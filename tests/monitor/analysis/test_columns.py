"""Runs as columns: nothing is lost, and what is asked by name is what each run says."""

from __future__ import annotations

from statistics import median

import numpy as np
import pytest
from example_runs import any_run, make_attempt, make_failed_attempt
from hypothesis import given
from hypothesis import strategies as st

from monitor.analysis.columns import Columns, RunAttributes, join_columns, to_smallest_type
from monitor.analysis.metrics import UNITS
from monitor.model import Doubt, Remark, Run, Status

RUNS = [
    make_attempt(0).run,
    make_failed_attempt(1).run,
    make_attempt(2, healthy=False, latency_ms=None).run,
    make_attempt(3, latency_ms=7.5).run,
]


@given(st.lists(any_run, max_size=12))
def test_columns_hold_what_each_run_holds(runs: list[Run]):
    """Oldest first: when, its attributes, and each number to a thousandth."""
    columns, ordered = Columns.from_runs(runs), sorted(runs, key=lambda run: run.started_at)
    assert columns.started.tolist() == [run.started_at.timestamp() for run in ordered]
    assert [columns.attributes[place] for place in columns.codes.tolist()] == [
        RunAttributes.from_run(run) for run in ordered
    ]
    for name, unit in UNITS.items():
        wanted = [getattr(run, name) for run in ordered]
        known = [
            (stored, value)
            for stored, value in zip(columns.values(name).tolist(), wanted, strict=True)
            if value is not None
        ]
        assert np.isnan(columns.values(name)).tolist() == [value is None for value in wanted]
        assert all(stored == pytest.approx(value, rel=1e-9, abs=0.6 / unit) for stored, value in known if value < 1e15)


@given(st.lists(any_run, max_size=12))
def test_a_predicate_on_attributes_is_answered_for_runs(runs: list[Run]):
    """Whether few or many attributes pass, and whether few or many are there."""
    columns, ordered = Columns.from_runs(runs), sorted(runs, key=lambda run: run.started_at)
    for status in Status:
        assert columns.where(lambda sort, status=status: sort.status is status).tolist() == [
            run.status is status for run in ordered
        ]
        assert columns.where(lambda sort, status=status: sort.status is not status).tolist() == [
            run.status is not status for run in ordered
        ]


def test_many_attributes_are_looked_up_each():
    """A hundred servers are no reason for a wrong answer."""
    columns = Columns.from_runs(make_attempt(at, isp=f"ISP {at % 100}").run for at in range(1000))
    assert columns.where(lambda sort: sort.isp.endswith("7")).tolist() == [at % 10 == 7 for at in range(1000)]
    assert sum(count for _, count in columns.counts()) == 1000


def test_more_runs_than_are_counted_at_a_time():
    """Each is counted and answered for, in the blocks beyond the first too."""
    pair, number = (RunAttributes.from_run(RUNS[0]), RunAttributes.from_run(RUNS[1])), 150_000
    kind = np.arange(number) % 3 % 2
    columns = Columns(pair, np.arange(number, dtype=np.uint32), np.zeros(number, np.uint8), kind.astype(np.uint8), {})
    assert list(columns.counts()) == [(pair[0], 100_000), (pair[1], 50_000)]
    assert np.array_equal(columns.per_run([7, 9], int), 7 + 2 * kind)


@pytest.mark.parametrize(("highest", "width"), [(0, 1), (255, 1), (256, 2), (2**16 - 1, 2), (2**16, 4), (2**32, 8)])
def test_the_smallest_type_that_takes_a_number(highest: int, width: int):
    """None is too small, of a list and of an array."""
    for values in ([0, highest], np.array([0, highest])):
        narrowed = to_smallest_type(values)
        assert (narrowed.tolist(), narrowed.dtype.itemsize) == ([0, highest], width)


def test_only_trusted_numbers_are_measured():
    """Failures and doubtful results are in no statistic."""
    columns = Columns.from_runs(RUNS)
    assert columns.measured("latency_ms").tolist() == [4.2, 7.5]
    assert float(np.median(columns.measured("download_bps"))) == median([RUNS[0].download_bps, RUNS[3].download_bps])
    assert columns.good("latency_ms").tolist() == [True, False, False, True]


def test_attributes_name_why_a_result_is_doubtful():
    """And leaves out the remarks that do not."""
    remarks = (Remark(Doubt.SECOND_TEST, "m"), Remark("cross_traffic", "m"))
    assert RunAttributes.from_run(make_attempt(remarks=remarks).run).doubts == ("cross_traffic",)


def test_selected_runs_keep_all_their_values():
    """A mask, places and a slice choose the same."""
    columns = Columns.from_runs(RUNS)
    for chosen in (np.array([False, True, True, False]), np.array([1, 2]), slice(1, 3)):
        assert columns.select(chosen).started.tolist() == columns.started.tolist()[1:3]
        assert [sort.status for sort, _ in columns.select(chosen).counts()] == [Status.FAILED, Status.OK]


def test_columns_are_joined_in_order():
    """Parts that overlap in time become one, oldest first; attributes they share are one."""
    parts = [Columns.from_runs(RUNS[1::2]), Columns.from_runs(RUNS[::2])]
    joined = join_columns(parts, UNITS)
    assert joined.started.tolist() == Columns.from_runs(RUNS).started.tolist()
    assert joined.values("latency_ms").tolist() == pytest.approx([4.2, np.nan, np.nan, 7.5], nan_ok=True)
    assert len(join_columns([], UNITS)) == 0
    assert len(set(joined.attributes)) == len(joined.attributes) == 3
