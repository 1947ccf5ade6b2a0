"""What comes in other ways than a plain file, and what means harm."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import sqlite3
import sys
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from import_helpers import CONTEXT
from places import DATA

from monitor.errors import UsageError
from monitor.importers import importer, sources
from monitor.importers.base import ImportedRun, RejectedPart
from monitor.model import Run, Status
from monitor.store.sqlite import OwnedConnection

if TYPE_CHECKING:
    from pathlib import Path

RESULT = DATA.joinpath("ookla", "v1.2_result_2022-11-04_syseleven.json").read_text().strip() + "\n"

PIHOLE = """create table if not exists speedtest (id integer primary key autoincrement, start_time text, stop_time text,
    from_server text, from_ip text, server text, server_dist real, server_ping real, download real, upload real,
    share_url text)"""

# As Sequelize 6 with sqlite3 5.1 makes it from MySpeed's model: compared with what they wrote.
MYSPEED = (
    "CREATE TABLE `speedtests` (`id` INTEGER PRIMARY KEY AUTOINCREMENT, `serverId` INTEGER DEFAULT 0, `ping` INTEGER"
    " NOT NULL, `download` DOUBLE PRECISION NOT NULL, `upload` DOUBLE PRECISION NOT NULL, `error` VARCHAR(255), `type`"
    " VARCHAR(255) DEFAULT 'auto', `time` INTEGER DEFAULT 0, `created` DATETIME NOT NULL)"
)

TRACKER = (
    "create table results (id integer primary key, service text, ping real, download integer, upload integer,"
    " data text, status text, created_at text"
)

TRACKED = "insert into results values (1, 'ookla', 3, 1000000, 1000000, '{}', 'completed', '2026-11-29 10:00:00'"


def make(file: Path, *statements: str) -> Path:
    """Make a database."""
    with closing(sqlite3.connect(file)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
    return file


def read(file: Path) -> tuple[list[Run], list[RejectedPart]]:
    """Return the runs of a file, and what gives none."""
    with importer.open_source(file, CONTEXT) as source:
        found = [*source.records]
    return (
        [record.attempt.run for record in found if isinstance(record, ImportedRun)],
        [record for record in found if isinstance(record, RejectedPart)],
    )


def test_myspeeds_database_as_sequelize_writes_it(tmp_path: Path):
    """Times with a space before their offset; -1 three times is a failure; averages are no measurements."""
    row = "insert into speedtests (ping, download, upload, error, type, time, created) values "
    file = make(
        tmp_path / "storage.db",
        MYSPEED,
        row + "(12, 93.25, 17.5, null, 'auto', 21, '2023-06-01 12:00:25.123 +00:00')",
        row + "(-1, -1, -1, 'Network unreachable', 'auto', 0, '2023-06-01 13:00:25.123 +00:00')",
        row + "(5, 100, 50, null, 'average', 0, '2023-06-01 13:00:00.000 +00:00')",
    )
    (measured, failed), (refused,) = read(file)
    assert (measured.finished_at.isoformat(), measured.download_bps) == ("2023-06-01T12:00:25+00:00", 93_250_000)
    assert (failed.status, failed.failure and failed.failure.kind) == (Status.FAILED, "unreachable")
    assert (refused.line, refused.reason) == (3, "an average of other rows, not a measurement")


def test_piholes_speedtest_table(tmp_path: Path):
    """Mbit/s; its own word for a test that failed has no server and zeros."""
    row = "insert into speedtest values (null, '2023-06-01 10:00:00+00:00', '2023-06-01 10:00:30+00:00', "
    file = make(
        tmp_path / "speedtest.db",
        PIHOLE,
        row
        + "'Example Net', '192.0.2.7', 'Example (Town)', 12.5, 9.5, 93.25, 17.5, 'https://www.speedtest.net/result/c/abcd-1234')",
        row + "'No Internet', '-', '-', 0, 0, 0, 0, '#')",
    )
    (measured, failed), refused = read(file)
    assert (measured.engine, measured.download_bps, measured.latency_ms) == ("ookla", 93_250_000, 9.5)
    assert (measured.started_at.hour, measured.server and measured.server.location) == (10, "Town")
    assert (failed.status, failed.failure and failed.failure.message, refused) == (Status.FAILED, "No Internet", [])


def test_a_pipe_is_read(tmp_path: Path):
    """Also a database, and a text whose dates must be read twice."""
    log = tmp_path / "log"
    log.write_text(RESULT)
    database = make(tmp_path / "db", f"{TRACKER})", f"{TRACKED})")
    for content in (log, database):
        pipe = tmp_path / f"{content.name}.pipe"
        os.mkfifo(pipe)
        writer = threading.Thread(target=pipe.write_bytes, args=(content.read_bytes(),))
        writer.start()
        found, refused = read(pipe)
        writer.join()
        assert (len(found), refused) == (1, [])


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """It is called `-`."""
    file = tmp_path / "log"
    file.write_text(RESULT)
    with file.open() as opened:
        monkeypatch.setattr(sys, "stdin", opened)
        found, _ = read(type(tmp_path)("-"))
    assert len(found) == 1


def test_a_device_is_refused(tmp_path: Path):
    """It has no end."""
    with pytest.raises(UsageError, match="is neither a file nor a pipe"):
        read(type(tmp_path)("/dev/zero"))


def test_a_pipe_without_an_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """It ends at a limit."""
    monkeypatch.setattr(sources, "MAX_PIPE_BYTES", 1000)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"x" * 1001,))
    writer.start()
    with pytest.raises(UsageError, match="more than 1,000 bytes through a pipe; save it to a file first"):
        read(pipe)
    writer.join()


def test_a_gzip_bomb_ends(tmp_path: Path):
    """At the limit, and says so; a log that shrinks as logs do is read."""
    file = tmp_path / "bomb.gz"
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9) as writer:
        writer.write(RESULT.encode())
        for _ in range(80):
            writer.write(b"\n" * 1024 * 1024)
    file.write_bytes(packed.getvalue())
    with pytest.raises(UsageError, match=r"bomb\.gz: unpacks to more than 250 times its size"):
        read(file)
    file.write_bytes(gzip.compress(RESULT.encode() * 1000))
    assert len(read(file)[0]) == 1000


@pytest.mark.parametrize(
    ("begin", "unpack"), [(lzma.compress(b"{}"), "xz -dc"), (bz2.compress(b"{}"), "bzip2 -dc"), (b"PK\3\4", "unzip -p")]
)
def test_another_archive_is_refused(tmp_path: Path, begin: bytes, unpack: str):
    """It is not unpacked, and the error says what unpacks it."""
    file = tmp_path / "x"
    file.write_bytes(begin + bytes(100))
    with pytest.raises(UsageError, match=rf"x: is packed; unpack it: `{unpack} .*x \| speedmon import -`"):
        read(file)


@pytest.mark.parametrize(
    "bomb",
    [
        '{"a":' * 200_000,
        "[" * 500_000,
        '{"data": [' * 100_000 + "]}" * 100_000,
        '{"type":"result","x":"' + "y" * 5_000_000,
    ],
)
def test_deep_and_long_json_ends(tmp_path: Path, bomb: str):
    """It is refused, and the results around it are read."""
    file = tmp_path / "log"
    file.write_text(f"{RESULT}{bomb}\n{RESULT}")
    found, _ = read(file)
    assert len(found) == 2


def test_what_is_no_real_table_is_not_read(tmp_path: Path):
    """A view is a program, and so is a virtual table."""
    view = (
        "create view results as with recursive r(id) as (select 1 union all select id + 1 from r) select id, 'ookla'"
        " service, 1 ping, 1 download, 1 upload, '{}' data, 'completed' status, '2026-01-01' created_at from r"
    )
    virtual = "create virtual table results using fts5(id, service, ping, download, upload, data, status, created_at)"
    for number, statement in enumerate((view, virtual)):
        with pytest.raises(UsageError, match="nothing in it has a format"):
            read(make(tmp_path / f"{number}.db", statement))


def test_columns_that_are_computed_or_have_no_name_are_not_read(tmp_path: Path):
    """The others are."""
    computed = "bomb text generated always as ('x' || id) virtual"
    columns = "(id, service, ping, download, upload, data, status, created_at)"
    file = make(
        tmp_path / "computed.db", f"{TRACKER}, {computed})", f"{TRACKED.replace('values', f'{columns} values')})"
    )
    with closing(sources.open_sqlite(file)) as connection:
        assert "bomb" not in sources.table_columns(connection, "results")
    assert [run.download_bps for run in read(file)[0]] == [8_000_000]
    odd = make(tmp_path / "odd.db", f"{TRACKER}, zzzz text)", f"{TRACKED}, '')")
    odd.write_bytes(odd.read_bytes().replace(b"zzzz text", b"\xff\xfe\xff\xfe text"))
    assert [run.download_bps for run in read(odd)[0]] == [8_000_000]


def test_a_cell_without_an_end_ends(tmp_path: Path):
    """A value of many megabytes is an error that names the file."""
    file = make(tmp_path / "db", f"{TRACKER})", f"{TRACKED.replace(chr(39) + '{}' + chr(39), 'zeroblob(20000000)')})")
    with pytest.raises(UsageError, match=r"db: cannot be read: .*too big"):
        read(file)


@pytest.mark.parametrize(
    "record",
    [
        '{"type": {}}',
        '{"type": []}',
        '{"type": null, "download": []}',
        '{"type": "result", "download": {"bandwidth": "x"}, "upload": {"bandwidth": 1}}',
        '{"type": "result", "timestamp": {}, "download": {"bandwidth": 9}, "upload": {"bandwidth": 1}}',
        '{"type": "result", "timestamp": "2026-11-29T10:00:00+99:00", "download": {"bandwidth": 9}}',
        '{"type": "result", "timestamp": "2026-11-29T10:00:00Z", "download": 5, "upload": []}',
        '{"type": "log", "timestamp": [1], "message": {"a": 1}, "level": []}',
        '{"type": "result", "server": "\\ud800"}',
        "Mon Jan  1 10:00:00 2024 +9900",
        "2024-01-01 10:00:00 +99:99",
    ],
)
def test_an_odd_record_does_not_end_an_import(tmp_path: Path, record: str):
    """It is refused with its line, and the rest is taken."""
    file = tmp_path / "log"
    file.write_text(f"{RESULT}{record}\n{RESULT}")
    found, refused = read(file)
    assert ([run.status for run in found], [part.line for part in refused]) == ([Status.OK] * 2, [2])


@pytest.mark.parametrize("field", ["started_at", "isp", "id", "server", "remarks", "probe"])
def test_half_a_character_in_an_export(tmp_path: Path, field: str):
    """It is refused with its line, and the rest is taken."""
    from example_runs import make_attempt  # noqa: PLC0415  only here

    from monitor.output import export  # noqa: PLC0415  only here

    first, second = (json.loads(line) for line in export.to_json_lines([make_attempt().run, make_attempt(5).run]))
    first[field] = "\ud800" if field not in {"server", "remarks"} else first[field]
    if field == "server":
        first["server"]["name"] = "\ud800"
    elif field == "remarks":
        first["remarks"] = [{"kind": "x", "message": "\ud800"}]
    file = tmp_path / "runs.jsonl"
    file.write_text(f"{json.dumps(first)}\n{json.dumps(second)}\n")
    found, (refused,) = read(file)
    assert ([run.id for run in found], refused.line) == ([second["id"]], 1)


@pytest.mark.root
def test_root_reads_a_database_in_use_as_the_owner_of_its_folder(tmp_path: Path):
    """SQLite may create files beside it, which are to be the owner's."""
    tmp_path.chmod(0o755)
    os.chown(tmp_path, 4001, 4001)
    with closing(sqlite3.connect(tmp_path / "used.db")) as user:
        user.execute("PRAGMA journal_mode = WAL")
        user.execute("CREATE TABLE results (id)")
        for file in tmp_path.iterdir():
            os.chown(file, 4001, 4001)
        for folder in tmp_path.parents[:3]:
            folder.chmod(folder.stat().st_mode | 0o011)
        with closing(sources.open_sqlite(tmp_path / "used.db")) as connection:
            assert isinstance(connection, OwnedConnection)
            assert connection.execute("SELECT count(*) FROM results").fetchall() == [(0,)]
        assert {file.stat().st_uid for file in tmp_path.iterdir()} == {4001}
