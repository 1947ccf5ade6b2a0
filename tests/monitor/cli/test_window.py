"""The options of a window, as texts that a user wrote."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import click
import pytest

from monitor.cli.window import WindowOptions

NOW = datetime(2026, 11, 23, 16, tzinfo=UTC)

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("asked", "hours", "short"),
    [
        (WindowOptions(), 720, "30d"),
        (WindowOptions(days=7), 168, "7d"),
        (WindowOptions(last=timedelta(hours=6)), 6, "6h"),
        (WindowOptions(last=timedelta(minutes=90)), 1.5, "90m"),
        (WindowOptions(last=timedelta(weeks=2)), 336, "14d"),
    ],
)
def test_a_length_ends_now(asked: WindowOptions, hours: float, short: str):
    """A second later, so that a run of this moment is inside; its name is the length."""
    window = asked.window(BERLIN, NOW)
    assert (window.until, window.until - window.since) == (NOW + timedelta(seconds=1), timedelta(hours=hours))
    assert (asked.short, asked.is_fixed) == (short, False)


def test_times_without_an_offset_are_local():
    """A day of 25 hours is asked for by two dates."""
    window = WindowOptions(since="2026-10-25", until="2026-10-26").window(BERLIN, NOW)
    assert window.until - window.since == timedelta(hours=25)


@pytest.mark.parametrize(
    "asked",
    [
        WindowOptions(days=3, last=timedelta(hours=1)),
        WindowOptions(last=timedelta(hours=1), since="2026-10-25"),
        WindowOptions(since="soon"),
        WindowOptions(since="2026-10-25", until="2026-10-25"),
    ],
)
def test_what_makes_no_window_is_a_mistake_of_usage(asked: WindowOptions):
    """Two beginnings, no time, nothing between."""
    with pytest.raises(click.UsageError):
        asked.window(BERLIN, NOW)
