"""Writes the files of every format that can be imported, from tests whose cells are given as text."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.importers.columns import ColumnMap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime
    from pathlib import Path

MBIT, BYTE = 1_000_000, 8


@dataclass(frozen=True)
class WrittenTest:
    """A test as a program writes it: the time, which is UTC, and texts in the format's unit."""

    at: datetime
    download: str
    upload: str = "17.5"
    ping: str = "12.5"

    @property
    def rates(self) -> tuple[str, str]:
        """Both rates."""
        return self.download, self.upload

    def shown(self, shape: str = "%Y-%m-%d %H:%M:%S") -> str:
        """Return the time as text."""
        return self.at.strftime(shape)


@dataclass(frozen=True)
class WrittenFormat:
    """A format: what writes it, and how many bit/s a number of its rates stands for; `is_json` if cells have types."""

    write: Callable[[Sequence[WrittenTest]], str]
    bits_each: int
    is_json: bool = False
    column_map: ColumnMap | None = None


def _csv(header: str, rows: Iterable[Sequence[str]], delimiter: str = ",") -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerows([header.split(","), *rows])
    return text.getvalue()


def _value(cell: str) -> object:
    """Return a cell as JSON has it: a number if it is one."""
    try:
        return json.loads(cell)
    except ValueError:
        return cell


def _cli_csv(tests: Sequence[WrittenTest]) -> str:
    header = "Server ID,Sponsor,Server Name,Timestamp,Distance,Ping,Download,Upload,Share,IP Address"
    rows = (["1", "A, B", "C", f"{t.shown('%Y-%m-%dT%H:%M:%S')}.5Z", "5.91", t.ping, *t.rates, "", ""] for t in tests)
    return _csv(header, rows)


def _cli_json(tests: Sequence[WrittenTest]) -> str:
    lines = (
        {
            "timestamp": t.shown("%Y-%m-%dT%H:%M:%S.5Z"),
            "ping": _value(t.ping),
            "download": _value(t.download),
            "upload": _value(t.upload),
            "server": {"id": "1", "sponsor": "A"},
            "client": {"isp": "Example"},
        }
        for t in tests
    )
    return "".join(json.dumps(line) + "\n" for line in lines)


def _cli_simple(tests: Sequence[WrittenTest]) -> str:
    shape = "{}\nPing: {} ms\nDownload: {} Mbit/s\nUpload: {} Mbit/s\n"
    return "".join(shape.format(t.shown("%a %b %d %H:%M:%S UTC %Y"), t.ping, *t.rates) for t in tests)


def _ookla_csv(tests: Sequence[WrittenTest]) -> str:
    rows = ([t.shown("%Y-%m-%dT%H:%M:%SZ"), "A - B", "1", t.ping, "0.5", "0", *t.rates, "9", "9", ""] for t in tests)
    header = (
        "date,server name,server id,latency,jitter,packet loss,download,upload,download bytes,upload bytes,share url"
    )
    return _csv(header, rows)


def _ookla_json(tests: Sequence[WrittenTest]) -> str:
    lines = (
        {
            "type": "result",
            "timestamp": t.shown("%Y-%m-%dT%H:%M:%SZ"),
            "ping": {"latency": _value(t.ping), "jitter": 0.5},
            "download": {"bandwidth": _value(t.download)},
            "upload": {"bandwidth": _value(t.upload)},
            "server": {"id": 1, "name": "A"},
        }
        for t in tests
    )
    return "".join(json.dumps(line) + "\n" for line in lines)


def _ookla_printed(tests: Sequence[WrittenTest]) -> str:
    shape = (
        "{}\n   Speedtest by Ookla\n\n      Server: A - B (id: 1)\n         ISP: Example\n"
        "Idle Latency:    {} ms   (jitter: 0.50ms, low: 1ms, high: 2ms)\n"
        "    Download:    {} Mbps (data used: 95.0 MB)\n      Upload:    {} Mbps (data used: 9.0 MB)\n"
    )
    return "".join(shape.format(t.shown("%Y-%m-%d %H:%M:%S UTC"), t.ping, *t.rates) for t in tests)


def _librespeed_csv(tests: Sequence[WrittenTest]) -> str:
    rows = ([t.shown("%Y-%m-%dT%H:%M:%SZ"), "A", "http://a/", t.ping, "0.5", *t.rates, "", ""] for t in tests)
    return _csv("Timestamp,Server Name,Address,Ping,Jitter,Download,Upload,Share,IP", rows)


def _librespeed_json(tests: Sequence[WrittenTest]) -> str:
    objects = [
        {
            "timestamp": t.shown("%Y-%m-%dT%H:%M:%SZ"),
            "server": {"name": "A", "url": "http://a/"},
            "client": {"ip": "203.0.113.10"},
            "ping": _value(t.ping),
            "jitter": 0.5,
            "download": _value(t.download),
            "upload": _value(t.upload),
        }
        for t in tests
    ]
    return json.dumps(objects, indent=2)


def _tracker_csv(tests: Sequence[WrittenTest]) -> str:
    header = "ID,Service,Status,Scheduled,Healthy,Created at,Updated at,Comments,Ping latency,Download bandwidth"
    rows = (
        [str(n), "ookla", "completed", "Yes", "Yes", t.shown(), t.shown(), "", t.ping, *t.rates, "1"]
        for n, t in enumerate(tests)
    )
    return _csv(f"{header},Upload bandwidth,Server id", rows)


def _old_tracker_csv(tests: Sequence[WrittenTest]) -> str:
    header = "id,ping,download,upload,server_id,server_name,server_host,url,scheduled,failed,created_at,updated_at"
    rows = (
        [str(n), t.ping, *t.rates, "1", "A", "a:8080", "", "1", "0", f"{t.shown()} UTC", f"{t.shown()} UTC"]
        for n, t in enumerate(tests)
    )
    return _csv(header, rows)


def _myspeed_csv(tests: Sequence[WrittenTest]) -> str:
    rows = (
        [n, "1", *map(_value, (t.ping, *t.rates)), "", "auto", 21, t.shown("%Y-%m-%dT%H:%M:%S.000Z")]
        for n, t in enumerate(tests)
    )
    header = "id,serverId,ping,download,upload,error,type,time,created"
    return "".join(f"{line}\r\n" for line in (header, *(",".join(map(json.dumps, row)) for row in rows)))


def _extras(tests: Sequence[WrittenTest]) -> str:
    header = "start,stop,from,from_ip,server,server_dist (km),server_ping (ms),download (Mbit/s),upload (Mbit/s)"
    rows = (
        [f"{t.shown()} UTC", f"{t.shown()} UTC", "Example", "203.0.113.10", "A (B)", "5.91", t.ping, *t.rates, ""]
        for t in tests
    )
    return _csv(f"{header},share_url", rows, "\t")


def _pihole(tests: Sequence[WrittenTest]) -> str:
    header = "id,start_time,stop_time,from_server,from_ip,server,server_dist,server_ping,download,upload,share_url"
    rows = (
        [str(n), *[t.shown("%Y-%m-%dT%H:%M:%SZ")] * 2, "Example", "203.0.113.10", "A (B)", "5.91", t.ping, *t.rates, ""]
        for n, t in enumerate(tests)
    )
    return _csv(header, rows)


def _tutorial(tests: Sequence[WrittenTest]) -> str:
    rows = ([t.shown("%Y-%m-%d"), t.shown("%H:%M:%S UTC"), t.ping, "0.5", *t.rates] for t in tests)
    return _csv("Date,Time,Ping (ms),Jitter (ms),Download (Mbps),Upload (Mbps)", rows)


def _own_table(tests: Sequence[WrittenTest]) -> str:
    return _csv("When,RTT,Down,Up", ([t.shown("%Y-%m-%dT%H:%M:%SZ"), t.ping, *t.rates] for t in tests), ";")


WRITTEN_FORMATS = {
    "speedtest-cli --csv": WrittenFormat(_cli_csv, 1),
    "speedtest-cli --json": WrittenFormat(_cli_json, 1, is_json=True),
    "speedtest-cli --simple": WrittenFormat(_cli_simple, MBIT),
    "ookla csv": WrittenFormat(_ookla_csv, BYTE),
    "ookla json": WrittenFormat(_ookla_json, BYTE, is_json=True),
    "ookla for people": WrittenFormat(_ookla_printed, MBIT),
    "librespeed --csv": WrittenFormat(_librespeed_csv, MBIT),
    "librespeed --json": WrittenFormat(_librespeed_json, MBIT, is_json=True),
    "speedtest-tracker": WrittenFormat(_tracker_csv, BYTE),
    "older speedtest-tracker": WrittenFormat(_old_tracker_csv, MBIT),
    "myspeed": WrittenFormat(_myspeed_csv, MBIT, is_json=True),
    "speedtest-cli-extras": WrittenFormat(_extras, MBIT),
    "pihole": WrittenFormat(_pihole, MBIT),
    "tutorial": WrittenFormat(_tutorial, MBIT),
    "--map": WrittenFormat(
        _own_table, MBIT, column_map=ColumnMap("time=When,latency=RTT [ms],download=Down [Mbit/s],upload=Up [Mbit/s]")
    ),
}


def write_database(file: Path, table: str, text: str) -> None:
    """Write a table of CSV as one of a database, in which every column is a text."""
    names, *rows = csv.reader(io.StringIO(text))
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(f"CREATE TABLE {table} ({', '.join(name.replace(' ', '_') for name in names)})")
        connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(names))})", rows)  # noqa: S608
