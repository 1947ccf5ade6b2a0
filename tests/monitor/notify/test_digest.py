"""What a digest says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from example_runs import START, make_attempt, make_failed_attempt

from monitor.config.settings import DatabaseSettings, Settings
from monitor.localtime import Window
from monitor.model import Failure, FailureKind, Plan, Scope
from monitor.notify.digest import last_period, make_digest, period_before
from monitor.notify.summary import load_digest
from monitor.notify.texts import TextContext, render_digest
from monitor.store.connection import open_writer
from monitor.store.write import add_attempts

if TYPE_CHECKING:
    from pathlib import Path

BERLIN = ZoneInfo("Europe/Berlin")

WEEK = Window(START - timedelta(hours=1), START + timedelta(days=7))

BUSY = Failure(FailureKind.PROVIDER_DOWN, Scope.PROVIDER, None, "503")


@pytest.mark.parametrize(
    ("period", "now", "since", "until"),
    [
        ("weekly", "2026-11-30T06:59", "2026-11-16", "2026-11-23"),
        ("weekly", "2026-11-30T07:00", "2026-11-23", "2026-11-30"),
        ("weekly", "2026-12-06T23:59", "2026-11-23", "2026-11-30"),
        ("daily", "2026-11-30T06:59", "2026-11-28", "2026-11-29"),
        ("daily", "2026-11-30T07:00", "2026-11-29", "2026-11-30"),
        # On the last Sunday of October the clocks go back.
        ("daily", "2026-10-26T07:00", "2026-10-25", "2026-10-26"),
    ],
)
def test_a_period_ends_at_local_midnight(period: str, now: str, since: str, until: str):
    """A day, or a week from Monday; its digest is due at 07:00."""
    window = last_period(period, "07:00", datetime.fromisoformat(now).replace(tzinfo=BERLIN), BERLIN)
    assert [f"{at.astimezone(BERLIN):%Y-%m-%dT%H:%M}" for at in (window.since, window.until)] == [
        f"{since}T00:00", f"{until}T00:00",
    ]  # fmt: skip
    before = period_before(period, window, BERLIN)
    assert before.until == window.since
    assert f"{before.since.astimezone(BERLIN):%H:%M}" == "00:00"


def test_the_figures_of_a_week():
    """Medians against the plan and the week before, outages, failures by culprit, data."""
    runs = [make_attempt(0, download_bps=80_000_000), make_attempt(60, download_bps=90_000_000)]
    runs += [make_attempt(120, healthy=False, download_bps=1)]
    runs += [make_failed_attempt(180), make_failed_attempt(240), make_failed_attempt(250, BUSY), make_attempt(300)]
    before = [make_attempt(-10_000, download_bps=100_000_000)]
    digest = make_digest(
        "weekly",
        WEEK,
        ([each.run for each in runs], [each.run for each in before]),
        {"home": Plan(100_000_000, None, 20.0)},
        {"home": 12_300_000_000},
    )
    (source,) = digest.sources
    download, upload, latency = source.figures
    assert (download.median, download.before, download.plan_pct) == (90_000_000, 100_000_000, 90)
    assert round(download.change_pct or 0, 1) == -10.0
    assert (upload.plan, latency.plan_pct) == (None, 21)
    assert (source.tests, source.ok, source.failures) == (7, 4, {"line": 2, "provider": 1})
    assert (source.outages.count, source.outages.is_ongoing) == (1, False)
    text = render_digest(digest, TextContext(ZoneInfo("UTC"), "http://page")).text
    for part in (
        "home (ip4only): 7 tests, 4 ok",
        "download  90.0 Mbit/s, plan 100 Mbit/s (90 %), week before 100 Mbit/s (-10.0 %)",
        "outages   1, together ",
        "failures  line 2, provider 1",
        "Data used by the tests of home: 12.3 GB",
        "http://page",
    ):
        assert part in text


def test_an_empty_week_has_a_digest():
    """It says that nothing was recorded, as text and as HTML."""
    message = render_digest(make_digest("weekly", WEEK, ([], []), {}, {}), TextContext(ZoneInfo("UTC")))
    assert "No test was recorded." in message.text
    assert "No test was recorded." in message.html
    assert message.title == "speedmon: week from 23 Nov"


def test_an_outage_that_goes_on_lasts_to_the_end_of_the_period():
    """And the digest says so."""
    runs = [make_attempt(0).run, make_failed_attempt(60).run]
    digest = make_digest("weekly", WEEK, (runs, []), {}, {})
    assert digest.sources[0].outages.is_ongoing
    assert digest.sources[0].outages.total_s == (WEEK.until - START).total_seconds() - 3600
    assert "; one goes on" in render_digest(digest, TextContext(ZoneInfo("UTC"))).text
    assert START.tzinfo is UTC


def test_a_digest_says_how_many_tests_met_the_plan(tmp_path: Path):
    """At or above 90 % of the plan that each was stored with; tests that this machine prevented are not counted."""
    local = Failure(FailureKind.NAMESPACE, Scope.LOCAL, None, "missing")
    attempts = [make_attempt(at, download_bps=rate) for at, rate in enumerate((90_000_000, 89_999_999))]
    with open_writer(f"sqlite:///{tmp_path}/s.db") as connection:
        add_attempts(connection, [*attempts, make_failed_attempt(5, local)])
    settings = Settings(database=DatabaseSettings(url=f"sqlite:///{tmp_path}/s.db"))
    digest, _ = load_digest(settings, "weekly", WEEK, BERLIN)
    text = render_digest(digest, TextContext(BERLIN, "")).text
    assert "plan 100 Mbit/s (90 %), at least 90 % of the plan in 50 % of the tests" in text
    assert "home (ip4only): 2 tests, 2 ok" in text
