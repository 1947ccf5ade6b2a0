"""A store that cannot be used: one line that names the file and the fix, and nothing is destroyed."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from example_runs import make_attempt

from monitor.errors import StoreBusyError, StoreError
from monitor.store import read
from monitor.store.connection import open_reader, open_writer
from monitor.store.write import add_attempt

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from private_machine import PrivateMachine

SPEEDMON = [sys.executable, "-W", "error", "-c", "from monitor.cli.main import main; main()"]

STATE = "/var/lib/speedmon"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the database of a test lies."""
    return tmp_path / "speedmon.db"


def url_of(file: Path) -> str:
    """Return the URL of a database file."""
    return f"sqlite:///{file}"


def read_it(file: Path) -> None:
    """Read a database."""
    with open_reader(url_of(file)) as connection:
        read.count_runs(connection)


def write_it(file: Path) -> None:
    """Store a run in a database."""
    with open_writer(url_of(file)) as connection:
        add_attempt(connection, make_attempt())


def spoil(file: Path) -> None:
    """Put something in the place of a database."""
    file.write_bytes(b"this is no database, but somebody may need it\n" * 200)


def occupy(file: Path) -> None:
    """Put a directory there."""
    file.mkdir()


def belong_to_another(file: Path) -> None:
    """Make the database of another program."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE results (id INTEGER)")


def be_newer(file: Path) -> None:
    """Make a database that a later release upgraded."""
    write_it(file)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.execute("INSERT INTO schema_history VALUES ('9999', '9.9 (commit abc)', 1790000000)")
        connection.commit()


def be_newer_without_history(file: Path) -> None:
    """Make a database of a later release that does not say which."""
    be_newer(file)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("DROP TABLE schema_history")
        connection.commit()


@pytest.mark.parametrize("use", [read_it, write_it])
@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (spoil, "is damaged or not a SQLite database"),
        (occupy, "is a directory"),
        (belong_to_another, "tables of another program"),
        (
            be_newer,
            r"was written by speedmon 9.9 \(commit abc\) with schema 9999, and this is .*: install that version",
        ),
        (be_newer_without_history, "was written by speedmon of a later release with schema 9999"),
    ],
)
def test_a_database_that_cannot_be_used(
    file: Path, use: Callable[[Path], None], trouble: Callable[[Path], None], words: str
):
    """Reading and writing say what is wrong with the file, and leave it as it was."""
    trouble(file)
    before = file.read_bytes() if file.is_file() else None
    with pytest.raises(StoreError, match=words) as caught:
        use(file)
    assert str(file) in str(caught.value)
    assert before == (file.read_bytes() if file.is_file() else None)


def test_a_parent_that_is_a_file(tmp_path: Path):
    """A path through a file is named as such."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="Not a directory"):
        read_it(tmp_path / "file" / "speedmon.db")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("speedmon.db", "is not a database URL"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("nosuchdb://host/name", "only SQLite and PostgreSQL are supported"),
        ("postgresql+nosuchdriver://joe:secret@host/name", "driver for this database is missing"),
        ("postgresql://joe:secret@host:port/name", "write a URL such as"),
    ],
)
def test_a_url_that_cannot_be_used(url: str, words: str):
    """The message names the URL without its password, and an example of a valid one or the reason."""
    with pytest.raises(StoreError, match=words) as caught, open_reader(url):
        pass
    assert "secret" not in str(caught.value)


def test_a_lock_that_is_held_too_long(file: Path):
    """A writer waits for another process, then says so and that a retry makes sense."""
    write_it(file)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusyError, match="held its lock for 5 s: try again") as caught:
            write_it(file)
    assert caught.value.retryable


def test_a_reader_does_not_wait_for_a_writer(file: Path):
    """While somebody writes, a reader sees what was there before."""
    write_it(file)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM runs")
        with open_reader(url_of(file)) as connection:
            assert read.count_runs(connection) == 1


def speedmon(machine: PrivateMachine, *argv: str, user: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command on the private machine, with the database below /var/lib."""
    env = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/nowhere",
        "SPEEDMON_DATABASE_URL": f"sqlite:///{STATE}/runs.db",
    }
    return machine.run([*SPEEDMON, *argv], user=user, env=env, check=False)


def test_a_database_on_a_read_only_file_system_can_be_read(machine: PrivateMachine):
    """`history` works on a read-only mount; what must write says in one line that it is one."""
    machine.run(["sh", "-c", f"mkdir {STATE} && mount -t tmpfs state {STATE}"])
    assert speedmon(machine, "db", "upgrade").returncode == 0
    machine.run(["mount", "-o", "remount,bind,ro", STATE])
    assert speedmon(machine, "history", "--json").stdout == "[]\n"
    refused = speedmon(machine, "db", "upgrade")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "read-only file system" in refused.stderr


def test_a_disk_that_fills_up(machine: PrivateMachine):
    """Making a database without room ends in one line, and works once there is some."""
    machine.run(["sh", "-c", f"mkdir {STATE} && mount -t tmpfs -o size=1m state {STATE}"])
    machine.run(["sh", "-c", f"cat /dev/zero >{STATE}/filler"], check=False)
    full = speedmon(machine, "db", "upgrade")
    assert (full.returncode, full.stderr.count("\n")) == (1, 1)
    assert "no space left on its device" in full.stderr
    machine.run(["rm", f"{STATE}/filler"])
    assert speedmon(machine, "db", "check").returncode == 2
    assert speedmon(machine, "db", "upgrade").returncode == 0


@pytest.mark.root
def test_a_directory_of_root_is_read_only_to_others(machine: PrivateMachine):
    """A plain user can list what root collected; one line says why no run can be stored."""
    machine.add_user("alice", 1234)
    machine.run(["mkdir", STATE])
    assert speedmon(machine, "db", "upgrade").returncode == 0
    assert speedmon(machine, "history", "--json", user="alice").stdout == "[]\n"
    refused = speedmon(machine, "db", "upgrade", user="alice")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "its directory cannot be written (permission denied)" in refused.stderr


@pytest.mark.root
def test_a_database_that_others_may_not_read(machine: PrivateMachine):
    """For a plain user, one line says that the state directory is closed."""
    machine.add_user("alice", 1234)
    machine.run(["mkdir", "-m", "700", STATE])
    refused = speedmon(machine, "history", user="alice")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "Permission denied" in refused.stderr
