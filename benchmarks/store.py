"""The store with many runs: reads as buckets and columns, durable writes, bytes per run, memory, and an upgrade.

Builds databases of 10,000, 100,000 and 1,051,200 runs (ten years, one every five minutes) in a temporary folder, which
takes a minute and 1.5 GB. Times are wall times. Each read is made in a process of its own, whose peak memory is printed
too.

    python benchmarks/store.py [ROUNDS]
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from made_up import month

from monitor.model import Attempt, RawOutput
from monitor.store import buckets, connection, packed_days, read, rollups
from monitor.store.connection import get_engine, open_reader, open_writer, run_migrations, upgrade_schema
from monitor.store.write import add_attempt, add_attempts

if TYPE_CHECKING:
    from collections.abc import Callable


END = datetime(2026, 11, 23, tzinfo=UTC)

STEP_S = 300

SIZES = (10_000, 100_000, 1_051_200)

WINDOWS = (1, 30, 365, 3650)

RESULT = Path(__file__).parents[1] / "tests/data/ookla/v1.2_result_2022-08-17_airtel_bufferbloat.json"

NAMES = ("download_bps", "upload_bps", "latency_ms")

ZONES = ("UTC", "Europe/Berlin", "Asia/Kolkata")

# One run in fifty failed; rates vary by the hour and by the run.
NUMBERS = """
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {runs}),
    made(i, at, good) AS MATERIALIZED (SELECT i, {end} - {step} * ({runs} - i), (i * 7919) % 50 > 0 FROM n)
"""

VALUES = """
    lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-' || hex(randomblob(2)) || '-' || hex(randomblob(8))),
    at, at + 25, iif(good, 'ok', 'failed'), 'schedule', 'ip4only', 'ookla', '1.2.0.84',
    iif(good, 80000000 + abs(random()) % 20000000, NULL), iif(good, 15000000 + abs(random()) % 5000000, NULL),
    iif(good, 4 + abs(random()) % 1000 / 100.0, NULL), iif(good, abs(random()) % 300 / 100.0, NULL),
    iif(good, 0.0, NULL),
    iif(good, 120000000, NULL), iif(good, 25000000, NULL), iif(good, 15000, NULL), iif(good, 9000, NULL),
    iif(good, '203.0.113.10', NULL), iif(good, 4, NULL), iif(good, 1, NULL), iif(good, NULL, 'dns'),
    iif(good, NULL, 'line'), iif(good, NULL, 'Could not resolve host'), 100000000, 20000000
"""

COLUMNS = """
    id, started_at, finished_at, status, trigger, path, engine, engine_version, download_bps, upload_bps, latency_ms,
    jitter_ms, packet_loss_pct, download_bytes, upload_bytes, download_ms, upload_ms, external_ip, ip_family, healthy,
    failure_kind, failure_scope, failure_message, plan_download_bps, plan_upload_bps
"""


def build(url: str, runs: int) -> None:
    """Create a database of that many runs."""
    upgrade_schema(url)
    numbers = NUMBERS.format(runs=runs, end=int(END.timestamp()), step=STEP_S)
    with open_writer(url) as connection:
        connection.exec_driver_sql("INSERT INTO probes (pk, name) VALUES (1, 'home')")
        connection.exec_driver_sql("INSERT INTO isps VALUES (1, 'Example Fibre')")
        connection.exec_driver_sql(
            "INSERT INTO servers VALUES (1, 'x', '1001', 'Near', 'Exampleton', NULL, NULL, NULL)"
        )
        connection.exec_driver_sql(
            f"{numbers} INSERT INTO runs ({COLUMNS}, probe_pk, isp_pk, server_pk)"  # noqa: S608  our own words
            f" SELECT {VALUES}, 1, iif(good, 1, NULL), iif(good, 1, NULL) FROM made"
        )
        rollups.rebuild_rollups(connection)
        packed_days.rebuild_days(connection)


def build_earlier(url: str, runs: int) -> None:
    """Create a database of that many runs in the previous schema, with the engine's output for one month of them."""
    numbers = NUMBERS.format(runs=runs, end=int(END.timestamp()), step=STEP_S)
    with get_engine(url, writes=True).begin() as connection:
        run_migrations(connection, "0002")
        connection.exec_driver_sql(
            f"{numbers} INSERT INTO runs ({COLUMNS}, probe, isp, server_id, server_name)"  # noqa: S608  our own words
            f" SELECT {VALUES}, 'home', iif(good, 'Example Fibre', NULL), iif(good, '1001', NULL), 'Near' FROM made"
        )
        output = "INSERT INTO raw_output SELECT pk, ?, '' FROM runs ORDER BY pk DESC LIMIT 8640"
        connection.exec_driver_sql(output, (RESULT.read_text(),))


def take(work: Callable[[], object]) -> float:
    """Return how many ms a function takes."""
    begin = time.perf_counter()
    work()
    return (time.perf_counter() - begin) * 1000


def read_once(url: str, days: int, zone: str, medians: str, rounds: str) -> None:
    """Print, as JSON, how long reads of a window took, the number of buckets, and this process's memory."""
    found: list[buckets.Bucket] = []

    def look() -> None:
        with open_reader(url) as connection:
            window = read.RunFilter(END - timedelta(days=days), END)
            found[:] = buckets.read_buckets(connection, window, zone=ZoneInfo(zone), medians=medians == "medians")

    look()
    times = [take(look) for _ in range(int(rounds))]
    print(json.dumps([times, len(found), _memory_mib()]))


def columns_once(url: str, length: int, rounds: int) -> None:
    """Print, as JSON, how long reading a window as columns took (the first read first), runs and memory."""
    import monitor.store.columnar  # noqa: PLC0415  numpy, which no other read needs

    before, found = _memory_mib(), []

    def look() -> None:
        found.clear()
        with open_reader(url) as connection:
            window = read.RunFilter(END - timedelta(days=length), END)
            found.append(monitor.store.columnar.read_columns(connection, window, NAMES))

    first, most = take(look), _memory_mib()
    print(json.dumps([[first] + [take(look) for _ in range(rounds)], len(found[0]), most, most - before]))


def _memory_mib() -> float:
    """Return the peak memory of this process; the kernel's `ru_maxrss` would begin with that of the parent."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def column_reads(url: str, rounds: int) -> None:
    """Print the cost of reading each window as columns."""
    for length in WINDOWS:
        command = [sys.executable, __file__, "columns", url, str(length), str(rounds)]
        (first, *times), runs, mib, more = json.loads(subprocess.check_output(command))
        spread = f"{statistics.median(times):.1f} ({min(times):.1f} to {max(times):.1f}), the first {first:.1f}"
        print(f"{length:>4} days as columns: {runs:>9,} runs, ms: {spread}; {mib:.0f} MiB, {more:.0f} of it for them")


def reads(url: str, size: int, rounds: int) -> None:
    """Print the cost of reading each window as buckets."""
    for zone in ZONES:
        for days in WINDOWS:
            one_read(url, size, days, zone, "plain", rounds)
    one_read(url, size, 365, "UTC", "medians", rounds)


def one_read(url: str, size: int, days: int, zone: str, medians: str, rounds: int) -> None:
    """Print one row of the table of reads."""
    command = [sys.executable, __file__, "read", url, str(days), zone, medians, str(rounds)]
    times, buckets, mib = json.loads(subprocess.check_output(command))
    spread = f"{statistics.median(times):8.1f} ({min(times):.1f} to {max(times):.1f})"
    print(f"{size:>9,} runs, {days:>4} days, {zone:13} {medians:7} {buckets:>5} buckets, ms: {spread}, {mib:.0f} MiB")


def stores(url: str, rounds: int) -> None:
    """Print the cost of storing: one run per transaction, as `collect` does, and many at once, as `import` does."""
    output = RawOutput(RESULT.read_text())

    def one_by_one(attempts: list[Attempt]) -> None:
        for attempt in attempts:
            with open_writer(url) as connection:
                add_attempt(connection, attempt)

    def at_once(attempts: list[Attempt]) -> None:
        with open_writer(url) as connection:
            add_attempts(connection, attempts)

    few = [take(lambda one=one: one_by_one([one])) for one in renewed(rounds * 10, output)]
    print(f"store one run, durably, ms: {statistics.median(few):.1f} ({min(few):.1f} to {max(few):.1f})")
    many = renewed(5000, output)
    print(f"store 5,000 runs in one transaction: {5000 / take(lambda: at_once(many)) * 1000:,.0f} a second")


def renewed(count: int, output: RawOutput) -> list[Attempt]:
    """Return that many runs that are not stored yet."""
    runs = [run for _ in range(1 + count // 2800) for run in month()][:count]
    return [Attempt(replace(run, id=str(uuid.uuid4())), raw=output) for run in runs]


def measure(folder: Path, size: int, rounds: int) -> None:
    """Build a database of one size and print its costs."""
    file = folder / f"{size}.db"
    url = f"sqlite:///{file}"
    seconds = take(lambda: build(url, size)) / 1000
    print(f"{size:>9,} runs: built in {seconds:.1f} s; {file.stat().st_size / size:.0f} bytes a run")
    reads(url, size, rounds)
    column_reads(url, rounds)
    stores(url, rounds)


def main(rounds: int) -> None:
    """Print all figures."""
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            measure(Path(folder), size, rounds)
        earlier = f"sqlite:///{folder}/earlier.db"
        build_earlier(earlier, SIZES[-1])
        upgrade_s = take(lambda: connection.upgrade_schema(earlier)) / 1000
        print(f"upgrade of {SIZES[-1]:,} runs from schema 0002: {upgrade_s:.1f} s")
        print(f"memory of this process at the highest: {_memory_mib():.0f} MiB")


if __name__ == "__main__":
    if sys.argv[1:2] == ["read"]:
        read_once(sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
    elif sys.argv[1:2] == ["columns"]:
        columns_once(sys.argv[2], *map(int, sys.argv[3:]))
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else 9)
