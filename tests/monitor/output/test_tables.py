"""Runs as a table for a terminal."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from example_runs import any_run, make_attempt, make_failed_attempt
from hypothesis import given
from hypothesis import strategies as st

from monitor.model import Failure, FailureKind, Run, Scope
from monitor.output import tables

NEW_YORK = ZoneInfo("America/New_York")


def lines(*runs: Run, width: int = 100) -> list[str]:
    """Return the table of some runs."""
    return [*tables.run_table(runs, NEW_YORK, width)]


def test_a_table_of_120_columns():
    """Times are local, units are in the caption, a failure has its kind, its scope and what fits of its message."""
    assert lines(make_attempt().run, make_failed_attempt(-60).run, width=120) == [
        "Times in America/New_York, rates in Mbit/s, latency in ms.",
        "Time              Status           Down        Up  Latency  Path        ISP/failure              Server",
        "2026-11-23 08:17  ok              95.66     17.34      4.2  ip4only v4  Verizon Fios             DediPath",
        "2026-11-23 07:17  failed                                    ip4only v4  dns (line): Could not resolve host",
    ]


@pytest.mark.parametrize(
    ("width", "titles"),
    [
        (60, ["Time", "Status", "Down", "Up", "Latency"]),
        (74, ["Time", "Status", "Down", "Up", "Latency", "ISP/failure"]),
        (80, ["Time", "Status", "Down", "Up", "Latency", "ISP/failure"]),
        (94, ["Time", "Status", "Down", "Up", "Latency", "Path", "ISP/failure"]),
        (108, ["Time", "Status", "Down", "Up", "Latency", "Path", "ISP/failure", "Server"]),
    ],
)
def test_a_narrow_terminal_shows_fewer_columns(width: int, titles: list[str]):
    """The numbers stay, the names go first."""
    assert lines(width=width)[1].split() == titles


def test_a_wide_terminal_shows_the_complete_message():
    """A message that fits is not cut."""
    assert lines(make_failed_attempt().run, width=200)[2].endswith("dns (line): Could not resolve host")


@given(st.lists(any_run, max_size=3), st.integers(60, 240))
def test_no_line_is_wider_than_the_terminal(runs: list[Run], width: int):
    """Whatever names an engine reports, each run is one line that fits."""
    for line in lines(*runs, width=width)[2:]:
        assert line.isprintable()
        assert len(line) <= width


@pytest.mark.parametrize(
    ("bps", "shown"),
    [(None, ""), (0, "0.00"), (1, "<0.01"), (5_000, "0.01"), (95_656_417, "95.66"), (10_000_000_000, "10000.00")],
)
def test_rates(bps: int | None, shown: str):
    """A small rate is not shown as zero, and a missing one is empty."""
    assert lines(make_attempt(download_bps=bps, upload_bps=None).run)[2][31:39].strip() == shown


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("Telekom", 7, "Telekom"),
        ("Telekom", 6, "Telek…"),
        ("Telekom", 1, "…"),
        ("中国电信", 8, "中国电信"),
        ("中国电信", 7, "中国电…"),
        ("中国电信", 6, "中国…"),
        ("cafe\u0301", 4, "cafe\u0301"),
    ],
)
def test_cut_counts_terminal_columns(text: str, width: int, shown: str):
    """East Asian characters take two columns, combining marks none."""
    assert tables.cut_to_width(text, width) == shown


def test_control_characters_do_not_reach_the_terminal():
    """A name that would clear the screen, or a message of two lines, becomes plain text."""
    evil = Failure(FailureKind.BAD_OUTPUT, Scope.PROVIDER, None, "one\ntwo\x1b[2J\x07\u202ethree")
    assert lines(make_failed_attempt(failure=evil).run, width=200)[2].endswith(
        "bad_output (provider): one two [2J three"
    )
