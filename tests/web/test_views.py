"""The words of the page."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitor.model import Failure, FailureKind, NetworkPath, Scope, Status
from monitor.output import units
from web import views


@pytest.mark.parametrize(
    ("table", "names"),
    [
        (views.KIND_LABELS, FailureKind),
        (views.SCOPE_LABELS, Scope),
        (views.HEADLINES, Scope),
        (views.CULPRIT_LABELS, Scope),
        (views.STATUS_LABELS, Status),
        (views.PATH_LABELS, NetworkPath),
    ],
)
def test_every_name_has_its_words(table: dict[str, str], names: type):
    """A name that is added to the model gets words."""
    assert list(table) == list(names)


@pytest.mark.parametrize(
    ("bps", "text"),
    [(None, "–"), (0, "0.00"), (530_000, "0.53"), (9_994_000, "9.99"), (9_999_000, "10.0"), (1_234_000_000, "1,234")],  # noqa: RUF001
)
def test_rates_have_three_digits(bps: int | None, text: str):
    """Rates are Mbit/s with three significant digits at least; none is a dash, not a zero."""
    assert units.format_mbps(bps) == text


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
def test_spans_are_told_in_their_largest_unit(seconds: int, ago: str, ahead: str):
    """Minutes, hours, and days from the second on; never a negative age."""
    assert units.format_age(timedelta(seconds=seconds)) == ago
    assert units.format_ahead(timedelta(seconds=seconds)) == ahead


@pytest.mark.parametrize(
    ("exit_code", "signal", "text"), [(2, None, "exit code 2"), (None, 9, "signal 9"), (0, None, ""), (None, None, "")]
)
def test_endings(exit_code: int | None, signal: int | None, text: str):
    """An exit code or a signal is told, none is not."""
    assert views.exit_text(Failure(FailureKind.CRASHED, Scope.LOCAL, None, "", exit_code, signal)) == text


@pytest.mark.parametrize(
    ("value", "sold", "text"), [(95e6, 100e6, "95 % of the plan"), (95e6, None, ""), (None, 1, "")]
)
def test_share_of_the_plan(value: float | None, sold: float | None, text: str):
    """Without a plan or a value there is no share."""
    assert views.plan_share_text(value, sold) == text
