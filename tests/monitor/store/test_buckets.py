"""Buckets and roll-ups match their runs, in whatever order the runs were stored."""

from __future__ import annotations

import statistics
from dataclasses import replace
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from example_runs import DNS, START, make_attempt, make_failed_attempt
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, event, select, update

from monitor.model import Attempt, NetworkPath, Status
from monitor.store import buckets, rollups, tables
from monitor.store.connection import open_reader, open_writer
from monitor.store.lookups import probe_pks
from monitor.store.read import RunFilter
from monitor.store.write import add_attempt, add_attempts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

DAY = timedelta(days=1)

BERLIN, KOLKATA = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the URL of a database that the tests of this file share, of each kind; each test fills it again."""
    if request.param == "postgresql":
        made: str = request.getfixturevalue("cluster").store()
        return made
    return f"sqlite:///{tmp_path_factory.mktemp('buckets')}/speedmon.db"


@pytest.fixture(scope="module")
def sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the URL of a SQLite database, for tests of what only SQLite can report."""
    return f"sqlite:///{tmp_path_factory.mktemp('plans')}/speedmon.db"


def fill(url: str, attempts: Iterable[Attempt]) -> None:
    """Store attempts in place of those that were there."""
    with open_writer(url) as connection:
        connection.execute(delete(tables.runs))
        connection.execute(delete(tables.rollups))
        add_attempts(connection, attempts)


def expected(attempts: list[Attempt], bucket: buckets.Bucket) -> tuple[object, ...]:
    """Return what a bucket has to say of these attempts, added up by hand."""
    inside = [one.run for one in attempts if bucket.start <= one.run.started_at.timestamp() < bucket.end]
    rates = [run.download_bps for run in inside if run.status is Status.OK and run.healthy is not False]
    numbers = (len(rates), min(rates), max(rates)) if rates else None
    failures = sum(run.status is Status.FAILED for run in inside)
    return len(inside), failures, sum(run.healthy is False for run in inside), numbers


def statistics_of(bucket: buckets.Bucket) -> tuple[object, ...]:
    """Return what a bucket says."""
    down = bucket.download_bps
    numbers = (down.count, down.min, down.max) if down else None
    return bucket.runs, bucket.failed, bucket.doubtful, numbers


_one = st.builds(
    lambda minute, rate, kind: (
        make_failed_attempt(minute) if kind == "failed" else make_attempt(minute, download_bps=rate, healthy=kind)
    ),
    st.integers(0, 40 * 24 * 60),
    st.integers(0, 10**9),
    st.sampled_from(["failed", None, True, False]),
)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(_one, min_size=1, max_size=30),
    st.sampled_from([BERLIN, KOLKATA, UTC]),
    st.sampled_from([3, 12, 50, 2000]),
    st.integers(0, 3 * 24 * 60),
)
def test_buckets_are_what_their_runs_come_to(url: str, many: list[Attempt], zone: ZoneInfo, most: int, late: int):
    """Whatever the zone, the length and the edges, each run is in one bucket, and no bucket says more than its runs."""
    fill(url, many)
    since, until = START + timedelta(minutes=late), START + 41 * DAY
    with open_reader(url) as connection:
        result = buckets.read_buckets(connection, RunFilter(since, until), zone=zone, most=most)
        assert rollups.count_mismatches(connection) == 0
    assert [statistics_of(bucket) for bucket in result] == [expected(many, bucket) for bucket in result]
    assert sum(bucket.runs for bucket in result) == sum(one.run.started_at >= since for one in many)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=20), st.booleans())
def test_means_and_medians_are_true(url: str, rates: list[int], even: bool):
    """The mean is that of the runs, not of the hours, and the median is the middle number, or the mean of the two."""
    many = [make_attempt(7 * k, download_bps=rate) for k, rate in enumerate(rates + rates[:1] * even)]
    fill(url, [*many, make_failed_attempt(), make_attempt(1, download_bps=5, healthy=False)])
    with open_reader(url) as connection:
        (bucket,) = buckets.read_buckets(connection, RunFilter(START, START + DAY), zone=UTC, most=1, medians=True)
    values = [one.run.download_bps for one in many]
    assert bucket.download_bps is not None
    assert bucket.download_bps.mean == pytest.approx(statistics.fmean(values))
    assert bucket.download_bps.median == pytest.approx(statistics.median(values))


def test_nothing_trusted_has_no_numbers(url: str):
    """A bucket with failures and doubtful runs alone counts them and claims no rate."""
    fill(url, [make_failed_attempt(), make_attempt(1, healthy=False)])
    with open_reader(url) as connection:
        (bucket,) = buckets.read_buckets(connection, RunFilter(START, START + DAY), zone=UTC, most=1)
    assert (bucket.runs, bucket.failed, bucket.doubtful, bucket.download_bps) == (2, 1, 1, None)


def test_a_bucket_can_be_of_one_probe_and_path(url: str):
    """Another probe's runs, and those over another path, are left out when one is asked for."""
    fill(url, [make_attempt(), make_attempt(probe="cabin"), make_attempt(path=NetworkPath.HOST)])
    everything = RunFilter(START, START + DAY)
    with open_reader(url) as connection:
        (cabin,) = probe_pks(connection, ["cabin"])
        changes: list[dict[str, Any]] = [{}, {"probes": [cabin]}, {"path": NetworkPath.HOST}, {"probes": [cabin + 1]}]
        filters = [replace(everything, **change) for change in changes]
        counts = [
            [bucket.runs for bucket in buckets.read_buckets(connection, one, zone=UTC, most=1)] for one in filters
        ]
    assert counts == [[3], [1], [1], []]


@settings(max_examples=20, deadline=None)
@given(st.permutations([make_failed_attempt(5), *(make_attempt(20 * k, healthy=k % 3 != 0 or None) for k in range(6))]))
def test_roll_ups_do_not_depend_on_the_order(url: str, order: list[Attempt]):
    """Runs that are stored late, or twice, leave the same roll-ups as in order and at once."""
    fill(url, ())
    with open_writer(url) as connection:
        for one in (*order, *order):
            add_attempt(connection, one)
        one_by_one = sorted(map(tuple, connection.execute(select(tables.rollups))))
    fill(url, sorted(order, key=lambda one: one.run.started_at))
    with open_reader(url) as connection:
        assert sorted(map(tuple, connection.execute(select(tables.rollups)))) == one_by_one


def test_a_roll_up_counts_by_status_and_by_blame(url: str):
    """An hour counts its runs by status, and the failed ones by scope."""
    hour = START.replace(minute=0, second=0)
    when = {"started_at": hour, "finished_at": hour}
    fill(
        url,
        [
            make_attempt(**when),
            make_attempt(**when, status=Status.SKIPPED),
            make_attempt(**when, status=Status.FAILED, failure=DNS),
        ],
    )
    names = ("runs", "ok", "failed", "skipped", "failed_line", "failed_unknown", "upload_bps_count", "upload_bps_sum")
    with open_reader(url) as connection:
        query = select(*(tables.rollups.c[name] for name in names))
        assert set(connection.execute(query)) == {(3, 1, 1, 1, 1, 0, 1, 17_336_336.0)}


def test_a_roll_up_that_is_wrong_is_found_and_repaired(url: str):
    """What is missing, what is too much and what says something else is counted; rebuilding leaves none."""
    fill(url, [make_attempt(), make_attempt(1440)])
    with open_writer(url) as connection:
        connection.execute(update(tables.rollups).where(tables.rollups.c.span == 86_400).values(latency_ms_sum=1.0))
        assert rollups.count_mismatches(connection) == 2
        connection.execute(delete(tables.runs).where(tables.runs.c.started_at > START.timestamp()))
        assert rollups.count_mismatches(connection) > 2
        rollups.rebuild_rollups(connection)
        assert rollups.count_mismatches(connection) == 0


def plans(connection: Connection, *, medians: bool) -> list[str]:
    """Return the query plans of all that a call of `buckets` asks."""
    asked: list[tuple[str, object]] = []
    event.listen(connection, "before_cursor_execute", lambda *event_arguments: asked.append(event_arguments[2:4]))
    window = RunFilter(START - 400 * DAY, START + timedelta(hours=5.7))
    buckets.read_buckets(connection, window, zone=KOLKATA, medians=medians)
    rows = [connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values) for sql, values in asked.copy()]
    return [row[3] for plan in rows for row in plan if "pieces" not in row[3] and "probes" not in row[3]]


@pytest.mark.parametrize("medians", [False, True])
def test_buckets_search_by_index(sqlite_url: str, medians: bool):
    """Neither runs nor roll-ups are read from end to end, and only the buckets themselves are sorted."""
    fill(sqlite_url, [make_attempt()])
    with open_reader(sqlite_url) as connection:
        steps = plans(connection, medians=medians)
    index = "ix_runs_probe_pk_path_started_at"
    by_run = f"SEARCH runs USING INDEX {index} (probe_pk=? AND path=? AND started_at>? AND started_at<?)"
    by_hour = "SEARCH rollups USING PRIMARY KEY (probe_pk=? AND path=? AND span=? AND start>? AND start<?)"
    searches = {step.removesuffix(" LEFT-JOIN") for step in steps if step.startswith(("SEARCH", "SCAN"))}
    assert {by_run, by_hour} <= searches
    assert not [step for step in searches if step.startswith(("SCAN runs", "SCAN rollups"))]
    sorts = {step for step in steps if "B-TREE" in step}
    assert sorts <= {"USE TEMP B-TREE FOR GROUP BY", "USE TEMP B-TREE FOR ORDER BY"}


def test_a_retry_is_found_by_index(sqlite_url: str):
    """The attempts after a first one need no scan."""
    with open_reader(sqlite_url) as connection:
        plan = connection.exec_driver_sql("EXPLAIN QUERY PLAN SELECT pk FROM runs WHERE retry_of = 'x'").all()
    assert plan[0][3] == "SEARCH runs USING COVERING INDEX ix_runs_retry_of (retry_of=?)"
