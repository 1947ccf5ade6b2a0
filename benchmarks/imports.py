"""How fast long logs are imported, and in how much memory: generated, a test every five minutes.

python benchmarks/imports.py [ROWS]

Ookla's `-f json` lines, speedtest-cli's CSV with decimal commas, a tutorial's CSV with its date order to be found, and
MySpeed's database. Two sizes show whether memory stays flat. The budget is 8,000 rows a second. On a busy machine,
trust the processor time more than the wall time; on a slow one, the ratio to the least that any import does: to decode
each line with the standard library, and to insert it into a table with one index, in the same run.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import tempfile
import time
import uuid
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


FIRST = datetime(2016, 1, 1, tzinfo=UTC)

STEP = timedelta(minutes=5)

FAILS_EVERY = 50

SIZES = (10_000, 100_000)

KIB = 1024

COMMAND = [sys.executable, "-c", "from monitor.cli.main import main; main()"]


def lines(rows: int) -> Iterator[str]:
    """Yield a log: results, with an occasional error of a failed test."""
    for number in range(rows):
        at = f"{FIRST + number * STEP:%Y-%m-%dT%H:%M:%SZ}"
        yield json.dumps(_failure(at) if number % FAILS_EVERY == 0 else _result(number, at)) + "\n"


def commas(rows: int) -> Iterator[str]:
    """Yield speedtest-cli's CSV as a spreadsheet saves it."""
    yield "Server ID;Sponsor;Server Name;Timestamp;Distance;Ping;Download;Upload;Share;IP Address\r\n"
    for number in range(rows):
        at = f"{FIRST + number * STEP:%Y-%m-%dT%H:%M:%S}.123456Z"
        rates = f"{88_000_000 + number},25;{20_000_000 + number},5"
        yield f"1001;Near Hosting;Exampleton;{at};5,91;11,2;{rates};;192.0.2.7\r\n"


def tutorial(rows: int) -> Iterator[str]:
    """Yield the CSV of a tutorial, in local time, months first."""
    yield "Date,Time,Ping (ms),Jitter (ms),Download (Mbps),Upload (Mbps)\n"
    for number in range(rows):
        yield f"{FIRST + number * STEP:%m/%d/%y,%H:%M},11.2,0.4,{88 + number % 1000 / 100:.2f},20.5\n"


def myspeed(file: Path, rows: int) -> None:
    """Make a database as MySpeed does."""
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(
            "CREATE TABLE speedtests (id INTEGER PRIMARY KEY AUTOINCREMENT, serverId INTEGER DEFAULT 0, ping INTEGER,"
            " download DOUBLE, upload DOUBLE, error VARCHAR(255), type VARCHAR(255), time INTEGER, created DATETIME)"
        )
        connection.executemany(
            "INSERT INTO speedtests (serverId, ping, download, upload, type, time, created)"
            " VALUES (1, 11, ?, 20.5, 'auto', 21, ?)",
            (
                (88 + number % 1000 / 100, f"{FIRST + number * STEP:%Y-%m-%d %H:%M:%S}.123 +00:00")
                for number in range(rows)
            ),
        )


def _failure(at: str) -> dict[str, object]:
    message = "Configuration - Could not retrieve or read configuration (ConfigurationError)"
    return {"type": "log", "timestamp": at, "message": message, "level": "error"}


def _result(number: int, at: str) -> dict[str, object]:
    name = str(uuid.UUID(int=number))
    loaded = {"iqm": 30.5, "low": 9.1, "high": 88.2, "jitter": 4.4}
    return {
        "type": "result",
        "timestamp": at,
        "ping": {"jitter": 0.4, "latency": 11.2, "low": 10.9, "high": 12.0},
        "download": {
            "bandwidth": 11_000_000 + number % 1_000_000,
            "bytes": 95_000_000,
            "elapsed": 8100,
            "latency": loaded,
        },
        "upload": {"bandwidth": 2_500_000 + number % 10_000, "bytes": 30_000_000, "elapsed": 9200, "latency": loaded},
        "packetLoss": 0,
        "isp": "Example Fibre",
        "interface": {"internalIp": "192.168.1.2", "name": "eth0", "isVpn": False, "externalIp": "203.0.113.10"},
        "server": {"id": 1001, "host": "speed.example.net", "port": 8080, "name": "Near Hosting", "ip": "203.0.113.11"},
        "result": {"id": name, "url": f"https://www.speedtest.net/result/c/{name}", "persisted": True},
    }


LEAST = """
import csv, json, sqlite3, sys
def rows(file):
    if file.endswith(".db"):
        yield from sqlite3.connect(file).execute("SELECT * FROM speedtests")
    elif file.endswith(".csv"):
        with open(file, newline="") as opened:
            yield from csv.reader(opened, delimiter=";" if "commas" in file else ",")
    else:
        with open(file) as opened:
            for line in opened:
                yield [str(value) for value in json.loads(line).values()]
out = sqlite3.connect(sys.argv[2])
out.execute("CREATE TABLE runs (a, b, c, d, e, f, g, h)")
out.execute("CREATE INDEX by_time ON runs (a, b)")
for row in rows(sys.argv[1]):
    out.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (list(row) + [None] * 8)[:8])
out.commit()
"""


def least(file: Path) -> float:
    """Return the processor time in seconds of a program that only decodes and inserts each line."""
    target = file.with_suffix(".least")
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", LEAST, str(file), str(target)], os.environ)
    _, status, usage = os.wait4(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    return usage.ru_utime + usage.ru_stime


def speedmon(url: str, *arguments: str) -> tuple[float, float, int]:
    """Run the program; return wall and processor time in seconds, and peak memory in KiB."""
    began = time.perf_counter()
    environ = os.environ | {"SPEEDMON_DATABASE_URL": url}
    pid = os.posix_spawn(COMMAND[0], [*COMMAND, *arguments], environ)
    _, status, usage = os.wait4(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def measure(folder: Path, rows: int) -> None:
    """Make logs of that many tests, import one twice, export it, and print the figures."""
    log = folder / f"{rows}.json"
    log.write_text("".join(lines(rows)))
    url = f"sqlite:///{folder}/{rows}.db"
    for what, arguments in (
        ("import", ["import", str(log)]),
        ("the same again", ["import", str(log)]),
        ("export as JSON lines", ["export", "--output", f"{folder}/{rows}.jsonl"]),
        ("export as CSV", ["export", "--output", f"{folder}/{rows}.csv"]),
        ("export as Parquet", ["export", "--output", f"{folder}/{rows}.parquet"]),
    ):
        _print_figures(rows, what, speedmon(url, *arguments), least(log) if what == "import" else None)
    for name, text in (("commas.csv", commas(rows)), ("tutorial.csv", tutorial(rows)), ("storage.db", ())):
        file = folder / f"{rows}-{name}"
        if text:
            file.write_text("".join(text))
        else:
            myspeed(file, rows)
        figures = speedmon(f"sqlite:///{file}.out", "import", str(file))
        _print_figures(rows, f"import {name}", figures, least(file))
    for name in (f"{rows}.csv", f"{rows}.jsonl", f"{rows}.parquet"):
        _print_figures(rows, f"import {name}", speedmon(f"sqlite:///{folder}/{name}.out", "import", str(folder / name)))


def _print_figures(rows: int, what: str, figures: tuple[float, float, int], least_s: float | None = None) -> None:
    took, busy, memory = figures
    ratio = f"  {busy / least_s:4.1f} x the least" if least_s else ""
    print(
        f"{rows:9,} rows  {what:21}  {took:6.1f} s  {rows / took:8,.0f} rows/s"
        f"  processor {busy:5.1f} s {rows / busy:8,.0f} rows/s  {memory / KIB:5.0f} MiB{ratio}",
        flush=True,
    )


def main(sizes: tuple[int, ...]) -> None:
    """Measure each size in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        for rows in sizes:
            measure(Path(folder), rows)


if __name__ == "__main__":
    main(tuple(map(int, sys.argv[1:])) or SIZES)
