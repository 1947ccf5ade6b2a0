"""What a fleet costs PostgreSQL: bytes and write-ahead log per run, the time of a batch and of common reads.

Starts a server of its own (see `tests/support/postgres_cluster.py`), with durable commits. A month of PROBES probes
with a test every STEP_S seconds is generated in SQL; then some probes forward runs with the program's own code. The
estimates for 1,000 and 100,000 probes in docs/fleet.md are these figures, multiplied.

    PYTHONPATH=.:tests python benchmarks/fleet.py [PROBES [DAYS [STEP_S]]]
"""

from __future__ import annotations

import statistics
import sys
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import postgres_cluster
from postgres_cluster import Cluster
from tools import need

from monitor.model import Attempt, NetworkPath, Plan, RawOutput, Run, Server, Status, Trace, Trigger
from monitor.store import buckets, lookups, packed_days, read, rollups
from monitor.store.connection import open_reader, open_writer
from monitor.store.write import add_attempts

if TYPE_CHECKING:
    from collections.abc import Callable


SINCE = datetime(2026, 10, 1, tzinfo=UTC)

RESULT = Path(__file__).parents[1] / "tests/data/ookla/v1.2_result_2022-08-17_airtel_bufferbloat.json"

ROUNDS = 5

FORWARDED = 40

MADE = """
    INSERT INTO runs (id, probe_pk, started_at, finished_at, status, trigger, path, engine, engine_version,
        download_bps, upload_bps, latency_ms, jitter_ms, packet_loss_pct, download_bytes, upload_bytes, download_ms,
        upload_ms, isp_pk, external_ip, ip_family, server_pk, healthy, plan_download_bps, plan_upload_bps)
    SELECT gen_random_uuid(), probe, at + probe %% {step}, at + probe %% {step} + 25, 'ok', 'schedule', 'ip4only',
        'ookla', '1.2.0.84', 80000000 + random() * 20000000, 15000000 + random() * 5000000, 4 + random() * 10,
        random() * 3, 0, 120000000, 25000000, 15000, 9000, NULL, '203.0.113.10', 4, NULL, true, 100000000, 20000000
    FROM generate_series({since}, {until} - 1, {step}) AS at, generate_series(1, {probes}) AS probe
"""


def fill(url: str, count: int, days: int, step_s: int) -> None:
    """Store runs of that many probes, in order of time, as they would arrive."""
    since = int(SINCE.timestamp())
    with open_writer(url) as connection:
        connection.exec_driver_sql(
            f"INSERT INTO probes (name) SELECT 'probe-' || n FROM generate_series(1, {count}) AS n"  # noqa: S608  numbers
        )
        for day in range(days):
            start = since + 86_400 * day
            connection.exec_driver_sql(f"SELECT make_runs_partition({start})")
            connection.exec_driver_sql(MADE.format(step=step_s, since=start, until=start + 86_400, probes=count))
        rollups.rebuild_rollups(connection)
        packed_days.rebuild_days(connection)


def bytes_of(url: str) -> dict[str, int]:
    """Return the bytes of each table with its indexes, partitions added up, and of the write-ahead log so far."""
    with open_reader(url) as connection:
        found = connection.exec_driver_sql(
            "SELECT regexp_replace(relname, '_[0-9]{6}$', ''), sum(pg_total_relation_size(oid))::bigint FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace GROUP BY 1"
        )
        sizes = {row[0]: row[1] for row in found}
        sizes["log"] = connection.exec_driver_sql("SELECT pg_current_wal_lsn() - '0/0'").scalar()
    return {name: int(size or 0) for name, size in sizes.items()}


def one_run(name: str, at: datetime) -> Attempt:
    """Return a run with the output and the trace of a real test."""
    server = Server("1001", "Near", "Exampleton", "Exampleland", "speed.example.net:8080")
    run = Run(
        str(uuid.uuid4()), name, at, at + timedelta(seconds=25), Status.OK, Trigger.SCHEDULE, NetworkPath.IP4ONLY,
        engine="ookla", download_bps=95_000_000, upload_bps=18_000_000, latency_ms=5.5, isp="Example Fibre",
        external_ip="203.0.113.10", ip_family=4, healthy=True, server=server,
    )  # fmt: skip
    samples = tuple((2_900_000 + 7919 * k % 90_000, 60_000 + k, 2_950_000 + k, 61_000 + k) for k in range(100))
    return Attempt(run, Plan(100_000_000, 20_000_000), RawOutput(RESULT.read_text()), None, Trace(250, samples))


def forward(url: str, names: list[str], size: int) -> list[float]:
    """Store a batch of each probe, as forwarding does; return the seconds that each took."""
    taken = []
    for name in names:
        end = SINCE + timedelta(days=40)
        batch = [one_run(name, end + timedelta(minutes=5 * k)) for k in range(size)]
        begin = time.perf_counter()
        with open_writer(url) as connection:
            lookups.claim_probes(connection, {name}, name)
            add_attempts(connection, batch)
        taken.append(time.perf_counter() - begin)
    return taken


def seconds(work: Callable[[], object]) -> float:
    """Return the median time of a few rounds."""
    taken = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken)


def reads(url: str, days: int) -> dict[str, float]:
    """Return the seconds that common reads take."""
    until, zone = SINCE + timedelta(days=days), ZoneInfo("Europe/Berlin")

    def latest() -> None:
        with open_reader(url) as connection:
            read.latest_runs(connection, limit=300, probes=lookups.probe_pks(connection, ["probe-1"]))

    def day() -> None:
        with open_reader(url) as connection:
            pks = lookups.probe_pks(connection, ["probe-1"])
            list(read.read_runs(connection, read.RunFilter(until - timedelta(days=1), until, probes=pks)))

    def month(*names: str) -> None:
        with open_reader(url) as connection:
            chosen = read.RunFilter(SINCE, until, probes=lookups.probe_pks(connection, names))
            buckets.read_buckets(connection, chosen, zone=zone)

    return {
        "300 latest runs of one probe": seconds(latest),
        "all runs of a day of one probe": seconds(day),
        "buckets of all days, one probe": seconds(lambda: month("probe-1")),
        "buckets of all days, all probes": seconds(month),
    }


def main() -> None:
    """Measure and print."""
    given = [int(word) for word in sys.argv[1:]]
    count, days, step_s = (*given, *(200, 30, 300)[len(given) :])
    postgres_cluster.SETTINGS.update(fsync="on", shared_buffers="128MB", autovacuum="on")
    with Cluster() as server:
        url = server.store()
        begin = time.perf_counter()
        fill(url, count, days, step_s)
        with open_reader(url) as connection:
            rows = read.count_runs(connection)
        print(f"{rows:,} runs of {count} probes in {days} days, made in {time.perf_counter() - begin:.0f} s")
        sizes = bytes_of(url)
        print({name: f"{size / rows:.0f} bytes a run" for name, size in sizes.items() if size > rows})
        with open_writer(url) as connection:
            connection.exec_driver_sql("ANALYZE")
        for what, taken in reads(url, days).items():
            print(f"{what}: {1000 * taken:.0f} ms")
        names = [f"probe-{k}" for k in range(1, FORWARDED + 1)]
        for size in (1, 100):
            before = bytes_of(url)
            taken = forward(url, names, size)
            after = bytes_of(url)
            each = {name: (after[name] - before.get(name, 0)) / (size * len(names)) for name in after}
            print(f"batches of {size}: {1000 * statistics.median(taken):.0f} ms each")
            print({name: f"{value:.0f} bytes a run" for name, value in each.items() if value >= 1})


if __name__ == "__main__":
    need("initdb:postgresql", "postgres:postgresql")
    main()
