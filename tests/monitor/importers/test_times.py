"""Times as programs and scripts write them become UTC, and nothing else is taken for one."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from import_helpers import CONTEXT

from monitor.importers import ookla
from monitor.importers.base import Source
from monitor.importers.times import Clock

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
