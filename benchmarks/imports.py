"""How fast a long log is imported, and in how much memory: generated Ookla `-f json` lines, a test every five minutes.

python benchmarks/imports.py [ROWS]

Two sizes show whether memory stays flat. The budget is 5,000 rows a second. On a busy machine, trust the processor
time more than the wall time.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import uuid
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


def speedmon(url: str, *arguments: str) -> tuple[float, float, int]:
    """Run the program; return wall and processor time in seconds, and peak memory in KiB."""
    began = time.perf_counter()
    environ = os.environ | {"SPEEDMON_DATABASE_URL": url}
    pid = os.posix_spawn(COMMAND[0], [*COMMAND, *arguments], environ)
    _, status, usage = os.wait4(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def measure(folder: Path, rows: int) -> None:
    """Make a log of that many tests, import it twice, export it, and print the figures."""
    log = folder / f"{rows}.json"
    with log.open("w") as file:
        file.writelines(lines(rows))
    url = f"sqlite:///{folder}/{rows}.db"
    for what, arguments in (
        ("import", ["import", str(log)]),
        ("the same again", ["import", str(log)]),
        ("export as JSON lines", ["export", "--output", f"{folder}/{rows}.jsonl"]),
        ("export as CSV", ["export", "--output", f"{folder}/{rows}.csv"]),
        ("export as Parquet", ["export", "--output", f"{folder}/{rows}.parquet"]),
    ):
        took, busy, memory = speedmon(url, *arguments)
        print(
            f"{rows:9,} rows  {what:21}  {took:6.1f} s  {rows / took:8,.0f} rows/s"
            f"  processor {busy:5.1f} s  {memory / KIB:5.0f} MiB",
            flush=True,
        )


def main(sizes: tuple[int, ...]) -> None:
    """Measure each size in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        for rows in sizes:
            measure(Path(folder), rows)


if __name__ == "__main__":
    main(tuple(map(int, sys.argv[1:])) or SIZES)
