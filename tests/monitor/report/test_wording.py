"""The phrases of a report, and its numbers as text."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from monitor.model import FailureKind, NetworkPath, Scope
from monitor.output import units
from monitor.report import wording

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("seconds", "wanted"),
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
def test_a_length_of_time_has_its_two_largest_units(seconds: float, wanted: str):
    """Nobody wants the seconds of a month."""
    assert units.format_duration(seconds) == wanted


@pytest.mark.parametrize(
    ("share", "wanted"),
    [(0, "0 %"), (0.01, "0.1 %"), (0.94, "0.9 %"), (50, "50 %"), (99.99, "99.9 %"), (100, "100 %")],
)
def test_a_percentage_is_made_neither_perfect_nor_naught_by_rounding(share: float, wanted: str):
    """One failure among ten thousand tests stays visible."""
    assert units.format_percent(share) == wanted


@pytest.mark.parametrize(
    ("name", "measured", "wanted"),
    [
        ("download_bps", 95_656_417, "95.7 Mbit/s"),
        ("upload_bps", 500_000, "0.500 Mbit/s"),
        ("download_bps", 9_412_345_678, "9,412 Mbit/s"),
        ("latency_ms", 4.2, "4.20 ms"),
        ("packet_loss_pct", 0.0, "0.00 %"),
    ],
)
def test_each_number_has_its_unit(name: str, measured: float, wanted: str):
    """Three significant digits at least."""
    assert units.format_metric(name, measured) == wanted


@pytest.mark.parametrize(("change", "wanted"), [(-0.04, "0.0"), (0.04, "0.0"), (-13.04, "-13.0"), (1234.5, "+1,234.5")])
def test_a_difference_that_rounds_to_nothing_has_no_sign(change: float, wanted: str):
    """Nobody got slower by -0.0 %."""
    assert units.format_signed(change) == wanted


def test_a_moment_names_its_offset_so_that_a_repeated_hour_is_two():
    """02:30 on the day on which summer time ends."""
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert units.format_time_with_offset(first, BERLIN) == "25 Oct 2026 02:30 (UTC+02:00)"
    assert units.format_time_with_offset(first + timedelta(hours=1), BERLIN) == "25 Oct 2026 02:30 (UTC+01:00)"
    assert units.format_table_time_with_offset(first, ZoneInfo("America/St_Johns")) == "2026-10-24 22:00 -02:30"


def test_names_come_with_their_shares_and_many_are_cut_short():
    """One alone needs no share; nobody is nobody."""
    assert units.format_shares(Counter({"A": 3})) == "A"
    assert units.format_shares(Counter()) == units.NO_VALUE
    assert units.format_shares(Counter({"A": 3, "B": 1})) == "A (75 %); B (25 %)"
    assert units.format_shares(Counter({"A": 5, "B": 3, "C": 2}), most=1) == "A (50 %); 2 more (50 %)"


def test_every_kind_scope_and_path_has_a_phrase():
    """So that none fails only when it is met."""
    assert (set(wording.KIND_PHRASES), set(wording.SCOPE_PHRASES), set(wording.PATH_PHRASES)) == (
        set(FailureKind),
        set(Scope),
        set(NetworkPath),
    )


@pytest.mark.parametrize(
    ("p", "wanted"),
    [(0.2, "not significant (p = 0.2"), (0.004, "significant (p = 0.004"), (1e-9, "highly significant")],
)
def test_a_p_value_is_given_in_words_and_as_a_number(p: float, wanted: str):
    """And what the number means."""
    assert wording.significance_phrase(p).startswith(wanted)
    assert "by chance alone" in wording.significance_phrase(p)
