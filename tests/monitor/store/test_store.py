"""The store: what goes in comes out, by window and by index, in transactions that other processes respect."""

from __future__ import annotations

import dataclasses
import sqlite3
import subprocess
import sys
import uuid
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec
import pytest
from example_runs import DNS, START, any_attempt, make_attempt, make_failed_attempt, run_id
from hypothesis import given, settings
from sqlalchemy import event, insert, select, update
from sqlalchemy.dialects import sqlite as dialect

from monitor.errors import StoreError, StoreRejectedError, UsageError
from monitor.model import Attempt, FailureKind, NetworkPath, RawOutput, Run, Scope, Server, Status
from monitor.store import packed_days, read, rollups, tables
from monitor.store.columnar import read_columns
from monitor.store.connection import open_reader, open_writer
from monitor.store.read import RunFilter
from monitor.store.write import add_attempt, add_attempts

if TYPE_CHECKING:
    import pathlib

HOUR = timedelta(hours=1)

DAY = timedelta(days=1)


@pytest.fixture
def file(tmp_path: pathlib.Path) -> pathlib.Path:
    """Return where the database of a test lies; it is not there yet."""
    return tmp_path / "state" / "speedmon.db"


@pytest.fixture
def url(either_url: str) -> str:
    """Return the URL of an empty store, on each of the two databases."""
    return either_url


@pytest.fixture
def sqlite_url(file: pathlib.Path) -> str:
    """Return the URL of a SQLite database, for what only that can show."""
    return f"sqlite:///{file}"


@pytest.fixture(scope="module")
def shared_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the URL of a database that all examples of a property share."""
    return f"sqlite:///{tmp_path_factory.mktemp('shared')}/speedmon.db"


def store(url: str, *attempts: Attempt) -> None:
    """Store attempts in one transaction."""
    with open_writer(url) as connection:
        for one in attempts:
            add_attempt(connection, one)


def test_runs_that_are_days_apart_need_few_statements(url: str):
    """As in the imported log of a test every third day."""
    store(url, make_attempt(40 * 1440 + 5), make_attempt(41 * 1440))
    statements: list[str] = []
    with open_writer(url) as connection:
        event.listen(
            connection, "before_cursor_execute", lambda _connection, _cursor, text, *_others: statements.append(text)
        )
        add_attempts(connection, [make_attempt(-number * 3 * 1440) for number in range(200)])
    assert len(statements) < 500
    with open_reader(url) as connection:
        assert rollups.count_mismatches(connection) == packed_days.count_mismatches(connection) == 0


@settings(max_examples=60, deadline=None)
@given(any_attempt)
def test_every_run_comes_back_as_it_went_in(shared_url: str, one: Attempt):
    """Whatever the domain types can hold survives the store."""
    # Examples share a database and repeat ids; a run of a known id would be left as it is.
    one = dataclasses.replace(one, run=dataclasses.replace(one.run, id=str(uuid.uuid4())))
    until = one.run.started_at + timedelta(seconds=1)
    with open_writer(shared_url) as connection:
        add_attempt(connection, one)
        stored = [
            run for run in read.read_runs(connection, RunFilter(one.run.started_at, until)) if run.id == one.run.id
        ]
        attempt = read.find_attempt(connection, one.run.id)
    assert stored == [one.run]
    assert attempt == one


AB, AC = (f"{beginning}000000-0000-4000-8000-000000000000" for beginning in ("ab", "ac"))


@pytest.mark.parametrize(("beginning", "words"), [("c", "no run's id begins"), ("a", "more than one"), ("%", "no run")])
def test_a_beginning_that_names_no_run_or_several(url: str, beginning: str, words: str):
    """A run is found by the beginning of its id, if it is one run's alone."""
    store(url, make_attempt(id=AB), make_attempt(id=AC))
    with open_reader(url) as connection:
        assert read.find_attempt(connection, "ab").run.id == AB
        with pytest.raises(UsageError, match=words):
            read.find_attempt(connection, beginning)


def test_the_plan_and_the_output_are_stored_beside_the_run(url: str):
    """The plan is in the run's row, the engine's words in a row of their own."""
    store(url, make_attempt())
    with open_reader(url) as connection:
        plan = connection.execute(select(*(tables.runs.c[f"plan_{name}"] for name in PLAN))).one()
        pk, output = connection.execute(select(tables.raw_output)).one()
    assert (tuple(plan), pk) == ((100_000_000, None, 20.0), 1)
    assert tables.decode_output(output) == RawOutput("{}", "[e]")


PLAN = ("download_bps", "upload_bps", "latency_ms")


def test_nothing_measured_is_null(sqlite_url: str, file: pathlib.Path):
    """A failed run has no number in the file, neither 0 nor -1."""
    store(sqlite_url, make_failed_attempt())
    with closing(sqlite3.connect(file)) as connection:
        row = connection.execute("SELECT download_bps, latency_ms, isp_pk, server_pk FROM runs").fetchone()
    assert row == (None, None, None, None)


def test_moments_are_integers(sqlite_url: str, file: pathlib.Path):
    """The file holds epoch seconds."""
    store(sqlite_url, make_attempt())
    with closing(sqlite3.connect(file)) as connection:
        row = connection.execute("SELECT started_at, typeof(started_at), finished_at - started_at FROM runs").fetchone()
    assert row == (int(START.timestamp()), "integer", 21)


def test_a_run_is_stored_once(url: str):
    """Adding a run again, in the same transaction or later, changes nothing."""
    one = make_attempt()
    store(url, one, one)
    store(url, dataclasses.replace(one, run=dataclasses.replace(one.run, isp="other")))
    with open_reader(url) as connection:
        assert (read.count_runs(connection), read.last_run(connection)) == (1, one.run)


def test_many_are_stored_and_counted(url: str):
    """Of runs that are added together, those that are already stored are not changed and are counted separately."""
    known, new = make_attempt(), make_attempt(1)
    store(url, known)
    with open_writer(url) as connection:
        assert add_attempts(connection, iter([known, new, new])) == (1, 2)
    with open_reader(url) as connection:
        assert read.latest_runs(connection, limit=9) == [new.run, known.run]


def test_a_server_of_which_nothing_is_known_is_none(url: str):
    """An empty server and no server are the same."""
    store(url, make_attempt(server=Server()))
    with open_reader(url) as connection:
        assert read.latest_runs(connection, limit=1)[0].server is None


def test_a_window_holds_its_start_and_not_its_end(url: str):
    """[since, until): neighbouring windows share no run and lose none."""
    store(url, make_attempt(0), make_attempt(60), make_attempt(120))
    with open_reader(url) as connection:
        windows = [
            list(read.read_runs(connection, RunFilter(START + k * HOUR, START + (k + 1) * HOUR))) for k in range(3)
        ]
    assert [len(window) for window in windows] == [1, 1, 1]


def test_a_window_between_seconds_starts_with_the_next_second(url: str):
    """A start or end within a second is rounded to the second that follows."""
    store(url, make_attempt())
    half = timedelta(milliseconds=500)
    with open_reader(url) as connection:
        after = list(read.read_runs(connection, RunFilter(START + half, START + HOUR)))
        upto = list(read.read_runs(connection, RunFilter(START - HOUR, START + half)))
    assert (len(after), len(upto)) == (0, 1)


@pytest.mark.parametrize(("newest_first", "order"), [(False, [0, 1, 1, 2]), (True, [2, 1, 1, 0])])
def test_a_window_is_in_order(url: str, newest_first: bool, order: list[int]):
    """Runs come by their start, whatever order they were stored in."""
    store(url, *(make_attempt(minute) for minute in (1, 2, 0, 1)))
    with open_reader(url) as connection:
        runs = read.read_runs(connection, RunFilter(START, START + HOUR), newest_first=newest_first)
        assert [(run.started_at - START) / timedelta(minutes=1) for run in runs] == order


def test_a_window_can_be_of_one_path(url: str):
    """A result that went another way is not among those of a path."""
    store(url, make_attempt(), make_attempt(1, path=NetworkPath.HOST))
    with open_reader(url) as connection:
        runs = read.read_runs(connection, RunFilter(START, START + HOUR, NetworkPath.HOST))
        assert [run.path for run in runs] == [NetworkPath.HOST]


def test_the_latest_runs_come_newest_first(url: str):
    """`latest` is limited by number and by age."""
    store(url, *(make_attempt(minute) for minute in range(5)))
    with open_reader(url) as connection:
        newest = read.latest_runs(connection, limit=2)
        recent = read.latest_runs(connection, limit=9, since=START + timedelta(minutes=3))
    assert [run.started_at.minute for run in newest] == [run.started_at.minute for run in recent] == [21, 20]


def test_an_empty_store_has_no_last_run(url: str):
    """Reading makes the database, and finds nothing in it."""
    with open_reader(url) as connection:
        assert (read.last_run(connection), read.count_runs(connection)) == (None, 0)


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("path", [None, NetworkPath.HOST])
def test_a_window_is_an_index_search(sqlite_url: str, newest_first: bool, path: NetworkPath | None):
    """SQLite searches the index by both ends and sorts nothing, in either direction."""
    statement = read.window_query(RunFilter(START, START + DAY, path), newest_first=newest_first)
    sql = statement.compile(dialect=dialect.dialect(), compile_kwargs={"literal_binds": True}).string
    with open_reader(sqlite_url) as connection:
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}")]
    assert plan[0] == "SEARCH runs USING INDEX ix_runs_started_at (started_at>? AND started_at<?)"
    assert {step.partition(" (")[0] for step in plan[1:]} == {
        f"SEARCH {name} USING INTEGER PRIMARY KEY" for name in ("probes", "isps", "servers")
    }


def read_and_interrupt(url: str) -> list[Run]:
    """Read the first run of many, interrupt the database's work, and read the others."""
    with open_reader(url) as connection:
        stream = read.read_runs(connection, RunFilter(START, START + 2 * DAY))
        first = next(stream)
        connection.connection.driver_connection.interrupt()  # type: ignore[union-attr]  it is a sqlite3.Connection
        return [first, *stream]


def test_a_window_is_streamed(sqlite_url: str):
    """The first run is there while the database still works on the others: they are not all in memory."""
    with open_writer(sqlite_url) as connection:
        add_attempts(connection, [make_attempt(minute) for minute in range(1500)])
    with pytest.raises(StoreError, match="interrupted"):
        read_and_interrupt(sqlite_url)


def test_a_kind_of_a_newer_program_is_unknown_to_this_one(url: str):
    """A row that a newer program wrote can still be read."""
    store(url, make_failed_attempt())
    with open_writer(url) as connection:
        connection.execute(update(tables.runs).values(failure_kind="solar_flare", failure_scope="sun"))
    with open_reader(url) as connection:
        failure = read.latest_runs(connection, limit=1)[0].failure
    assert failure is not None
    assert (failure.kind, failure.scope, failure.message) == (
        FailureKind.UNKNOWN,
        Scope.UNKNOWN,
        "Could not resolve host",
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"download_bps": -1},
        {"latency_ms": -0.1},
        {"packet_loss_pct": 100.1},
        {"ip_family": 5},
        {"upload_bytes": 2**63},
        {"status": "fine"},
        {"status": Status.FAILED, "download_bps": 1},
        {"status": Status.SKIPPED, "healthy": True},
        {"failure": DNS},
        {"finished_at": START},
        {"attempt": 0},
        {"retry_of": run_id("7")},
        {"retry_of": "../6"},
    ],
)
def test_what_cannot_be_true_is_refused(url: str, changes: dict[str, object]):
    """A value that the schema excludes is an error that names the run, and nothing of it is stored."""
    with pytest.raises(StoreRejectedError, match=f"run {run_id('7')} cannot be stored"):
        store(url, make_attempt(id=run_id("1")), make_attempt(1, id=run_id("7"), **changes))
    with open_reader(url) as connection:
        assert read.count_runs(connection) == 0


@pytest.mark.parametrize("odd", ["", "7", "../../etc/passwd", AB.upper(), AB + "\n", "\uff41" + AB[1:]])
def test_an_id_that_is_no_uuid_is_refused(url: str, odd: str):
    """Wherever a run comes from, its id can be no path and no pattern."""
    with pytest.raises(StoreRejectedError, match=r"cannot be stored: its id is not a UUID"):
        store(url, make_attempt(id=odd))


def test_output_goes_with_its_run(url: str):
    """Deleting a run deletes what the engine printed: foreign keys are on."""
    store(url, make_attempt())
    with open_writer(url) as connection:
        connection.execute(tables.runs.delete())
        assert connection.scalar(select(tables.raw_output.c.run_pk)) is None


def test_a_reader_cannot_write(url: str):
    """A connection for reading refuses a write, in one line."""
    with pytest.raises(StoreError, match=r"read-?only"), open_reader(url) as connection:
        connection.execute(insert(tables.raw_output).values(run_pk=1, output=b""))


def test_a_writer_holds_the_lock_from_its_start(sqlite_url: str, file: pathlib.Path):
    """Nobody else can begin to write before the transaction ends, so no update is lost."""
    with open_writer(sqlite_url) as connection:
        read.count_runs(connection)
        with (
            closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as other,
            pytest.raises(sqlite3.OperationalError, match="locked"),
        ):
            other.execute("BEGIN IMMEDIATE")


def test_a_reader_sees_one_moment(url: str):
    """A run that is stored while a reader looks does not appear to it, and the writer need not wait."""
    store(url, make_attempt())
    with open_reader(url) as connection:
        before = read.count_runs(connection)
        store(url, make_attempt(1))
        assert before == read.count_runs(connection) == 1


@pytest.mark.parametrize(("second", "year"), [(-1, 1969), (2**32, 2106)])
def test_a_time_that_does_not_fit_into_columns_is_refused(url: str, second: int, year: int):
    """A clock that is so wrong is named with its run; the first and the last second that fit are stored and read."""
    with pytest.raises(StoreRejectedError, match=f"it started in the year {year}"):
        store(url, make_attempt(started_at=datetime.fromtimestamp(second, UTC)))
    ends = [datetime.fromtimestamp(at, UTC) for at in (0, 2**32 - 1)]
    store(url, *(make_attempt(started_at=at) for at in ends))
    with open_reader(url) as connection:
        columns = read_columns(connection, RunFilter(ends[0], ends[1] + timedelta(seconds=1)), ())
    assert columns.started.tolist() == [0, 2**32 - 1]


def test_a_failed_transaction_leaves_nothing(url: str):
    """An error inside the block takes back what the block wrote."""
    with pytest.raises(StoreRejectedError):
        store(url, make_attempt(), make_attempt(download_bps=-1))
    with open_reader(url) as connection:
        assert read.count_runs(connection) == 0


@pytest.mark.parametrize(
    ("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("busy_timeout", 5000), ("foreign_keys", 1)]
)
def test_pragmas(sqlite_url: str, pragma: str, value: object):
    """A commit is on the disk when it returns, and writers wait for each other."""
    with open_writer(sqlite_url) as connection:
        assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar() == value


def test_no_connection_stays_open(sqlite_url: str, file: pathlib.Path):
    """When the last connection is closed SQLite takes the WAL away."""
    store(sqlite_url, make_attempt())
    with open_reader(sqlite_url) as connection:
        read.count_runs(connection)
    assert [entry.name for entry in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize("name", ["a b.db", "50%.db", "50%25.db", "where?.db", "#1.db", "ü.db"])
def test_any_file_name_can_be_used(tmp_path: pathlib.Path, name: str):
    """The file has the name that the URL quotes, whatever is in it."""
    store(f"sqlite:///{quote(str(tmp_path / name))}", make_attempt())
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


ADD = """
import sys, msgspec
from monitor.model import Attempt
from monitor.store.connection import open_writer
from monitor.store.write import add_attempt
for line in sys.argv[2:]:
    with open_writer(sys.argv[1]) as connection:
        add_attempt(connection, msgspec.json.decode(line, type=Attempt))
print(*("alembic" in sys.modules, "sqlalchemy.dialects.postgresql" in sys.modules))
"""


def adding(url: str, *attempts: Attempt) -> subprocess.Popen[str]:
    """Start a process that stores attempts and prints whether it imported alembic."""
    lines = [msgspec.json.encode(one).decode() for one in attempts]
    return subprocess.Popen([sys.executable, "-W", "error", "-c", ADD, url, *lines], stdout=subprocess.PIPE, text=True)


def test_processes_that_start_at_once_make_one_database(sqlite_url: str):
    """Four processes that all find no database end with one that holds what each of them stored."""
    batches = [[make_attempt(10 * process + k) for k in range(5)] for process in range(4)]
    processes = [adding(sqlite_url, *batch) for batch in batches]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, outputs
    with open_reader(sqlite_url) as connection:
        assert read.count_runs(connection) == 20


def test_alembic_is_imported_only_to_upgrade(sqlite_url: str):
    """A database that is current costs no import of alembic, and a file none of what knows another database."""
    first = adding(sqlite_url, make_attempt()).communicate(timeout=60)[0]
    second = adding(sqlite_url, make_attempt()).communicate(timeout=60)[0]
    assert (first.split()[0], second) == ("True", "False False\n")
