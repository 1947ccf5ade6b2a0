"""Files to import, as they lie around: packed, of other encodings, databases of other programs, and none of these."""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from example_runs import make_attempt
from import_helpers import CONTEXT
from places import DATA

from monitor.errors import UsageError
from monitor.importers import importer
from monitor.importers.base import ImportedRun, RejectedPart
from monitor.model import Run, Status
from monitor.output import export

if TYPE_CHECKING:
    from pathlib import Path

RESULT = DATA.joinpath("ookla", "v1.2_result_2022-11-04_syseleven.json").read_text()

TRACKER = """CREATE TABLE results (id integer primary key autoincrement, service varchar not null default 'ookla',
    ping float, download integer, upload integer, download_bytes integer, upload_bytes integer, comments text,
    data text,
    benchmarks text, healthy tinyint(1), status varchar not null, scheduled tinyint(1) not null default '0',
    created_at datetime, updated_at datetime)"""

EARLIER_TRACKER = """CREATE TABLE results (id integer primary key autoincrement, ping numeric, download integer,
    upload integer, server_id integer, server_host varchar, server_name varchar, url varchar, comments text,
    scheduled tinyint(1) not null default '0', successful tinyint(1) not null default '1', data text,
    created_at datetime)"""

OLD_TRACKER = """CREATE TABLE speedtests (id integer primary key autoincrement, ping numeric, download numeric,
    upload numeric, server_id integer, server_name varchar, server_host varchar, url varchar, scheduled tinyint(1),
    failed tinyint(1), created_at datetime, updated_at datetime)"""

MYSPEED = """CREATE TABLE speedtests (id INTEGER PRIMARY KEY AUTOINCREMENT, serverId INTEGER, ping INTEGER,
    download DOUBLE,
    upload DOUBLE, error VARCHAR(255), type VARCHAR(255), time INTEGER, created VARCHAR(255))"""


def database(file: Path, table: str, *rows: dict[str, object]) -> Path:
    """Make another program's database."""
    name = table.split()[2]
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(table)
        for row in rows:
            marks = ", ".join(f":{column}" for column in row)
            connection.execute(f"INSERT INTO {name} ({', '.join(row)}) VALUES ({marks})", row)  # noqa: S608  a test's own
    return file


def read(file: Path, wanted: str = importer.ANY_FORMAT) -> tuple[str, list[Run], list[RejectedPart]]:
    """Return the program that a file is of, its runs, and what gives none."""
    with importer.open_source(file, CONTEXT, wanted) as source:
        records = [*source.records]
        assert 0 < source.position() <= source.length
    runs = [record.attempt.run for record in records if isinstance(record, ImportedRun)]
    return source.program, runs, [record for record in records if isinstance(record, RejectedPart)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(tmp_path: Path, encoding: str):
    """PowerShell redirects to UTF-16, editors write a mark before UTF-8."""
    file = tmp_path / "log"
    file.write_text(RESULT.replace("Berlin", "Brüssel"), encoding=encoding)
    program, (run,), refused = read(file)
    assert (program, run.server and run.server.location, refused) == ("ookla", "Brüssel", [])


def test_a_gzipped_log(tmp_path: Path):
    """What logrotate compressed is read as it is."""
    file = tmp_path / "speedtest.log.2.gz"
    file.write_bytes(gzip.compress(RESULT.encode() * 3))
    assert len(read(file)[1]) == 3


def test_a_gzipped_log_that_was_cut_off_is_named(tmp_path: Path):
    """Half a file is an error that names it."""
    file = tmp_path / "speedtest.log.gz"
    file.write_bytes(gzip.compress(os.urandom(100) + RESULT.encode())[:-20])
    with pytest.raises(UsageError, match=r"speedtest\.log\.gz: cannot be read"):
        read(file)


def test_the_database_of_speedtest_tracker(tmp_path: Path):
    """Rows of today's table: measured, failed, skipped and stuck, with what the CLI printed."""
    at = {"created_at": "2024-03-01 01:00:00"}
    error = json.dumps(
        {"type": "log", "level": "error", "message": "Couldn't resolve host name (HostNotFoundException)"}
    )
    file = database(
        tmp_path / "database.sqlite",
        TRACKER,
        {"status": "completed", "download": 1, "upload": 1, "data": RESULT, **at},
        {"status": "completed", "download": 115625000, "upload": 113750000, "ping": 9.5, **at},
        {"status": "failed", "data": error, **at},
        {"status": "skipped", "data": json.dumps({"message": "not now"}), **at},
        {"status": "checking", **at},
    )
    program, runs, refused = read(file)
    assert (program, refused) == ("speedtest-tracker", [])
    assert [run.status for run in runs] == [Status.OK, Status.OK, Status.FAILED, Status.SKIPPED, Status.INTERRUPTED]
    assert [run.download_bps for run in runs[:2]] == [84670091 * 8, 115625000 * 8]
    assert runs[2].failure is not None
    assert (runs[2].failure.kind, runs[2].started_at) == ("dns", datetime(2024, 3, 1, 1, tzinfo=UTC))


def test_the_database_of_an_earlier_speedtest_tracker(tmp_path: Path):
    """Before 2024 there was `successful`, and the server in columns of its own."""
    at = {"created_at": "2023-03-01 01:00:00"}
    rates = {"ping": 9.5, "download": 11500000, "upload": 1200000, "server_id": 12, "server_name": "Example"}
    file = database(tmp_path / "db", EARLIER_TRACKER, {**rates, **at}, {"successful": 0, "data": "{}", **at})
    _, (measured, failed), _ = read(file)
    assert (measured.download_bps, measured.latency_ms, failed.status) == (92_000_000, 9.5, Status.FAILED)
    assert measured.server is not None
    assert (measured.server.id, measured.server.name) == ("12", "Example")


def test_the_database_of_the_older_speedtest_tracker(tmp_path: Path):
    """Mbit/s and local time, 0, 0, 0 for a failure."""
    at = {"created_at": "2021-06-01 12:00:00"}
    rates = {"ping": 11.5, "download": 93.25, "upload": 17.5, "server_id": 1234, "failed": 0}
    file = database(tmp_path / "speed.db", OLD_TRACKER, {**rates, **at}, {"ping": 0, "download": 0, "upload": 0, **at})
    program, (measured, failed), _ = read(file)
    assert (program, failed.status) == ("speedtest-tracker", Status.FAILED)
    assert (measured.download_bps, measured.started_at.hour) == (93_250_000, 10)


def test_the_database_of_myspeed(tmp_path: Path):
    """The same table's name, told apart by its columns."""
    row = {
        "serverId": 7,
        "ping": 12,
        "download": 93.25,
        "upload": 17.5,
        "type": "auto",
        "created": "2023-06-01T12:00:00Z",
    }
    program, (run,), _ = read(database(tmp_path / "storage.db", MYSPEED, row))
    assert (program, run.download_bps) == ("myspeed", 93_250_000)


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_database_is_not_changed(tmp_path: Path, mode: str):
    """Another program's file stays as it is, and nothing appears beside it."""
    file = database(
        tmp_path / "db", OLD_TRACKER, {"ping": 1, "download": 0, "upload": 0, "created_at": "2021-06-01 12:00:00"}
    )
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
    before = file.read_bytes()
    read(file)
    assert file.read_bytes() == before
    assert [*tmp_path.iterdir()] == [file]


def test_a_database_that_is_in_use(tmp_path: Path):
    """What its program has not yet moved into the file is read as well."""
    at = {"ping": 1, "download": 50, "upload": 5, "created_at": "2021-06-01 12:00:00"}
    file = database(tmp_path / "db", OLD_TRACKER, at)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = wal")
        with connection:
            connection.execute("UPDATE speedtests SET download = 60")
        assert [run.download_bps for run in read(file)[1]] == [60_000_000]


def test_parquet(tmp_path: Path):
    """Our own Parquet is known by its first bytes."""
    file = tmp_path / "runs"
    given = make_attempt().run
    with file.open("wb") as opened:
        export.write_parquet([given], opened)
    assert read(file) == ("speedmon", [given], [])


@pytest.mark.parametrize("text", ["", "[]\n", "\n\n", "".join(export.to_csv_lines([]))])
def test_an_export_of_nothing_has_no_runs(tmp_path: Path, text: str):
    """An empty file is not an error."""
    file = tmp_path / "empty"
    file.write_text(text)
    with importer.open_source(file, CONTEXT) as source:
        assert [*source.records] == []


@pytest.mark.parametrize(
    "content",
    [
        b"hello\n",
        b"a,b,c\n1,2,3\n",
        b'{"a": 1}\n',
        b"[1, 2, 3]\n",
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        b"SQLite format 3\0 and no more",
        b"PAR1 and no more",
        b"\x1f\x8b\x08 and no more",
        b"[" * 100_000,
        bytes(range(256)) * 100,
    ],
)
def test_a_file_of_no_known_format(tmp_path: Path, content: bytes):
    """It is named in one line."""
    file = tmp_path / "odd"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=r"\A[^\n]*odd: [^\n]+\Z"):
        read(file)


def test_a_database_of_another_program(tmp_path: Path):
    """A database without a table that we know is named, with what is known."""
    file = database(tmp_path / "other.db", "CREATE TABLE results (id integer)", {"id": 1})
    with pytest.raises(UsageError, match=r"other\.db: nothing in it has a format .* speedtest-tracker, myspeed"):
        read(file)


@pytest.mark.parametrize(("name", "reason"), [("missing", "No such file"), (".", "Is a directory")])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str, reason: str):
    """The file and the reason are named."""
    with pytest.raises(UsageError, match=reason):
        read(tmp_path / name)


def test_the_wanted_format_only(tmp_path: Path):
    """--format keeps others from being recognised, and does not mean that the file is of it."""
    file = tmp_path / "log"
    file.write_text(RESULT)
    assert len(read(file, "ookla")[1]) == 1
    with pytest.raises(UsageError, match="known: myspeed"):
        read(file, "myspeed")


def test_every_name_on_the_command_line_is_a_format():
    """The command offers what there is."""
    from monitor.cli.import_export import IMPORT_FORMATS  # noqa: PLC0415  the command line is not needed elsewhere here

    assert (importer.ANY_FORMAT, *importer.FORMAT_NAMES) == IMPORT_FORMATS
