"""Which plan was in force when a run started."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import numpy as np
from example_runs import make_attempt

from monitor.analysis.columns import Columns
from monitor.analysis.metrics import Metric
from monitor.analysis.plan import PlanHistory
from monitor.model import Plan

A, B, NONE = Plan(100_000_000, 20_000_000, 20.0), Plan(50_000_000), Plan()

DAY0 = datetime(2026, 11, 1, tzinfo=UTC)


def test_a_run_is_compared_with_the_plan_in_force_when_it_started():
    """The first plan holds before it was first seen; a number that is not promised is nothing."""
    periods = ((DAY0, A), (DAY0 + timedelta(days=2), B))
    days = Columns.from_runs([make_attempt(started_at=DAY0 + timedelta(days=at)).run for at in (-1, 1, 2, 3)])
    history = PlanHistory(periods)
    assert history.promised(days, Metric.DOWNLOAD).tolist() == [1e8, 1e8, 5e7, 5e7]
    assert history.promised(days, Metric.LATENCY)[:2].tolist() == [20.0, 20.0]
    assert np.isnan(history.promised(days, Metric.LATENCY)[2:]).all()
    assert [history.plan_at(DAY0 + timedelta(days=at)) for at in (-1, 1, 2, 3)] == [A, A, B, B]


def test_the_plan_that_a_run_was_stored_with_comes_first():
    """Several probes have several plans at a time."""
    columns = Columns.from_runs([make_attempt().run])
    stored = dataclasses.replace(columns, attributes=(dataclasses.replace(columns.attributes[0], plan=B),))
    assert PlanHistory(((DAY0, A),)).promised(stored, Metric.DOWNLOAD).tolist() == [5e7]
    assert np.isnan(PlanHistory(((DAY0, A),)).promised(stored, Metric.UPLOAD)).all()


def test_if_no_run_was_stored_with_a_plan_all_are_compared_with_todays():
    """They were stored before the plan was configured, and the report says so."""
    history = PlanHistory(((DAY0, NONE),), A)
    assert (history.plan_at(DAY0), history.is_retroactive, history.has_runs_without_plan) == (A, True, False)
    assert not PlanHistory(((DAY0, B),), A).is_retroactive
    assert PlanHistory((), A).plan_at(DAY0) == A


def test_runs_without_a_plan_among_others_are_not_compared():
    """Nobody knows what was sold when they ran; the graphs do the same."""
    history = PlanHistory(((DAY0, NONE), (DAY0 + timedelta(days=2), B)), A)
    assert (history.plan_at(DAY0), history.is_retroactive, history.has_runs_without_plan) == (NONE, False, True)
    columns = Columns.from_runs([make_attempt(started_at=DAY0 + timedelta(days=at)).run for at in (0, 3)])
    assert np.isnan(history.promised(columns, Metric.DOWNLOAD)).tolist() == [True, False]


def test_a_plan_that_goes_on_is_listed_once():
    """From the beginning of a window, whatever ran before it."""
    periods = ((DAY0, A), (DAY0 + timedelta(days=2), B), (DAY0 + timedelta(days=3), B), (DAY0 + timedelta(days=9), A))
    since, until = DAY0 + timedelta(days=1), DAY0 + timedelta(days=5)
    assert list(PlanHistory(periods).plans_between(since, until)) == [(since, A), (DAY0 + timedelta(days=2), B)]
