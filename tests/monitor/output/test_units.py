"""Numbers, durations and times as text."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from monitor.output import units

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.00"),
        (0.312, "0.312"),
        (4.206, "4.21"),
        (9.999, "10.0"),
        (95.66, "95.7"),
        (99.96, "100"),
        (1234.5, "1,234"),
    ],
)
def test_a_measured_number_has_three_significant_digits(value: float, text: str):
    """Enough digits to compare, not more than were measured."""
    assert units.format_number(value) == text


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (2.5, "2.5"), (100, "100"), (1000, "1,000"), (0.1 + 0.2, "0.3")])
def test_a_configured_number_has_no_trailing_zeros(value: float, text: str):
    """The numbers of an axis or of a plan."""
    assert units.format_trimmed(value) == text


@pytest.mark.parametrize(
    ("bps", "text"),
    [
        (None, "–"),  # noqa: RUF001  the dash of a missing number
        (0, "0.00"),
        (4000, "0.004"),
        (530_000, "0.530"),
        (9_994_000, "9.99"),
        (9_999_000, "10.0"),
        (95_656_417, "95.7"),
        (99_960_000, "100"),
        (941_000_000, "941"),
        (1_234_000_000, "1,234"),
    ],
)
def test_a_rate_is_the_same_with_and_without_its_unit(bps: int | None, text: str):
    """In Mbit/s; a rate that was not measured is a dash, not a zero."""
    assert units.format_mbps(bps) == units.format_metric_number("download_bps", bps) == text
    assert units.format_rate(bps) == (text if bps is None else f"{text} Mbit/s")


@pytest.mark.parametrize(
    ("bps", "cell"), [(None, ""), (0, "0.00"), (4999, "<0.01"), (5001, "0.01"), (95_656_417, "95.66")]
)
def test_the_rates_of_a_column_have_two_decimals(bps: int | None, cell: str):
    """So that the points align; a rate above zero does not become zero."""
    assert units.format_rate_cell(bps) == cell


@pytest.mark.parametrize(
    ("name", "measured", "text"),
    [
        ("download_bps", 95_656_417, "95.7 Mbit/s"),
        ("upload_bps", 500_000, "0.500 Mbit/s"),
        ("download_bps", 9_412_345_678, "9,412 Mbit/s"),
        ("latency_ms", 4.2, "4.20 ms"),
        ("packet_loss_pct", 0.0, "0.00 %"),
    ],
)
def test_a_metric_has_its_unit(name: str, measured: float, text: str):
    """Three significant digits at least."""
    assert units.format_metric(name, measured) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0 %"), (0.01, "0.1 %"), (0.94, "0.9 %"), (50, "50 %"), (99.99, "99.9 %"), (100, "100 %")],
)
def test_a_percentage_is_not_rounded_to_none_or_all(share: float, text: str):
    """One failure among ten thousand tests can be seen."""
    assert units.format_percent(share) == f"{units.format_percent_number(share)} %" == text


@pytest.mark.parametrize(("change", "text"), [(-0.04, "0.0"), (0.04, "0.0"), (-13.04, "-13.0"), (1234.5, "+1,234.5")])
def test_a_difference_that_rounds_to_zero_has_no_sign(change: float, text: str):
    """Nobody got slower by -0.0 %."""
    assert units.format_signed(change) == text


def test_names_come_with_their_shares_and_many_are_cut_short():
    """A single name needs no share; no name at all is a dash."""
    assert units.format_shares(Counter({"A": 3})) == "A"
    assert units.format_shares(Counter()) == units.NO_VALUE
    assert units.format_shares(Counter({"A": 3, "B": 1})) == "A (75 %); B (25 %)"
    assert units.format_shares(Counter({"A": 5, "B": 3, "C": 2}), most=1) == "A (50 %); 2 more (50 %)"


@pytest.mark.parametrize(
    ("seconds", "text"),
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
def test_a_duration_has_its_two_largest_units(seconds: float, text: str):
    """Nobody wants the seconds of a month."""
    assert units.format_duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (45, "45 s"),
        (59, "59 s"),
        (59.7, "1 min"),
        (60, "1 min"),
        (59 * 60, "59 min"),
        (3599, "1 h 00"),
        (3600, "1 h 00"),
        (11_100, "3 h 05"),
        (86_400, "24 h 00"),
        (190_800, "2 d 5 h"),
        (198_000, "2 d 7 h"),
    ],
)
def test_a_duration_in_a_cell_is_short(seconds: float, text: str):
    """The two largest units, rounded to the minute."""
    assert units.format_short_duration(seconds) == text


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(days=30), "30 days"),
        (timedelta(days=1), "1 day"),
        (timedelta(days=2), "2 days"),
        (timedelta(hours=25), "25 hours"),
        (timedelta(hours=1), "1 hour"),
        (timedelta(minutes=90), "90 minutes"),
        (timedelta(days=2, hours=12), "2.5 days"),
    ],
)
def test_the_length_of_a_window_is_in_the_largest_unit_that_fits(length: timedelta, text: str):
    """A day of 25 hours is not called a day."""
    assert units.format_long_duration(length) == text


@pytest.mark.parametrize(
    ("seconds", "ago", "ahead"),
    [
        (-5, "just now", "in a moment"),
        (59, "just now", "in a moment"),
        (60, "1 minute ago", "in 1 minute"),
        (7199, "1 hour ago", "in 1 hour"),
        (90_000, "25 hours ago", "in 25 hours"),
        (172_800, "2 days ago", "in 2 days"),
    ],
)
def test_an_age_is_in_its_largest_unit(seconds: int, ago: str, ahead: str):
    """Minutes, hours, and days from two on; never a negative age."""
    assert units.format_age(timedelta(seconds=seconds)) == ago
    assert units.format_ahead(timedelta(seconds=seconds)) == ahead


def test_a_time_has_its_offset_so_that_a_repeated_hour_is_two():
    """02:30 on the day on which summer time ends."""
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert units.format_time_with_offset(first, BERLIN) == "25 Oct 2026 02:30 (UTC+02:00)"
    assert units.format_time_with_offset(first + timedelta(hours=1), BERLIN) == "25 Oct 2026 02:30 (UTC+01:00)"
    assert units.format_table_time_with_offset(first, ZoneInfo("America/St_Johns")) == "2026-10-24 22:00 -02:30"


def test_a_time_in_each_form():
    """A local time in the forms of a table, a title, an axis, the page, and the details of a run."""
    at = datetime(2026, 11, 23, 13, 17, 5, tzinfo=UTC)
    assert units.format_table_time(at, BERLIN) == "2026-11-23 14:17"
    assert units.format_date_and_minute(at, BERLIN) == "23 Nov 2026 14:17"
    assert units.format_day_and_minute(at, BERLIN) == "23 Nov 14:17"
    assert units.format_time_with_zone(at, BERLIN) == "Mon 23 Nov 2026, 14:17 CET"
    assert units.format_exact_time(at, BERLIN) == "2026-11-23 14:17:05 CET"
    assert units.format_day(20_780) == "Monday, 23 Nov 2026"
