"""Cron expressions mean what cron means by them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import ConfigError
from monitor.scheduler import cron

ALL_WEEK = (0, 1, 2, 3, 4, 5, 6)


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
    assert cron.parse(f"0 0 * * {field}").weekdays == weekdays


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
    when = cron.parse(text)
    assert (when.minutes, when.hours) == (minutes, hours)


def test_months_have_names():
    """Names of months stand wherever numbers may."""
    assert cron.parse("0 0 1 jan-mar,DEC *").months == (1, 2, 3, 12)


@pytest.mark.parametrize(
    ("text", "either"),
    [
        ("0 0 1 * 1", True),
        ("0 0 1-31 * 0-6", True),
        ("0 0 * * 1", False),
        ("0 0 1 * *", False),
        ("0 0 */2 * 1", False),
        ("0 0 1 * */2", False),
    ],
)
def test_either_day_counts_only_when_both_fields_are_restricted(text: str, either: bool):
    """As in Vixie's cron, a field that begins with a star does not count as restricted."""
    assert cron.parse(text).either_day is either


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
    """The shortest gap is found across the hour and across midnight."""
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
        ("* * * * monday", "weekday: 'monday' is no number or name"),
        ("mon * * * *", "minute: 'mon' is no number"),
        ("*/0 * * * *", "'*/0' needs a step of 1 or more"),
        ("*/ * * * *", "'*/' needs a step of 1 or more"),
        ("30-10 * * * *", "'30-10' runs backwards"),
        ("1,,2 * * * *", "'' is no number"),
        ("-5 * * * *", "'' is no number"),
        ("1-2-3 * * * *", "'2-3' is no number"),
        ("² * * * *", "'²' is no number"),
        ("* * L * *", "'L' is no number"),
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
    assert set(when.minutes) <= set(range(60))
    assert set(when.weekdays) <= set(ALL_WEEK)
    assert when.shortest_gap_s >= 60
