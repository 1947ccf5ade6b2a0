"""Cron expressions mean what cron means by them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config import cron
from monitor.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

ALL_WEEK = (0, 1, 2, 3, 4, 5, 6)

YEAR = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)


def slots(text: str, begin: datetime = YEAR[0], end: datetime = YEAR[1], zone: str = "UTC") -> Iterator[datetime]:
    """Yield the slots from `begin` on, before `end`."""
    when = cron.parse(text)
    slot = when.first_from(begin, ZoneInfo(zone))
    while slot and slot < end:
        yield slot
        slot = when.first_from(slot + timedelta(microseconds=1), ZoneInfo(zone))


def local(text: str, day: str, zone: str = "Europe/Berlin") -> list[str]:
    """Return the slots of a day in local time, with the offset from UTC."""
    begin = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    end = (datetime.fromisoformat(day) + timedelta(days=1)).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return [f"{slot.astimezone(ZoneInfo(zone)):%H:%M %z}" for slot in slots(text, begin, end, zone)]


@pytest.mark.parametrize(
    ("field", "weekdays"),
    [
        ("*", ALL_WEEK),
        ("0", (0,)),
        ("7", (0,)),
        ("sun", (0,)),
        ("SUN", (0,)),
        ("1-5", (1, 2, 3, 4, 5)),
        ("mon-fri", (1, 2, 3, 4, 5)),
        ("5-7", (0, 5, 6)),
        ("0-7", ALL_WEEK),
        ("sat,sun", (0, 6)),
        ("*/2", (0, 2, 4, 6)),
        ("1-5/2", (1, 3, 5)),
        ("mon-fri/2", (1, 3, 5)),
        ("2/2", (2, 4, 6)),
        ("6,0", (0, 6)),
    ],
)
def test_weekdays_count_from_sunday(field: str, weekdays: tuple[int, ...]):
    """Sunday is 0 and 7, and names, ranges, lists and steps mix."""
    assert tuple(sorted({slot.isoweekday() % 7 for slot in slots(f"0 0 * * {field}")})) == weekdays


@pytest.mark.parametrize(
    ("text", "minutes", "hours"),
    [
        ("*/15 * * * *", (0, 15, 30, 45), tuple(range(24))),
        ("7 3 * * *", (7,), (3,)),
        ("5/20 8-10 * * *", (5, 25, 45), (8, 9, 10)),
        ("0,30,0 0-23/6 * * *", (0, 30), (0, 6, 12, 18)),
        ("@hourly", (0,), tuple(range(24))),
        ("  @Daily ", (0,), (0,)),
    ],
)
def test_times_of_day(text: str, minutes: tuple[int, ...], hours: tuple[int, ...]):
    """Steps, ranges, lists and cron's own names give sorted numbers, each once."""
    day = list(slots(text, YEAR[0], YEAR[0] + timedelta(days=1)))
    assert [(slot.hour, slot.minute) for slot in day] == [(hour, minute) for hour in hours for minute in minutes]


def test_months_have_names():
    """Names of months stand wherever numbers may."""
    assert [slot.month for slot in slots("0 0 1 jan-mar,DEC *")] == [1, 2, 3, 12]


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("0 0 1 * 1", [1, 6, 13, 20, 27]),
        ("0 0 1-31 * 0-6", list(range(1, 32))),
        ("0 0 * * 1", [6, 13, 20, 27]),
        ("0 0 1 * *", [1]),
        ("0 0 */2 * 1", [13, 27]),
        ("0 0 1 * */2", []),
        ("0 0 1 * */3", [1]),
    ],
)
def test_either_day_counts_only_when_both_fields_are_restricted(text: str, days: list[int]):
    """As in Vixie's cron, a field that begins with a star does not count as restricted; 1 July 2026 is a Wednesday."""
    july = datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 8, 1, tzinfo=UTC)
    assert [slot.day for slot in slots(text, *july)] == days


@pytest.mark.parametrize(
    ("text", "spring", "autumn"),
    [
        ("30 2 * * *", ["03:00 +0200"], ["02:30 +0200"]),
        ("0,30 2 * * *", ["03:00 +0200"], ["02:00 +0200", "02:30 +0200"]),
        ("0 1-3 * * *", ["01:00 +0100", "03:00 +0200"], ["01:00 +0200", "02:00 +0200", "03:00 +0100"]),
        ("*/30 2 * * *", [], ["02:00 +0200", "02:30 +0200", "02:00 +0100", "02:30 +0100"]),
        ("0 5 * * *", ["05:00 +0200"], ["05:00 +0100"]),
    ],
)
def test_clock_changes_are_handled_as_cron_handles_them(text: str, spring: list[str], autumn: list[str]):
    """As cron(8) of Debian says: no time of day is left out or comes twice, but for those with a star."""
    assert (local(text, "2026-03-29"), local(text, "2026-10-25")) == (spring, autumn)


def test_every_hour_stays_every_hour_when_clocks_change():
    """Slots with a star follow the clock: 23 in the spring, 25 in the autumn."""
    assert [len(local("0 * * * *", day)) for day in ("2026-03-29", "2026-10-25")] == [23, 25]


def test_a_midnight_that_is_skipped_has_its_slot_after_the_change():
    """In Chile clocks go forward at midnight."""
    assert local("0 0 * * *", "2026-09-06", "America/Santiago")[0] == "01:00 -0300"


def test_slots_within_an_hour_that_comes_twice_go_on():
    """In the second of the two hours, no slot of the first one is named again."""
    second = datetime(2026, 10, 25, 1, 15, tzinfo=UTC)
    following = cron.parse("30 2 * * *").first_from(second, ZoneInfo("Europe/Berlin"))
    assert following == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("*/15 * * * *", 900),
        ("* * * * *", 60),
        ("0 3 * * *", 86_400),
        ("0 3 * * 1", 86_400),
        ("0,50 * * * *", 600),
        ("0 0,23 * * *", 3600),
        ("*/7 * * * *", 240),
    ],
)
def test_shortest_gap(text: str, seconds: int):
    """The shortest gap may be across the hour and across midnight."""
    assert cron.parse(text).shortest_gap_s == seconds


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "0 fields"),
        ("* * * *", "4 fields"),
        ("* * * * * *", "6 fields"),
        ("60 * * * *", "minute: 60 is not from 0 to 59"),
        ("* 24 * * *", "hour: 24 is not from 0 to 23"),
        ("* * 0 * *", "day of the month: 0 is not from 1 to 31"),
        ("* * * 13 *", "month: 13 is not from 1 to 12"),
        ("* * * * 8", "weekday: 8 is not from 0 to 7"),
        ("* * * * monday", "weekday: 'monday' is not a number or name"),
        ("mon * * * *", "minute: 'mon' is not a number"),
        ("*/0 * * * *", "'*/0' needs a step of 1 or more"),
        ("*/ * * * *", "'*/' needs a step of 1 or more"),
        ("30-10 * * * *", "'30-10' runs backwards"),
        ("1,,2 * * * *", "'' is not a number"),
        ("-5 * * * *", "'' is not a number"),
        ("1-2-3 * * * *", "'2-3' is not a number"),
        ("² * * * *", "'²' is not a number"),
        ("* * L * *", "'L' is not a number"),
        ("0 0 30 2 *", "names a date that no year has"),
        ("0 0 31 4,6,9,11 *", "names a date that no year has"),
        ("@reboot", "is not one of @hourly"),
    ],
)
def test_mistakes_name_the_setting_and_the_field(text: str, says: str):
    """What cannot be read is refused in one line that names the setting, the field and the limits."""
    with pytest.raises(ConfigError) as caught:
        cron.parse(text)
    assert str(caught.value).startswith("schedule.cron: ")
    assert says in str(caught.value)


@pytest.mark.parametrize("text", ["0 0 29 2 *", "0 0 30 2 1", "0 0 31 1,2 *"])
def test_rare_dates_are_accepted(text: str):
    """A date that some year has, or a weekday beside one that none has, is a schedule."""
    assert cron.parse(text)


@given(st.text(alphabet="0123456789*/,- @sunmo", max_size=30))
def test_any_text_is_read_or_refused(text: str):
    """Whatever is typed, the answer is a schedule within its limits or a ConfigError."""
    try:
        when = cron.parse(text)
    except ConfigError:
        return
    assert when.shortest_gap_s >= 60
    assert when.first_from(YEAR[0], ZoneInfo("UTC")) or when.expression
