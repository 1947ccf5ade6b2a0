"""The data that tests use: reported by engines, counted by the kernel, estimated; and the budget."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from example_runs import make_attempt, make_failed_attempt
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from monitor.config.settings import DatabaseSettings, DisplaySettings, ProbeSettings, Settings
from monitor.errors import ConfigError
from monitor.localtime import month_of, months_back
from monitor.model import DataUsed, Status, Trace, Usage
from monitor.output import tables
from monitor.output.tables import to_monthly_usage
from monitor.store.connection import open_writer
from monitor.store.statistics import data_used_this_month, monthly_usage
from monitor.store.write import add_attempt

if TYPE_CHECKING:
    from pathlib import Path

    from monitor.model import Attempt

BERLIN = ZoneInfo("Europe/Berlin")

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)

MONTH = month_of(NOW, UTC)

REPORTED = {"download_bytes": 1000, "upload_bytes": 100}

TRACE = Trace(250, ((10, 1, 99, 99), (20, 2, 99, 99)))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return the settings of an empty store."""
    url = f"sqlite:///{tmp_path}/speedmon.db"
    return Settings(probe=ProbeSettings("home"), display=DisplaySettings("UTC"), database=DatabaseSettings(url))


def used(settings: Settings, *attempts: Attempt) -> Usage:
    """Store attempts and return the usage of November."""
    with open_writer(settings.database.url) as connection:
        for each in attempts:
            add_attempt(connection, each)
    return monthly_usage(settings, [MONTH])[0]


def test_byte_counts_of_engines_are_summed(settings: Settings):
    """Both directions are added up by month and probe."""
    other_month = make_attempt(**REPORTED, started_at=MONTH.end)
    usage = used(
        settings,
        make_attempt(**REPORTED),
        make_attempt(**REPORTED),
        make_attempt(**REPORTED, probe="other"),
        other_month,
    )
    assert usage == Usage("2026-11", 2, 2000, 200, 0)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (replace(make_attempt(), trace=TRACE), Usage("2026-11", 1, 30, 3, 33)),
        (replace(make_failed_attempt(), trace=TRACE), Usage("2026-11", 1, 30, 3, 33)),
        (make_attempt(download_bps=8000, upload_bps=800, download_ms=5000), Usage("2026-11", 1, 5000, 1000, 6000)),
        (make_attempt(download_bytes=7, upload_bps=800), Usage("2026-11", 1, 7, 1000, 1000)),
        (make_failed_attempt(), Usage("2026-11", 0, 0, 0, 0)),
    ],
)
def test_data_that_no_engine_reported_is_an_estimate(settings: Settings, made: Attempt, expected: Usage):
    """The kernel's count comes first, then rate times time, and of a failure without either nothing is made up."""
    assert used(settings, made) == expected


def test_a_skipped_test_uses_nothing(settings: Settings):
    """A skipped slot does not count as a test."""
    skipped = make_failed_attempt()
    assert used(settings, replace(skipped, run=replace(skipped.run, status=Status.SKIPPED))).tests == 0


def test_the_month_so_far(settings: Settings):
    """What the next test is to know: the bytes, and when the month ends."""
    used(settings, make_attempt(**REPORTED))
    assert data_used_this_month(settings, NOW) == DataUsed(1100, int(datetime(2026, 12, 1, tzinfo=UTC).timestamp()))


def test_a_wrong_zone_of_months_is_blamed_on_the_display(settings: Settings):
    """Months are those of `display.timezone`, so an error names that setting."""
    with pytest.raises(ConfigError, match=r"^display\.timezone: unknown time zone 'Mars/Olympus'"):
        data_used_this_month(structs.replace(settings, display=DisplaySettings(timezone="Mars/Olympus")), NOW)


def test_a_month_is_one_of_the_zone():
    """A month begins at midnight where its reader lives, and December is followed by January."""
    late = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)
    assert (month_of(late, UTC).name, month_of(late, BERLIN).name) == ("2026-12", "2027-01")
    assert month_of(late, UTC).end == datetime(2027, 1, 1, tzinfo=UTC)
    assert month_of(NOW, BERLIN).begin == datetime(2026, 10, 31, 23, tzinfo=UTC)


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  zone beside it
    st.sampled_from([UTC, BERLIN]),
)
def test_months_leave_no_moment_out(moment: datetime, zone: Any):
    """Going back, each month ends where the one after it began, and the first holds the moment."""
    months = list(months_back(moment, zone, 30))
    assert months[0].begin <= moment < months[0].end
    assert all(earlier.end == later.begin for later, earlier in pairwise(months))


@pytest.mark.parametrize(
    ("tests", "month_gb", "each", "share"), [(2, 10, 600_000_000, 12.0), (0, 10, None, 12.0), (2, 0, 600_000_000, None)]
)
def test_an_account(tests: int, month_gb: float, each: int | None, share: float | None):
    """The data of one test and the share of the budget are shown if they can be computed."""
    usage = to_monthly_usage(Usage("2026-11", tests, 1_000_000_000, 200_000_000), month_gb)
    assert (usage.bytes_per_test, usage.budget_used_pct) == (each, share)


def test_the_table():
    """A line a month, in GB, with the share of the budget and how much is an estimate."""
    accounts = [to_monthly_usage(Usage("2026-11", 2, 1_000_000_000, 200_000_000, 50_000_000), 10)]
    assert list(tables.usage_table(accounts, "UTC"))[1:] == [
        "Month     Tests      Down        Up     Total   A test  Budget",
        "2026-11       2      1.00      0.20      1.20    0.600  12 % of 10  (0.05 estimated)",
    ]


def test_the_command(settings: Settings, tmp_path: Path):
    """`usage --json` is an array, this month first though nothing was used yet; months without a test are left out."""
    used(settings, make_attempt(**REPORTED))
    environ = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "SPEEDMON_DATABASE_URL": settings.database.url,
        "SPEEDMON_PROBE__NAME": "home",
        "SPEEDMON_BUDGET__MONTH_GB": "0.000001",
    }
    command = [sys.executable, "-m", "monitor", "usage", "--months", "120"]
    done = subprocess.run([*command, "--json"], env=environ, capture_output=True, text=True, check=True)
    months = {month["month"]: month for month in json.loads(done.stdout)}
    assert f"{datetime.now(UTC):%Y-%m}" in months
    assert (months["2026-11"]["total_bytes"], months["2026-11"]["budget_used_pct"]) == (1100, 110.0)
    assert subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout.startswith("Months")
