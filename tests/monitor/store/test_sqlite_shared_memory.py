"""On a file system that cannot share memory between processes the database works in another journal mode."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from example_runs import make_attempt
from places import SUPPORT

from monitor.store.deliver import deliver_attempt

if TYPE_CHECKING:
    from pathlib import Path

# In the header of a database file: the versions of the format to write and to read, 1 for a journal and 2 for WAL.
FORMAT = slice(18, 20)

ROLLBACK, WAL = b"\1\1", b"\2\2"

SAYS = "its file system cannot share memory between processes, so the database uses the journal mode DELETE"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build what imitates such a file system."""
    library = tmp_path_factory.mktemp("library") / "no_shared_memory.so"
    source = SUPPORT / "no_shared_memory.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)  # noqa: S607  on any system
    return library


@pytest.fixture
def environ(tmp_path: Path, library: Path) -> dict[str, str]:
    """Return an environment whose database lies on such a file system."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "SPEEDMON_DATABASE_URL": f"sqlite:///{tmp_path}/speedmon.db",
        "LD_PRELOAD": str(library),
        "NO_SHARED_MEMORY": str(tmp_path),
    }


def speedmon(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command."""
    argv = [sys.executable, "-m", "monitor", *arguments]
    return subprocess.run(argv, env=environ, check=False, capture_output=True, text=True, timeout=120)


def test_a_new_database_does_without(environ: dict[str, str], tmp_path: Path):
    """Every command works, and the reason is said once, when the database is made."""
    first = speedmon(environ, "db", "upgrade")
    assert first.returncode == 0, first.stderr
    assert SAYS in first.stderr
    for command in (["history"], ["db", "check"], ["db", "backup", f"{tmp_path}/copy.db"], ["db", "vacuum"]):
        done = speedmon(environ, *command)
        assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "speedmon.db").read_bytes()[FORMAT] == ROLLBACK


def test_a_database_that_came_from_elsewhere_is_switched(environ: dict[str, str], tmp_path: Path):
    """A file in WAL mode cannot be read there; the first command changes that, and says so once."""
    deliver_attempt(make_attempt(), environ["SPEEDMON_DATABASE_URL"], tmp_path / "spool")
    assert (tmp_path / "speedmon.db").read_bytes()[FORMAT] == WAL
    first, second = (speedmon(environ, "export", "--format", "csv") for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0), first.stderr
    assert SAYS in first.stderr
    assert second.stderr == ""
    assert (first.stdout.count("\n"), first.stdout) == (2, second.stdout)
    assert (tmp_path / "speedmon.db").read_bytes()[FORMAT] == ROLLBACK


def test_a_database_in_use_there_is_one_error(environ: dict[str, str], tmp_path: Path):
    """Where the mode cannot be changed, one line names the reason and what to do."""
    deliver_attempt(make_attempt(), environ["SPEEDMON_DATABASE_URL"], tmp_path / "spool")
    hold = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM runs'); print(); input()"
    argv = [sys.executable, "-c", hold, str(tmp_path / "speedmon.db")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        holder.stdout.readline()
        done = speedmon(environ, "history")
        holder.communicate("\n")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "its file system cannot share memory between processes" in done.stderr
    assert (
        "run `speedmon db upgrade` as its owner while nothing else uses it, or move it to a local disk" in done.stderr
    )


def test_elsewhere_it_is_switched_back(environ: dict[str, str], tmp_path: Path):
    """Moved to a local disk, the database gets its WAL again with the next run."""
    speedmon(environ, "db", "upgrade")
    deliver_attempt(make_attempt(), environ["SPEEDMON_DATABASE_URL"], tmp_path / "spool")
    assert (tmp_path / "speedmon.db").read_bytes()[FORMAT] == WAL
