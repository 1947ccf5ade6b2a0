"""Times as programs, scripts and spreadsheets write them become UTC, and nothing else is taken for one."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from import_helpers import CONTEXT

from monitor.importers import ookla
from monitor.importers.rows import Source
from monitor.importers.times import Clock, DateOrderEvidence, UnreadableTimeError

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2020-06-10T12:21:25Z", "2020-06-10T12:21:25"),
        ("2026-08-18T02:09:50.123456789Z", "2026-08-18T02:09:50"),
        ("2020-06-10T12:21:25+02:00", "2020-06-10T10:21:25"),
        ("2020-06-10 12:00:00", "2020-06-10T10:00:00"),
        ("2020-12-10 12:00", "2020-12-10T11:00:00"),
        ("2024-01-01 120000 ", "2024-01-01T11:00:00"),
        ('"2020-06-10 12:00:00",', "2020-06-10T10:00:00"),
        ("[2020-06-10 12:00:00]", "2020-06-10T10:00:00"),
        ("2020/06/10 12:00:00", "2020-06-10T10:00:00"),
        ("Wed Jun 10 12:00:00 CEST 2020", "2020-06-10T10:00:00"),
        ("Wed Jun 10 12:00:00 UTC 2020", "2020-06-10T12:00:00"),
        ("Wed 10 Jun 2020 12:00:00 PM CEST", "2020-06-10T10:00:00"),
        ("Wed, 10 Jun 2020 12:00:00 -0400", "2020-06-10T16:00:00"),
        ("1591790400", "2020-06-10T12:00:00"),
        ("1591790400000", "2020-06-10T12:00:00"),
        (1591790400, "2020-06-10T12:00:00"),
    ],
)
def test_times(text: object, expected: str):
    """A time without an offset or the name of a zone is of the zone that is passed in."""
    assert Clock(BERLIN).read(text) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["", "31117", "12345678", "2020-06-10", "12:00", "9999999999", "1970-01-01 00:00:00", "Monday", "0", None, 1.5],
)
def test_no_times(text: object):
    """Ids, numbers, dates without a time of day, and times of other centuries are none."""
    assert Clock(BERLIN).read(text) is None


def test_a_date_and_a_time_in_two_fields():
    """Neighbours are read together."""
    source = Source.of(CONTEXT)
    assert ookla.find_time(["1", "2024-01-01", "12:00:00"], source) == datetime(2024, 1, 1, 11, tzinfo=UTC)


@settings(deadline=None)
@given(st.text(max_size=40) | st.integers() | st.floats())
def test_nothing_raises(text: object):
    """Anything is a whole second of this century, or none."""
    parsed = Clock(BERLIN).read(text)
    assert parsed is None or (2000 <= parsed.year < 2100 and parsed.microsecond == 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2023-06-01 12:00:00.123 +00:00", "2023-06-01T12:00:00"),
        ("2023-06-01 12:00:00 +02", "2023-06-01T10:00:00"),
        ("2023-06-01 12:00:00 CEST", "2023-06-01T10:00:00"),
        ("2023-06-01 12:00:00 UTC", "2023-06-01T12:00:00"),
        ("2023-06-01 12:00:00 EST", "2023-06-01T17:00:00"),
        ("Thu Jun  1 12:00:00 PDT 2023", "2023-06-01T19:00:00"),
        ("Thu 01 Jun 2023 03:00:00 PM UTC", "2023-06-01T15:00:00"),
        ("2023-06-01 12:00:00 America/New_York", "2023-06-01T16:00:00"),
        ("2023-06-01 12:00:00 UTC+02:00", "2023-06-01T10:00:00"),
        ("Thu Jun 01 2023 12:00:00 GMT-0400 (Eastern Daylight Time)", "2023-06-01T16:00:00"),
        ("20230601T120000Z", "2023-06-01T12:00:00"),
        ("20230601T120000", "2023-06-01T10:00:00"),
        ("01.06.2023 12:00", "2023-06-01T10:00:00"),
        ("1.6.23 12:00:05", "2023-06-01T10:00:05"),
        ("Jun 1, 2023 12:00:00 AM", "2023-05-31T22:00:00"),
        ("1 Jun 2023, 12:00", "2023-06-01T10:00:00"),
        ("2021-10-31 02:30:00 CEST", "2021-10-31T00:30:00"),
        ("2021-10-31 02:30:00 CET", "2021-10-31T01:30:00"),
        ("1591790400.25", "2020-06-10T12:00:00"),
    ],
)
def test_zones_and_shapes(text: object, expected: str):
    """What a time says of its zone goes before the zone passed in; a point between the numbers means day first."""
    assert Clock(BERLIN).read(text) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2023-06-01 12:00:00 IST", "a zone that is not known: 'IST'; give --zone"),
        ("2023-06-01 12:00:00 +9900", "a zone that is not known: '\\+9900'"),
        ("2023-06-01T12:00:00+99:00", "a zone that is not known: '\\+99:00'"),
        ("2023-06-01 12:00:00 GMT+2", "a zone that is not known: 'GMT\\+2'"),
        ("01/04/24 15:12", "day or month first"),
        ("01-04-2024 15:12", "day or month first"),
        ("2021-03-28 02:30:00", "clocks skipped that hour: is --zone right"),
    ],
)
def test_times_that_are_not_certain(text: str, words: str):
    """They are refused with the reason."""
    with pytest.raises(UnreadableTimeError, match=words):
        Clock(BERLIN).read(text)


def test_the_zone_passed_in_decides_between_zones_of_one_name():
    """IST is Ireland's summer time in Dublin, India's time in Kolkata."""
    hours = [Clock(ZoneInfo(zone)).read("2023-06-01 12:00 IST") for zone in ("Europe/Dublin", "Asia/Kolkata")]
    assert [f"{at:%H:%M}" for at in hours if at] == ["11:00", "06:30"]


def read_night(*times: str) -> tuple[list[str], list[str]]:
    """Return the UTC hours of local times of a night of autumn, and the notes."""
    clock = Clock(BERLIN)
    hours = [f"{clock.read(f'2021-10-31 {time}'):%H:%M}" for time in times]
    clock.close()
    return hours, clock.notes


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("01:30 02:00 02:30 02:00 02:30 03:00", "23:30 00:00 00:30 01:00 01:30 02:00"),
        ("01:30 02:30 02:30 03:30", "23:30 00:30 01:30 02:30"),
        ("03:00 02:30 02:00 02:30 02:00 01:30", "02:00 01:30 01:00 00:30 00:00 23:30"),
        ("01:30 02:45 02:15 03:15 01:30 02:45 02:15 03:15", "23:30 00:45 01:15 02:15 23:30 00:45 01:15 02:15"),
    ],
)
def test_a_log_that_runs_on_gets_its_second_pass(local: str, utc: str):
    """Whether its newest or its oldest rows come first, and again in a second copy behind the first."""
    hours, notes = read_night("00:30", *local.split()) if local < "03" else read_night("04:00", *local.split())
    assert (hours[1:], notes) == (utc.split(), [])


@pytest.mark.parametrize("local", ["01:30 02:30 03:30", "01:00 01:30 02:30", "02:30 03:30"])
def test_where_the_pass_cannot_be_known_it_is_noted(local: str):
    """A single pass, the end of a log, and its beginning."""
    hours, (note,) = read_night(*local.split())
    assert "00:30" in hours
    assert "showed '2021-10-31 02:30' twice; taken as the first time" in note


@pytest.mark.parametrize(
    ("dates", "order"),
    [
        ("01/04/24 15/04/24", "dmy"),
        ("01/04/24 04/15/24", "mdy"),
        ("01/04/2024 2/13/2024", "mdy"),
        ("01-04-2024 13-04-2024", "dmy"),
        ("01/04/24 02/04/24", None),
        ("13/04/24 04/13/24", None),
        ("24/04/01 24/04/02 24/04/30", "ymd"),
        ("2024-04-01 no dates", None),
    ],
)
def test_the_order_of_dates_is_that_of_the_whole_file(dates: str, order: str | None):
    """Only one that all dates can have; contradicting ones have none."""
    evidence = DateOrderEvidence()
    for date in dates.split():
        evidence.add(f"{date},15:12,2.08,47.40\n")
    assert evidence.order == order
