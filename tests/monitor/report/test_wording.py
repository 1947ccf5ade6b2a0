"""The words of a report, and what it takes from clocks and plans."""

from __future__ import annotations

import dataclasses
from collections import Counter
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
from monitor.output import units
from monitor.report import wording

BERLIN = ZoneInfo("Europe/Berlin")

A, B, NONE = Plan(100_000_000, 20_000_000, 20.0), Plan(50_000_000), Plan()

DAY0 = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (3600, "1 h"),
        (8100, "2 h 15 min"),
        (86_400, "1 day"),
        (30 * 86_400, "30 days"),
        (90_061, "1 day 1 h"),
        (86_400 + 120, "1 day 2 min"),
    ],
)
def test_a_length_of_time_has_its_two_largest_units(seconds: float, wanted: str):
    """Nobody wants the seconds of a month."""
    assert units.format_duration(seconds) == wanted


@pytest.mark.parametrize(
    ("share", "wanted"),
    [(0, "0 %"), (0.01, "0.1 %"), (0.94, "0.9 %"), (50, "50 %"), (99.99, "99.9 %"), (100, "100 %")],
)
def test_a_percentage_is_made_neither_perfect_nor_naught_by_rounding(share: float, wanted: str):
    """One failure among ten thousand tests is to be seen."""
    assert units.format_percent(share) == wanted


@pytest.mark.parametrize(
    ("name", "measured", "wanted"),
    [
        ("download_bps", 95_656_417, "95.7 Mbit/s"),
        ("upload_bps", 500_000, "0.500 Mbit/s"),
        ("download_bps", 9_412_345_678, "9,412 Mbit/s"),
        ("latency_ms", 4.2, "4.20 ms"),
        ("packet_loss_pct", 0.0, "0.00 %"),
    ],
)
def test_each_number_has_its_unit(name: str, measured: float, wanted: str):
    """Three significant digits at least."""
    assert units.format_metric(name, measured) == wanted


@pytest.mark.parametrize(("change", "wanted"), [(-0.04, "0.0"), (0.04, "0.0"), (-13.04, "-13.0"), (1234.5, "+1,234.5")])
def test_a_difference_that_rounds_to_nothing_has_no_sign(change: float, wanted: str):
    """Nobody got slower by -0.0 %."""
    assert units.format_signed(change) == wanted


def test_a_moment_names_its_offset_so_that_a_repeated_hour_is_two():
    """02:30 on the day on which summer time ends."""
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert units.format_time_with_offset(first, BERLIN) == "25 Oct 2026 02:30 (UTC+02:00)"
    assert units.format_time_with_offset(first + timedelta(hours=1), BERLIN) == "25 Oct 2026 02:30 (UTC+01:00)"
    assert units.format_table_time_with_offset(first, ZoneInfo("America/St_Johns")) == "2026-10-24 22:00 -02:30"


def test_names_come_with_their_shares_and_many_are_cut_short():
    """One alone needs no share; nobody is nobody."""
    assert units.format_shares(Counter({"A": 3})) == "A"
    assert units.format_shares(Counter()) == units.NO_VALUE
    assert units.format_shares(Counter({"A": 3, "B": 1})) == "A (75 %); B (25 %)"
    assert units.format_shares(Counter({"A": 5, "B": 3, "C": 2}), most=1) == "A (50 %); 2 more (50 %)"


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
