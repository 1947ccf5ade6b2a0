"""Ticks of the time axis over changes of the clocks."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.graph.axes import place_ticks
from monitor.localtime import Window, start_of_day, utc_offsets

BERLIN = ZoneInfo("Europe/Berlin")

ZONES = ["Europe/Berlin", "America/New_York", "Pacific/Chatham", "Asia/Kolkata", "America/Santiago", "America/Havana"]

ZONES += ["Australia/Lord_Howe", "Pacific/Apia", "UTC"]

MOMENTS = st.datetimes(datetime(2011, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  zone beside


def local(zone: str, *begin: int, hours: float) -> Window:
    """Return a window that begins at a local time and lasts so many real hours."""
    since = datetime(*begin, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return Window(since, since + timedelta(hours=hours))


@pytest.mark.parametrize(
    ("zone", "begin", "hours", "labels"),
    [
        ("Europe/Berlin", (2026, 10, 25), 5, "00:00 01:00 02:00 02:00 03:00 04:00"),
        ("Europe/Berlin", (2026, 3, 29), 5, "00:00 01:00 03:00 04:00 05:00 06:00"),
        ("America/New_York", (2026, 11, 1), 4, "00:00 01:00 01:00 02:00 03:00"),
        ("America/New_York", (2026, 3, 8), 4, "00:00 01:00 03:00 04:00 05:00"),
        ("Pacific/Chatham", (2026, 4, 5, 1), 5, "01:00 02:00 03:00 03:00 04:00 05:00"),
        ("Pacific/Chatham", (2026, 9, 27, 1), 4, "01:00 02:00 04:00 05:00 06:00"),
        ("Asia/Kolkata", (2026, 10, 25), 3, "00:00 01:00 02:00 03:00"),
        ("America/Santiago", (2026, 9, 5, 22), 4, "22:00 23:00 01:00 02:00 03:00"),
        ("Australia/Lord_Howe", (2026, 4, 5), 4, "00:00 01:00 02:00 03:00"),
    ],
)
def test_hours_are_those_of_the_wall(zone: str, begin: tuple[int, ...], hours: float, labels: str):
    """A skipped hour has no tick, a repeated one has two, and half-hour zones keep their full hours."""
    ticks, _ = place_ticks(local(zone, *begin, hours=hours), ZoneInfo(zone), 5)
    assert " ".join(tick.label for tick in ticks) == labels


def test_a_repeated_hour_is_told_apart():
    """Both ticks of 02:00 carry the name of their time, an hour apart."""
    ticks, _ = place_ticks(local("Europe/Berlin", 2026, 10, 25, 0, 30, hours=4), BERLIN, 6)
    twice = [tick for tick in ticks if tick.label == "02:00"]
    assert [tick.context for tick in twice] == ["CEST", "CET"]
    assert twice[1].at - twice[0].at == 3600


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("America/New_York", date(2026, 11, 1), 25),
        ("Pacific/Chatham", date(2026, 4, 5), 25),
        ("Asia/Kolkata", date(2026, 10, 25), 24),
        ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
        ("America/Santiago", date(2026, 9, 6), 23),
    ],
)
def test_a_day_is_as_wide_as_it_was_long(zone: str, day: date, hours: float):
    """The ticks of two midnights lie as far apart as the clock really ran."""
    begin = day - timedelta(days=2)
    window = local(zone, begin.year, begin.month, begin.day, hours=120)
    ticks, _ = place_ticks(window, ZoneInfo(zone), 6)
    index = [tick.label for tick in ticks].index(f"{day.day} {day:%b}")
    assert ticks[index + 1].at - ticks[index].at == hours * 3600


@pytest.mark.parametrize(
    ("zone", "day", "first"),
    [
        ("Europe/Berlin", date(2026, 10, 25), "2026-10-24T22:00:00+00:00"),
        ("America/Santiago", date(2026, 9, 6), "2026-09-06T04:00:00+00:00"),
        ("America/Havana", date(2026, 11, 1), "2026-11-01T04:00:00+00:00"),
    ],
)
def test_a_day_begins_at_its_first_instant(zone: str, day: date, first: str):
    """Where the clocks skip midnight the day begins at 01:00; where midnight comes twice, at the first one."""
    assert start_of_day(day, ZoneInfo(zone)).isoformat() == first


@pytest.mark.parametrize(
    ("hours", "most", "first", "count"),
    [
        (0.5, 7, "13:20", 6),
        (24, 12, "14:00", 12),
        (7 * 24, 14, "00:00", 14),
        (30 * 24, 16, "25 Oct", 15),
        (90 * 24, 14, "26 Oct", 13),
        (365 * 24, 14, "Nov", 12),
        (3650 * 24, 14, "2027", 10),
        (36_500 * 24, 14, "2030", 10),
    ],
)
def test_the_spacing_suits_the_window(hours: float, most: int, first: str, count: int):
    """From minutes to decades there are a few round ticks, never more than there is room for."""
    ticks, _ = place_ticks(local("Europe/Berlin", 2026, 10, 24, 13, 17, hours=hours), BERLIN, most)
    assert (ticks[0].label, len(ticks)) == (first, count)


def test_a_date_stands_under_the_first_time_of_its_day():
    """The second line appears where it changes; the first tick leaves it out where the next one brings another."""
    ticks, _ = place_ticks(local("Europe/Berlin", 2026, 10, 24, 13, hours=24), BERLIN, 12)
    assert [(tick.label, tick.context) for tick in ticks if tick.context] == [
        ("14:00", "Sat 24 Oct 2026"),
        ("00:00", "Sun 25 Oct 2026"),
    ]
    late, _ = place_ticks(local("Europe/Berlin", 2026, 10, 24, 22, hours=24), BERLIN, 12)
    assert [tick.context for tick in late[:2]] == ["", "Sun 25 Oct 2026"]


@given(MOMENTS, st.integers(60, 400 * 86_400), st.sampled_from(ZONES), st.integers(2, 20))
def test_ticks_are_real_instants_in_order(since: datetime, seconds: int, zone: str, most: int):
    """In any zone and window ticks rise, lie inside, and show the local time that they are at."""
    window = Window(since, since + timedelta(seconds=seconds))
    ticks, small = place_ticks(window, ZoneInfo(zone), most)
    instants = [tick.at for tick in ticks]
    assert all(before < after for before, after in [*pairwise(instants), *pairwise(small)])
    assert all(window.span[0] <= at <= window.span[1] for at in [*instants, *small])
    clocks = [tick for tick in ticks if ":" in tick.label]
    assert all(f"{datetime.fromtimestamp(tick.at, ZoneInfo(zone)):%H:%M}" == tick.label for tick in clocks)


@pytest.mark.parametrize(
    ("window", "zone", "changes"),
    [
        (local("UTC", 2026, 10, 24, hours=48), "Asia/Kolkata", [("2026-10-24T00:00:00+00:00", 5.5)]),
        (
            local("UTC", 2026, 10, 24, hours=48),
            "Europe/Berlin",
            [("2026-10-24T00:00:00+00:00", 2), ("2026-10-25T01:00:00+00:00", 1)],
        ),
        (
            local("UTC", 2026, 4, 1, hours=240),
            "Pacific/Chatham",
            [("2026-04-01T00:00:00+00:00", 13.75), ("2026-04-04T14:00:00+00:00", 12.75)],
        ),
    ],
)
def test_offsets_are_right_to_the_second(window: Window, zone: str, changes: list[tuple[str, float]]):
    """Each offset from UTC within the window is given with the instant from which it holds."""
    expected = [(datetime.fromisoformat(at), timedelta(hours=hours)) for at, hours in changes]
    assert list(utc_offsets(window, ZoneInfo(zone))) == expected


@given(MOMENTS, st.timedeltas(timedelta(seconds=2), timedelta(days=800)), st.sampled_from(ZONES))
def test_offsets_hold_between_their_instants(since: datetime, length: timedelta, zone: str):
    """Any window, also one of broken seconds: at each instant returned the offset begins, and not a second before."""
    for at, offset in utc_offsets(Window(since, since + length), ZoneInfo(zone))[1:]:
        assert at.astimezone(ZoneInfo(zone)).utcoffset() == offset
        assert (at - timedelta(seconds=1)).astimezone(ZoneInfo(zone)).utcoffset() != offset
