"""Local time of many moments at once is what the standard library says of each."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.analysis import calendar

# Seconds about which clocks change there, whole and half hours, also over midnight and over a whole day.
ZONES = {
    "Europe/Berlin": 1_792_890_000,
    "America/New_York": 1_793_512_800,
    "America/St_Johns": 1_162_089_060,
    "Australia/Lord_Howe": 1_791_041_400,
    "Pacific/Apia": 1_325_239_200,
    "Asia/Kolkata": 0,
}

EPOCH = date(1970, 1, 1)


@given(st.sampled_from(sorted(ZONES)), st.lists(st.integers(-200_000, 40_000_000), max_size=20))
@example("Europe/Berlin", [-1, 0, 1])
@example("America/New_York", [-1, 0, 1])
@example("America/St_Johns", [-3601, -1, 0, 1])
@example("Australia/Lord_Howe", [-1, 0, 1])
@example("Pacific/Apia", [-1, 0, 1])
@example("Asia/Kolkata", [0])
def test_clocks_around_a_change_agree_with_the_standard_library(name: str, seconds: list[int]):
    """Hour, weekday and day, to the second of a change, east and west of Greenwich."""
    zone, started = ZoneInfo(name), sorted(max(0, ZONES[name] + second) for second in seconds)
    local = [datetime.fromtimestamp(at, UTC).astimezone(zone) for at in started]
    walls = calendar.to_wall_clock(np.array(started, np.int64), zone)
    assert walls.tolist() == [
        (each.replace(tzinfo=UTC) - datetime.fromtimestamp(0, UTC)) // timedelta(seconds=1) for each in local
    ]
    assert calendar.hours_of_day(walls).tolist() == [each.hour for each in local]
    assert calendar.weekday_numbers(walls).tolist() == [each.weekday() for each in local]
    assert calendar.day_numbers(walls).tolist() == [(each.date() - EPOCH).days for each in local]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1_700_000_000, 1_900_000_000), max_size=20).map(sorted),
    st.sampled_from(["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "UTC", "Asia/Kathmandu"]),
)
def test_clocks_over_many_years_agree_with_the_standard_library(moments: list[int], name: str):
    """Hour, weekday and day of many moments at once, over years of changes."""
    zone = ZoneInfo(name)
    local = [datetime.fromtimestamp(at, zone) for at in moments]
    walls = calendar.to_wall_clock(np.array(moments, np.int64), zone)
    assert calendar.hours_of_day(walls).tolist() == [each.hour for each in local]
    assert calendar.weekday_numbers(walls).tolist() == [each.weekday() for each in local]
    epoch = datetime(1970, 1, 1, tzinfo=UTC).date()
    assert calendar.day_numbers(walls).tolist() == [(each.date() - epoch).days for each in local]
