"""The options of a window, as texts that a user wrote."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click
import pytest
from click.testing import CliRunner
from example_runs import make_attempt

from monitor.cli.main import cli
from monitor.cli.window import WindowOptions, fit_first_days
from monitor.store.connection import open_reader, open_writer
from monitor.store.read import RunFilter
from monitor.store.write import add_attempts

if TYPE_CHECKING:
    from pathlib import Path

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


@pytest.fixture
def imported(tmp_path: Path) -> dict[str, str]:
    """Return an environment with a database of runs of 2018 that were imported, and so are over `host`."""
    environ = {
        "HOME": str(tmp_path),
        "SPEEDMON_DATABASE_URL": f"sqlite:///{tmp_path}/speedmon.db",
        "SPEEDMON_DISPLAY__TIMEZONE": "Europe/Berlin",
    }
    file = tmp_path / "own.csv"
    rows = "".join(f"2018-07-0{day},12:00,2,1,90,20\n" for day in range(1, 5))
    file.write_text(f"Date,Time,Ping (ms),Jitter (ms),Download (Mbps),Upload (Mbps)\n{rows}")
    assert CliRunner(env=environ).invoke(cli, ["import", str(file)]).exit_code == 0
    return environ


def test_imported_runs_are_seen_without_an_option(imported: dict[str, str], tmp_path: Path):
    """`history`, `graph`, `report` and `incidents` show them, and say in one line which they show."""
    days = "no runs in the last 30 days: these are the 30 days up to 2018-07-04"
    history = CliRunner(env=imported).invoke(cli, ["history"])
    assert (history.stdout.count("2018-07-0"), history.stderr) == (4, f"speedmon: {days}\n")
    for argv in (["graph", "--terminal"], ["report", "--output", f"{tmp_path}/a.html"]):
        done = CliRunner(env=imported).invoke(cli, argv)
        assert (done.exit_code, done.stderr) == (0, f"speedmon: {days}, over host\n")
    assert "2018-07-04" in (tmp_path / "a.csv").read_text()
    assert CliRunner(env=imported).invoke(cli, ["incidents"]).stderr == f"speedmon: {days}\n"


def test_programs_get_the_days_that_the_documents_promise(imported: dict[str, str]):
    """`history --json` is of the last 30 days; where the runs are is said beside it."""
    done = CliRunner(env=imported).invoke(cli, ["history", "--json"])
    assert (done.stdout, done.stderr) == (
        "[]\n",
        "speedmon: no runs in the last 30 days; the newest is of 2018-07-04: use --days\n",
    )


def test_a_window_that_was_asked_for_stays(imported: dict[str, str]):
    """Only its path is another if it has runs over another only; a path that was asked for stays as well."""
    for argv, note in (
        (
            ["--since", "2018-07-01", "--until", "2018-08-01"],
            "no runs over ip4only in this window: these are over host\n",
        ),
        (["--since", "2018-07-01", "--path", "ip4only"], "no runs in this window; the graph is empty\n"),
        (["--days", "10"], "no runs in this window; the graph is empty\n"),
        (["--since", "2018-07-01", "--path", "host"], ""),
    ):
        done = CliRunner(env=imported).invoke(cli, ["graph", "--output", "-", "--format", "svg", *argv])
        assert done.stderr == (f"speedmon: {note}" if note else ""), argv


def test_imported_runs_beside_our_own_are_said(imported: dict[str, str]):
    """A window with runs over the configured path names the imported ones that it leaves out."""
    with open_writer(imported["SPEEDMON_DATABASE_URL"]) as connection:
        add_attempts(connection, [make_attempt(started_at=datetime(2018, 7, 2, tzinfo=UTC))])
    argv = ["graph", "--output", "-", "--format", "svg", "--since", "2018-07-01", "--until", "2018-08-01"]
    note = "speedmon: imported runs over host in this window are not shown: --path all shows them too\n"
    assert CliRunner(env=imported).invoke(cli, argv).stderr == note
    assert CliRunner(env=imported).invoke(cli, [*argv, "--path", "all"]).stderr == ""


@pytest.mark.parametrize(
    ("ages_h", "length_h"),
    [([0], 1), ([10, 0], 11), ([40, 0], 44), ([60, 0], 30 * 24), ([40 * 24, 0], 30 * 24), ([], 30 * 24)],
    ids=["one run", "a morning", "two days", "a third day", "an old run before", "none"],
)
def test_the_first_picture_is_as_long_as_its_runs(tmp_path: Path, ages_h: list[int], length_h: float):
    """One run is in the middle of an hour, not at the edge of a month, which is drawn once there are runs for days."""
    url = f"sqlite:///{tmp_path}/speedmon.db"
    starts = [NOW - timedelta(hours=age) for age in ages_h]
    with open_writer(url) as connection:
        add_attempts(connection, [make_attempt(0, started_at=at, finished_at=at) for at in starts])
    with open_reader(url) as connection:
        fitted = fit_first_days(connection, RunFilter(NOW - timedelta(days=30), NOW + timedelta(seconds=1)))
    assert abs((fitted.until - fitted.since) - timedelta(hours=length_h)) <= timedelta(minutes=1)
    if ages_h:
        assert fitted.since < NOW < fitted.until
