"""`speedmon history` as a person and as a program call it."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from example_runs import START, make_attempt, make_failed_attempt

from monitor.store.connection import open_writer
from monitor.store.write import add_attempt

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = [sys.executable, "-W", "error", "-c", "from monitor.cli.main import main; main()"]

SINCE_START = (datetime.now(UTC) - START) / timedelta(minutes=1)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Return an environment with a database of its own and nobody's configuration."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "SPEEDMON_DATABASE_URL": f"sqlite:///{tmp_path}/speedmon.db",
        "SPEEDMON_DISPLAY__TIMEZONE": "America/New_York",
    }


@pytest.fixture
def two_runs(environ: dict[str, str]) -> None:
    """Store a run of an hour ago and a failed one of 40 days ago."""
    with open_writer(environ["SPEEDMON_DATABASE_URL"]) as connection:
        add_attempt(connection, make_failed_attempt(SINCE_START - 40 * 24 * 60))
        add_attempt(connection, make_attempt(SINCE_START - 60, isp='Kabel, "Süd"\nGmbH'))


def history(environ: dict[str, str], *argv: str) -> subprocess.CompletedProcess[bytes]:
    """Run `speedmon history`."""
    return subprocess.run([*COMMAND, "history", *argv], env=environ, capture_output=True, check=False, timeout=60)


@pytest.mark.usefixtures("two_runs")
def test_it_covers_the_last_30_days(environ: dict[str, str]):
    """Without --days an older run is left out."""
    assert [run["status"] for run in json.loads(history(environ, "--json").stdout)] == ["ok"]


@pytest.mark.usefixtures("two_runs")
def test_it_goes_back_as_many_days_as_requested(environ: dict[str, str]):
    """With --days 41 both runs are there, the newest one first."""
    assert [run["status"] for run in json.loads(history(environ, "--json", "--days", "41").stdout)] == ["ok", "failed"]


@pytest.mark.usefixtures("two_runs")
def test_the_table_fits_120_columns(environ: dict[str, str]):
    """Where there is no terminal a table is at most 120 columns wide, a line a run."""
    lines = history(environ, "--days", "41").stdout.decode().splitlines()
    assert lines[0] == "Times in America/New_York, rates in Mbit/s, latency in ms."
    assert [line.split()[2] for line in lines[2:]] == ["ok", "failed"]
    assert max(len(line) for line in lines) <= 120


@pytest.mark.usefixtures("two_runs")
def test_csv_is_rfc_4180(environ: dict[str, str]):
    """Lines end in CRLF, and a name with a comma, quotes and a line end is one field."""
    text = history(environ, "--csv").stdout
    (row,) = csv.DictReader(io.StringIO(text.decode(), newline=""))
    assert (row["isp"], row["download_bps"]) == ('Kabel, "Süd"\nGmbH', "95656417")
    assert text.endswith(b"\r\n")


@pytest.mark.parametrize(
    ("argv", "output"),
    [((), "No runs in the last 30 days."), (("--json",), "[]\n"), (("--csv",), "id,probe,started_at,")],
)
def test_an_empty_store(environ: dict[str, str], argv: tuple[str, ...], output: str):
    """A person gets a sentence, a program an empty array or the header alone."""
    done = history(environ, *argv)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().startswith(output)


@pytest.mark.parametrize("argv", [("--json", "--csv"), ("--days", "0"), ("--days", "soon"), ("--jsno",)])
def test_arguments_that_cannot_be_used(environ: dict[str, str], argv: tuple[str, ...]):
    """They are usage errors: exit code 2, nothing on standard output, no traceback."""
    done = history(environ, *argv)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"Traceback" not in done.stderr


def test_a_damaged_database(environ: dict[str, str], tmp_path: Path):
    """One line names the file; exit code 2."""
    (tmp_path / "speedmon.db").write_text("garbage" * 500)
    done = history(environ)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)
    assert f"{tmp_path}/speedmon.db: is damaged or not a SQLite database" in done.stderr.decode()


@pytest.mark.usefixtures("two_runs")
def test_a_zone_that_nobody_knows(environ: dict[str, str]):
    """A wrong time zone is a mistake of the configuration."""
    done = history(environ | {"SPEEDMON_DISPLAY__TIMEZONE": "Mars/Olympus"})
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
    assert b"Mars/Olympus" in done.stderr


@pytest.mark.usefixtures("two_runs")
def test_sparklines_stand_above_the_table(environ: dict[str, str]):
    """Three lines, then the table as ever; a failed test is a cross."""
    ended = history(environ, "--sparkline", "--days", "41")
    lines = ended.stdout.decode().splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["Download", "Upload", "Latency", "Times"]
    assert "x" in lines[0]
    assert "█" in lines[0]


@pytest.mark.parametrize("form", [(), ("--csv",), ("--json",), ("--verbose",)])
@pytest.mark.usefixtures("two_runs")
def test_a_reader_that_leaves_early_hears_no_complaint(environ: dict[str, str], form: tuple[str, ...]):
    """`history | head` ends the query before it closes the database."""
    theirs, ours = os.pipe()
    os.close(theirs)
    called = [*COMMAND, "history", "--days", "41", *form]
    ended = subprocess.run(called, env=environ, stdout=ours, stderr=subprocess.PIPE, check=False, timeout=60)
    os.close(ours)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_sparklines_are_not_for_programs(environ: dict[str, str]):
    """A line of blocks above it would make the JSON invalid."""
    ended = history(environ, "--sparkline", "--json")
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert b"--sparkline" in ended.stderr
