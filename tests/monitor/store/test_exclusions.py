"""A run that a person excluded is kept and shown with its reason, and counts in no figure until that is undone."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from example_runs import START, make_attempt, make_failed_attempt
from sqlalchemy import select

from monitor.analysis.line_condition import judge_line
from monitor.analysis.metrics import UNITS
from monitor.analysis.outages import find_incidents
from monitor.analysis.statistics import count_attempts
from monitor.config.settings import DatabaseSettings, ProbeSettings, Settings
from monitor.errors import UsageError
from monitor.model import Plan
from monitor.output import run_details, tables
from monitor.report.sections.results import run_row
from monitor.store import packed_days, read, rollups
from monitor.store import tables as schema
from monitor.store.buckets import read_window
from monitor.store.columnar import read_columns
from monitor.store.connection import open_reader, open_writer
from monitor.store.events import read_events
from monitor.store.incidents import read_incidents
from monitor.store.statistics import plan_met, recent_medians, server_stats
from monitor.store.write import MAX_REASON, add_attempts, exclude_run

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from monitor.model import Run

ALL = read.RunFilter(START - timedelta(days=9), START + timedelta(days=9))

GOOD = [make_attempt(minutes, download_bps=90_000_000) for minutes in (0, 60, 120, 1500, 2000, 2100)]

# A slow result, a failure of the line, and one over another ISP.
ODD = [make_attempt(30, download_bps=1_000), make_failed_attempt(90), make_attempt(1600, isp="Hotel")]

REASON = "the router was being replaced"


def snapshot(connection: Connection) -> dict[str, Any]:
    """Return every figure that is computed from the runs."""
    columns = read_columns(connection, ALL, UNITS)
    runs = [*read.read_runs(connection, ALL)]
    bucket = read_window(connection, ALL)
    counts = count_attempts(columns)
    return {
        "bucket": (bucket.counted, bucket.lost, bucket.failed, bucket.download_bps, bucket.latency_ms),
        "rates": columns.select(columns.where(lambda run: run.trusted)).numbers["download_bps"].tolist(),
        "counts": (counts.statuses, counts.trusted, counts.faults, counts.success_pct),
        "outages": read_incidents(connection, ALL),
        "outages of runs": [*find_incidents(runs)],
        "events": [*read_events(connection, ALL.since, ALL.until)],
        "plan": plan_met(connection, ALL, 80),
        "line": replace(judge_line(runs[::-1], [], START + timedelta(days=2)), result=None),
    }


def of_settings(url: str, run: Run) -> tuple[Any, ...]:
    """Return the figures that are read by the settings."""
    settings = Settings(probe=ProbeSettings("home"), database=DatabaseSettings(url))
    return server_stats(settings, ALL.since), recent_medians(settings, run)


def summaries(connection: Connection) -> list[Any]:
    """Return all roll-ups and packed days."""
    return [
        connection.execute(select(table).order_by(*table.primary_key)).all()
        for table in (schema.rollups, schema.packed_days)
    ]


def test_an_excluded_run_is_in_no_figure_until_it_is_undone(either_url: str, tmp_path: Path):
    """All figures are those of a store that never had the runs; afterwards all is as before."""
    other = f"sqlite:///{tmp_path}/without.db"
    with open_writer(other) as connection:
        add_attempts(connection, GOOD)
    with open_writer(either_url) as connection:
        add_attempts(connection, (*GOOD, *ODD))
        before = summaries(connection), snapshot(connection)
    later = make_attempt(5000).run
    with open_writer(either_url) as connection:
        assert [exclude_run(connection, one.run.id, f" {REASON}\n") for one in ODD] == [True] * len(ODD)
        assert not exclude_run(connection, later.id, REASON)
    with open_reader(either_url) as connection, open_reader(other) as without:
        assert snapshot(connection) == snapshot(without)
        assert before[1] != snapshot(connection)
        assert (rollups.count_mismatches(connection), packed_days.count_mismatches(connection)) == (0, 0)
        kept = {run.id: run.excluded for run in read.read_runs(connection, ALL)}
        columns = read_columns(connection, ALL, ())
    assert of_settings(either_url, later) == of_settings(other, later)
    assert kept == {one.run.id: None for one in GOOD} | {one.run.id: REASON for one in ODD}
    assert (len(columns), count_attempts(columns).excluded) == (9, 3)
    with open_writer(either_url) as connection:
        for one in ODD:
            exclude_run(connection, one.run.id, None)
    with open_reader(either_url) as connection:
        assert (summaries(connection), snapshot(connection)) == before


@pytest.mark.parametrize("reason", ["", " \n", "x" * (MAX_REASON + 1)])
def test_a_reason_is_needed_and_bounded(tmp_path: Path, reason: str):
    """Nothing is excluded without saying why."""
    with open_writer(f"sqlite:///{tmp_path}/speedmon.db") as connection:
        add_attempts(connection, GOOD[:1])
        with pytest.raises(UsageError, match="the reason must have 1 to 500 characters"):
            exclude_run(connection, GOOD[0].run.id, reason)


def test_an_excluded_run_is_shown_as_such():
    """Table, details and report name it and the reason."""
    zone = ZoneInfo("UTC")
    one = make_attempt(excluded=REASON)
    assert any(" excluded " in line for line in tables.run_table(iter([one.run]), zone, 100))
    lines = [*run_details.run_lines(one, zone, 100)]
    assert "status      ok, excluded (trigger: cli)" in lines
    assert f"            excluded from all statistics: {REASON}" in lines
    texts = [cell.text for cell in run_row(one.run, Plan(), zone)]
    assert "excluded" in texts
    assert f"not counted: {REASON}" in texts


def test_the_command_excludes_and_undoes(tmp_path: Path):
    """`exclude` takes an id or "last"; it wants a reason or --undo, and says what it did."""
    url = f"sqlite:///{tmp_path}/speedmon.db"
    with open_writer(url) as connection:
        add_attempts(connection, GOOD[:2])
    last = GOOD[1].run.id

    def speedmon(*arguments: str) -> tuple[int, str]:
        command = [sys.executable, "-W", "error", "-m", "monitor", "exclude", *arguments]
        environment = {"PATH": "/usr/bin", "HOME": str(tmp_path), "SPEEDMON_DATABASE_URL": url}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    assert speedmon("last", "--reason", REASON) == (0, f"Run {last} is excluded from all statistics.\n")
    with open_reader(url) as connection:
        assert read.find_attempt(connection, last).run.excluded == REASON
    assert speedmon(last[:8], "--undo") == (0, f"Run {last} counts again.\n")
    with open_reader(url) as connection:
        assert read.find_attempt(connection, last).run.excluded is None
    code, text = speedmon("last")
    assert (code, "give --reason TEXT" in text) == (2, True)
