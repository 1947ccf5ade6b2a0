"""Buckets begin at round times of the clock on the wall, in every zone, and cover a window without a hole."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.store.buckets import DAY, HOUR, bucket_edges

ZONES = ("UTC", "Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Sao_Paulo")


def of_day(day: str, zone: str, most: int) -> list[str]:
    """Return the edges of a day of a zone, as its clock shows them with their offset from UTC."""
    place = ZoneInfo(zone)
    begin = datetime.fromisoformat(day).replace(tzinfo=place)
    end = begin.replace(day=begin.day + 1)
    edges = bucket_edges(int(begin.timestamp()), int(end.timestamp()), place, most)
    return [datetime.fromtimestamp(edge, place).strftime("%H:%M%z") for edge in edges]


@pytest.mark.parametrize(
    ("day", "zone", "most", "shown"),
    [
        ("2026-03-29", "Europe/Berlin", 6, "00:00+0100 06:00+0200 12:00+0200 18:00+0200 00:00+0200"),
        ("2026-10-25", "Europe/Berlin", 6, "00:00+0200 06:00+0100 12:00+0100 18:00+0100 00:00+0100"),
        ("2026-11-23", "Asia/Kolkata", 6, "00:00+0530 06:00+0530 12:00+0530 18:00+0530 00:00+0530"),
        ("2026-11-23", "Asia/Kathmandu", 4, "00:00+0545 12:00+0545 00:00+0545"),
    ],
)
def test_a_day_is_cut_by_its_own_clock(day: str, zone: str, most: int, shown: str):
    """Six hours end at six on the clock, also on the days when it is changed and where it shows half an hour more."""
    assert of_day(day, zone, most) == shown.split()


@pytest.mark.parametrize(
    ("day", "zone", "hours"),
    [
        ("2026-03-29", "Europe/Berlin", 23),
        ("2026-10-25", "Europe/Berlin", 25),
        ("2026-04-05", "Australia/Lord_Howe", 25),
        ("2026-10-04", "Australia/Lord_Howe", 24),
    ],
)
def test_an_hour_that_is_shown_twice_makes_two_buckets(day: str, zone: str, hours: int):
    """Hours are counted as they pass; where a clock moves by half an hour one of them is cut short."""
    assert len(of_day(day, zone, 30)) - 1 == hours


def test_ten_years_of_days_begin_at_midnight():
    """Groups of days begin at midnight of the zone, in summer and in winter."""
    zone = ZoneInfo("Europe/Berlin")
    begin, end = (int(datetime(year, 1, 1, tzinfo=zone).timestamp()) for year in (2016, 2026))
    edges = bucket_edges(begin, end, zone, 2000)
    assert {datetime.fromtimestamp(edge, zone).strftime("%H:%M") for edge in edges} == {"00:00"}
    assert len(edges) - 1 == 1827


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 20 * 366 * DAY), st.sampled_from(ZONES), st.integers(3, 2000))
def test_edges_cover_the_window_with_few_enough_buckets(since: int, length: int, zone: str, most: int):
    """The first edge is the start, the last the end, each later than the one before, and not too many."""
    edges = bucket_edges(since, since + length, ZoneInfo(zone), most)
    assert (edges[0], edges[-1]) == (since, since + length)
    assert all(one < other for one, other in pairwise(edges))
    assert len(edges) - 1 <= most


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from(ZONES))
def test_edges_within_hours_are_round_on_the_clock(since: int, zone: str):
    """All edges but the cut ones are full quarters of an hour."""
    place = ZoneInfo(zone)
    inner = bucket_edges(since, since + DAY, place, 100)[1:-1]
    assert {datetime.fromtimestamp(edge, place).minute % 15 for edge in inner} == {0}


def test_no_window_has_no_edges():
    """A window that ends where it begins has no bucket."""
    assert bucket_edges(HOUR, HOUR, UTC, 10) == []
