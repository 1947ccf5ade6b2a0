"""The words of a report, and what it takes from clocks and plans."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from example_runs import make_attempt
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.analysis import calendar
from monitor.analysis.columns import Columns
from monitor.analysis.plan import PlanHistory
from monitor.model import FailureKind, NetworkPath, Plan, Scope
from monitor.report import wording

BERLIN = ZoneInfo("Europe/Berlin")

A, B, NONE = Plan(100_000_000, 20_000_000, 20.0), Plan(50_000_000), Plan()

DAY0 = datetime(2026, 11, 1, tzinfo=UTC)


def test_every_kind_scope_and_path_has_words():
    """So that none fails only when it is met."""
    assert (set(wording.KIND_PHRASES), set(wording.SCOPE_PHRASES), set(wording.PATH_PHRASES)) == (
        set(FailureKind),
        set(Scope),
        set(NetworkPath),
    )


@pytest.mark.parametrize(
    ("p", "wanted"),
    [(0.2, "not significant (p = 0.2"), (0.004, "significant (p = 0.004"), (1e-9, "highly significant")],
)
def test_a_p_value_is_told_in_words_and_as_a_number(p: float, wanted: str):
    """And what the number means."""
    assert wording.significance_phrase(p).startswith(wanted)
    assert "by chance alone" in wording.significance_phrase(p)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1_700_000_000, 1_900_000_000), max_size=20).map(sorted),
    st.sampled_from(["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "UTC", "Asia/Kathmandu"]),
)
def test_local_clocks_are_those_of_the_zone(moments: list[int], name: str):
    """Hour, weekday and day of many moments at once, over years of changes."""
    zone = ZoneInfo(name)
    local = [datetime.fromtimestamp(at, zone) for at in moments]
    walls = calendar.to_wall_clock(np.array(moments, np.int64), zone)
    assert calendar.hours_of_day(walls).tolist() == [each.hour for each in local]
    assert calendar.weekday_numbers(walls).tolist() == [each.weekday() for each in local]
    epoch = datetime(1970, 1, 1, tzinfo=UTC).date()
    assert calendar.day_numbers(walls).tolist() == [(each.date() - epoch).days for each in local]


def test_a_run_is_judged_by_the_plan_in_force_when_it_started():
    """The first plan holds before it was first seen; a number that is not promised is nothing."""
    spells = ((DAY0, A), (DAY0 + timedelta(days=2), B))
    days = Columns.from_runs([make_attempt(started_at=DAY0 + timedelta(days=at)).run for at in (-1, 1, 2, 3)])
    history = PlanHistory(spells)
    assert history.promised(days, "download_bps").tolist() == [1e8, 1e8, 5e7, 5e7]
    assert history.promised(days, "latency_ms")[:2].tolist() == [20.0, 20.0]
    assert np.isnan(history.promised(days, "latency_ms")[2:]).all()
    assert [history.plan_at(DAY0 + timedelta(days=at)) for at in (-1, 1, 2, 3)] == [A, A, B, B]


def test_a_plan_that_the_store_tells_of_a_run_goes_before_all():
    """Several probes have several plans at a time."""
    columns = Columns.from_runs([make_attempt().run])
    stored = dataclasses.replace(columns, attributes=(dataclasses.replace(columns.attributes[0], plan=B),))
    assert PlanHistory(((DAY0, A),)).promised(stored, "download_bps").tolist() == [5e7]
    assert np.isnan(PlanHistory(((DAY0, A),)).promised(stored, "upload_bps")).all()


def test_where_no_run_has_a_plan_the_one_that_is_given_now_judges_and_that_is_said():
    """They were stored before somebody wrote the plan down."""
    history = PlanHistory(((DAY0, NONE),), A)
    assert (history.plan_at(DAY0), history.is_retroactive, history.has_runs_without_plan) == (A, True, False)
    assert not PlanHistory(((DAY0, B),), A).is_retroactive
    assert PlanHistory((), A).plan_at(DAY0) == A


def test_runs_without_a_plan_among_others_are_held_against_nothing():
    """Nobody knows what was sold when they ran; the graphs do the same."""
    history = PlanHistory(((DAY0, NONE), (DAY0 + timedelta(days=2), B)), A)
    assert (history.plan_at(DAY0), history.is_retroactive, history.has_runs_without_plan) == (NONE, False, True)
    columns = Columns.from_runs([make_attempt(started_at=DAY0 + timedelta(days=at)).run for at in (0, 3)])
    assert np.isnan(history.promised(columns, "download_bps")).tolist() == [True, False]


def test_a_plan_that_goes_on_is_told_once():
    """From the beginning of a window, whatever ran before it."""
    spells = ((DAY0, A), (DAY0 + timedelta(days=2), B), (DAY0 + timedelta(days=3), B), (DAY0 + timedelta(days=9), A))
    since, until = DAY0 + timedelta(days=1), DAY0 + timedelta(days=5)
    assert list(PlanHistory(spells).plans_between(since, until)) == [(since, A), (DAY0 + timedelta(days=2), B)]
