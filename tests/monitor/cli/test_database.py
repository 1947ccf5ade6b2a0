"""`speedmon db`: upgrade, check, backup, prune and vacuum."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from example_runs import START, make_attempt
from sqlalchemy import func, select

from monitor.store import buckets
from monitor.store.connection import open_reader, open_writer
from monitor.store.read import RunFilter
from monitor.store.tables import SCHEMA_VERSION, raw_output, rollups
from monitor.store.write import add_attempt, add_attempts

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = [sys.executable, "-W", "error", "-c", "from monitor.cli.main import main; main()", "db"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the database of a test lies; it is not there yet."""
    return tmp_path / "speedmon.db"


def db(file: Path, *arguments: str, **settings: str) -> tuple[int, str]:
    """Run a command; return its exit code and what it said, without the URL."""
    environ = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "SPEEDMON_DATABASE_URL": f"sqlite:///{file}"}
    environ |= settings
    done = subprocess.run([*COMMAND, *arguments], env=environ, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, (done.stdout + done.stderr).replace(f"sqlite:///{file}", "URL").replace(str(file), "FILE")


def change(file: Path, *statements: str) -> None:
    """Change a database behind the program's back."""
    with closing(sqlite3.connect(file)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def test_upgrade_makes_the_database_and_then_finds_it_current(file: Path):
    """It says what it did."""
    assert db(file, "upgrade") == (0, f"URL: created with schema {SCHEMA_VERSION}\n")
    assert db(file, "upgrade") == (0, f"URL: schema {SCHEMA_VERSION} is current\n")


def test_check_counts_the_runs(file: Path):
    """A sound database is reported with its schema and number of runs."""
    with open_writer(f"sqlite:///{file}") as connection:
        add_attempt(connection, make_attempt())
    assert db(file, "check") == (0, f"URL: sound, schema {SCHEMA_VERSION}, runs: 1\n")


def test_check_makes_nothing(file: Path):
    """Where there is no database it says so and leaves it at that."""
    assert db(file, "check") == (2, "speedmon: FILE: there is no database yet: `speedmon db upgrade` creates one\n")
    assert not file.exists()


def test_check_finds_a_damaged_page(file: Path):
    """A page that was overwritten is found; exit code 2, one line."""
    with open_writer(f"sqlite:///{file}") as connection:
        for minute in range(200):
            add_attempt(connection, make_attempt(minute))
    with file.open("r+b") as pages:
        pages.seek(file.stat().st_size // 2)
        pages.write(os.urandom(8192))
    code, words = db(file, "check")
    assert (code, words.count("\n")) == (2, 1)
    assert "is damaged" in words


def test_check_finds_output_without_a_run(file: Path):
    """A row that belongs to nothing is a problem."""
    db(file, "upgrade")
    change(file, "PRAGMA foreign_keys = OFF", "INSERT INTO raw_output VALUES (7, '')")
    code, words = db(file, "check")
    assert (code, words) == (
        2,
        "speedmon: URL: is damaged (raw_output row 7 belongs to no row of runs): restore a backup\n",
    )


def test_check_reports_another_schema(file: Path):
    """An older schema is not damage; the line says how to upgrade it."""
    db(file, "upgrade")
    change(file, "UPDATE alembic_version SET version_num = '0000'")
    assert db(file, "check") == (
        2,
        f"speedmon: URL: has schema 0000, this speedmon needs {SCHEMA_VERSION}: run `speedmon db upgrade`\n",
    )


def fill(file: Path, *ages: int) -> None:
    """Store runs of so many days ago."""
    with open_writer(f"sqlite:///{file}") as connection:
        add_attempts(connection, [make_attempt((NOW - START) / MINUTE - age * 1440) for age in ages])


NOW, MINUTE = datetime.now(UTC).replace(microsecond=0), timedelta(minutes=1)


def test_check_finds_sums_that_are_wrong_and_fixes_them(file: Path):
    """A roll-up that is not what the runs say is reported with the fix, and recomputed on request."""
    fill(file, 0)
    change(file, "UPDATE rollups SET runs = 7 WHERE span = 3600")
    code, words = db(file, "check")
    # The day is the sum of its hours, so a wrong hour makes what is above it wrong as well.
    wrong = "2 sums of hours and days do not match the runs: `speedmon db check --fix` recomputes them"
    assert (code, words) == (2, f"speedmon: URL: {wrong}\n")
    assert db(file, "check", "--fix")[0] == 0
    assert db(file, "check") == (0, f"URL: sound, schema {SCHEMA_VERSION}, runs: 1\n")


def test_check_finds_packed_days_that_are_wrong_and_fixes_them(file: Path):
    """A day that is not packed as its runs say is reported with the fix, and packed again on request."""
    fill(file, 0, 1, 2)
    change(file, "UPDATE packed_days SET download_bps = x''", "UPDATE rollups SET runs = 7 WHERE span = 86400")
    wrong = "3 sums of hours and days and 2 packed days"
    fix = "do not match the runs: `speedmon db check --fix` recomputes them"
    assert db(file, "check") == (2, f"speedmon: URL: {wrong} {fix}\n")
    assert db(file, "check", "--fix") == (0, f"URL: recomputed {wrong}\nURL: sound, schema {SCHEMA_VERSION}, runs: 3\n")
    assert db(file, "check")[0] == 0


def test_a_backup_is_a_sound_copy_of_one_moment(file: Path, tmp_path: Path):
    """A copy that is made while somebody writes is one plain file, and holds what was committed."""
    fill(file, 0, 1)
    copy = tmp_path / "a copy%20?.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM runs")
        assert db(file, "backup", str(copy)) == (0, f"{copy}: a sound copy, schema {SCHEMA_VERSION}, runs: 2\n")
    assert sorted(file.name for file in tmp_path.iterdir() if "copy" in file.name) == [copy.name]
    copy.rename(tmp_path / "copy.db")
    assert db(tmp_path / "copy.db", "check")[0] == 0


def test_a_backup_overwrites_nothing(file: Path, tmp_path: Path):
    """A file that is there stays as it is; exit code 2."""
    fill(file, 0)
    (tmp_path / "kept").write_text("kept")
    code, words = db(file, "backup", str(tmp_path / "kept"))
    assert (code, words) == (2, f"speedmon: {tmp_path}/kept: already exists: name a file that does not\n")
    assert (tmp_path / "kept").read_text() == "kept"


def test_a_backup_of_a_damaged_database_is_removed(file: Path, tmp_path: Path):
    """A copy that is not sound is removed, and the command says so."""
    fill(file, *range(300))
    with file.open("r+b") as pages:
        pages.seek(file.stat().st_size // 2)
        pages.write(os.urandom(8192))
    code, words = db(file, "backup", str(tmp_path / "copy.db"))
    assert (code, words.count("\n")) == (2, 1)
    assert words.startswith("speedmon: FILE: its copy is not sound (")
    assert not (tmp_path / "copy.db").exists()


@pytest.mark.parametrize("command", ["backup", "vacuum"])
def test_there_must_be_a_file_to_care_for(file: Path, tmp_path: Path, command: str):
    """Where there is no database nothing is made; of PostgreSQL it says who does it there."""
    arguments = [command, str(tmp_path / "copy.db")] if command == "backup" else [command]
    assert db(file, *arguments) == (2, "speedmon: FILE: there is no database yet: `speedmon db upgrade` creates one\n")
    other = db(file, *arguments, SPEEDMON_DATABASE_URL="postgresql://joe:secret@host/name")
    assert other[0] == 2
    assert other[1].startswith("speedmon: postgresql://joe:***@host/name: is not a SQLite file: ")
    assert list(tmp_path.iterdir()) == []


AGES = {"SPEEDMON_RETENTION__RUNS_DAYS": "100", "SPEEDMON_RETENTION__ROLLUPS_DAYS": "1000"}


def test_prune_says_first_what_it_would_remove(file: Path):
    """Without --yes nothing is removed; each kind is listed with its own age."""
    fill(file, 0, 95, 200, 2000)
    before = file.read_bytes()
    code, words = db(file, "prune", **AGES)
    lines = [line.partition(" from ")[0] for line in words.splitlines()]
    assert (code, lines) == (
        0,
        ["raw output: 3", "traces and findings: 0", "runs: 2", "roll-ups: 4", "nothing has been removed: add --yes"],
    )
    assert file.read_bytes() == before


def test_prune_removes_what_is_old_and_keeps_the_sums(file: Path):
    """Raw output, runs and roll-ups go at their own ages; the sums of removed runs are kept, and are not an error."""
    fill(file, 0, 95, 200, 2000)
    assert "runs: 2 from before " in db(file, "prune", "--yes", **AGES)[1]
    assert db(file, "check") == (0, f"URL: sound, schema {SCHEMA_VERSION}, runs: 2\n")
    with open_reader(f"sqlite:///{file}") as connection:
        assert connection.scalar(select(func.count()).select_from(raw_output)) == 1
        window = RunFilter(NOW - timedelta(days=3000), NOW + MINUTE)
        assert sum(bucket.runs for bucket in buckets.read_buckets(connection, window, zone=UTC, most=20)) == 3
    assert db(file, "prune", "--yes", **AGES)[1].count(": 0 from before") == 4


def test_a_run_that_comes_back_does_not_change_a_sum_that_counts_it(file: Path):
    """An import of what was pruned stores the runs, and leaves the sums of that time as they were."""
    fill(file, 200, 200)
    db(file, "prune", "--yes", **AGES)
    fill(file, 200)
    with open_reader(f"sqlite:///{file}") as connection:
        assert set(connection.scalars(select(rollups.c.runs))) == {2}
    assert db(file, "check", "--fix")[0] == 0


def test_prune_keeps_for_ever_what_no_age_is_set_for(file: Path):
    """Runs and their sums stay unless the settings say otherwise."""
    fill(file, 4000)
    words = db(file, "prune", "--yes")[1]
    assert "runs: kept for ever\nroll-ups: kept for ever\n" in words
    assert "runs: 1" in db(file, "check")[1]


def test_vacuum_gives_room_back(file: Path):
    """After a removal the file shrinks, and it is still sound."""
    fill(file, *range(300, 900))
    db(file, "prune", "--yes", **AGES)
    before = file.stat().st_size
    code, words = db(file, "vacuum")
    assert (code, words) == (0, f"URL: {before:,} bytes before, {file.stat().st_size:,} now\n")
    assert file.stat().st_size < before
    assert db(file, "check")[0] == 0
