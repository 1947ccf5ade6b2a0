"""`speedmon db upgrade` and `speedmon db check`."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from attempts import attempt

from monitor.store.open import open_writer
from monitor.store.write import add

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = [sys.executable, "-W", "error", "-c", "from monitor.cli import main; main()", "db"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the database of a test lies; it is not there yet."""
    return tmp_path / "speedmon.db"


def db(file: Path, command: str) -> tuple[int, str]:
    """Run a command; return its exit code and what it said, without the URL."""
    environ = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "SPEEDMON_DATABASE_URL": f"sqlite:///{file}"}
    done = subprocess.run([*COMMAND, command], env=environ, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, (done.stdout + done.stderr).replace(f"sqlite:///{file}", "URL").replace(str(file), "FILE")


def change(file: Path, *statements: str) -> None:
    """Change a database behind the program's back."""
    with closing(sqlite3.connect(file)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def test_upgrade_makes_the_database_and_then_finds_it_current(file: Path):
    """It says what it did."""
    assert db(file, "upgrade") == (0, "URL: made with schema 0003\n")
    assert db(file, "upgrade") == (0, "URL: schema 0003 is current\n")


def test_check_counts_the_runs(file: Path):
    """A sound database is told with its schema and its size."""
    with open_writer(f"sqlite:///{file}") as connection:
        add(connection, attempt())
    assert db(file, "check") == (0, "URL: sound, schema 0003, runs: 1\n")


def test_check_makes_nothing(file: Path):
    """Where there is no database it says so and leaves it at that."""
    assert db(file, "check") == (2, "speedmon: FILE: there is no database yet: `speedmon db upgrade` makes one\n")
    assert not file.exists()


def test_check_finds_a_damaged_page(file: Path):
    """A page that was overwritten is found; exit code 2, one line."""
    with open_writer(f"sqlite:///{file}") as connection:
        for minute in range(200):
            add(connection, attempt(minute))
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


def test_check_tells_of_another_schema(file: Path):
    """An older schema is no damage but wants an upgrade."""
    db(file, "upgrade")
    change(file, "UPDATE alembic_version SET version_num = '0000'")
    assert db(file, "check") == (
        2,
        "speedmon: URL: has schema 0000, this speedmon wants 0003: run `speedmon db upgrade`\n",
    )
