"""The numbers of a report, counted again by plain SQL over the stored runs and by numpy, and equal."""

from __future__ import annotations

import dataclasses
import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from example_reports import SOLD, START, failed, run, subject
from example_runs import make_attempt
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.analysis.columns import Columns
from monitor.analysis.outages import find_incidents
from monitor.model import FailureKind, Plan, Remark, Scope, Status
from monitor.report.evidence import Evidence, gather_evidence
from monitor.store.connection import open_reader, open_writer
from monitor.store.read import RunFilter, read_runs
from monitor.store.statistics import plan_periods
from monitor.store.write import add_attempt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from monitor.model import Attempt, Run

BUSY = {"healthy": False, "remarks": (Remark("cross_traffic", "3 Mbit/s"),)}

SMALLER = Plan(download_bps=50_000_000, upload_bps=10_000_000)

# What counts, and the local hour and weekday (SQLite: 0 is Sunday) of Central European time, whose summer
# ended on 25 October 2026 at 01:00 UTC.
TRUSTED = "status = 'ok' AND coalesce(healthy, 1)"

LOCAL = "started_at + CASE WHEN started_at < 1792890000 THEN 7200 ELSE 3600 END"

HOUR = f"CAST(strftime('%H', {LOCAL}, 'unixepoch') AS INTEGER)"

WEEKDAY = f"(CAST(strftime('%w', {LOCAL}, 'unixepoch') AS INTEGER) + 6) % 7"


def _attempts() -> list[Attempt]:
    """Return ten days at a test each 47 minutes, over the end of summer time, with all that can come of one."""
    chance = np.random.default_rng(6)
    return [_attempt(number, chance) for number in range(300)]


def _attempt(number: int, chance: np.random.Generator) -> Attempt:
    plan = SOLD if number < 170 else SMALLER
    at = START + timedelta(minutes=47 * number)
    if number % 41 in {0, 1}:
        return dataclasses.replace(
            make_attempt(), run=failed(47 * number, Scope.LINE if number % 2 else Scope.LOCAL), plan=plan
        )
    if number % 67 == 5:
        return dataclasses.replace(make_attempt(started_at=at, status=Status.SKIPPED, latency_ms=None), plan=plan)
    numbers = {
        "download_bps": int(chance.integers(20_000_000, 110_000_000)),
        # Exactly 90 % of the plan, now and then.
        "upload_bps": 18_000_000 if number % 7 == 0 else int(chance.integers(4_000_000, 22_000_000)),
        "latency_ms": round(float(chance.uniform(5, 60)), 3),
        "packet_loss_pct": round(float(chance.uniform(0, 3)), 3) if number % 3 else None,
        "healthy": True,
    }
    return dataclasses.replace(make_attempt(started_at=at, **(numbers | (BUSY if number % 29 == 3 else {}))), plan=plan)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Evidence, sqlite3.Connection]]:
    """Yield the evidence of stored runs, and a plain connection to their database."""
    file = tmp_path_factory.mktemp("report") / "s.db"
    url, until = f"sqlite:///{file}", START + timedelta(days=10)
    with open_writer(url) as connection:
        for each in _attempts():
            add_attempt(connection, each)
    with open_reader(url) as connection:
        runs = list(read_runs(connection, RunFilter(START, until)))
        changed = tuple(plan_periods(connection, RunFilter(START, until)))
    made = gather_evidence(subject(runs, plan_periods=changed))
    with closing(sqlite3.connect(file)) as connection:
        yield made, connection


def _rows(connection: sqlite3.Connection, what: str, where: str = "true", by: str = "true") -> list[tuple[Any, ...]]:
    query = f"SELECT {what} FROM runs WHERE {where} GROUP BY {by}"  # noqa: S608  our own words
    return connection.execute(query).fetchall()


@pytest.mark.parametrize("name", ["download_bps", "upload_bps", "latency_ms", "jitter_ms", "packet_loss_pct"])
def test_medians_and_percentiles_are_those_of_plain_sql_and_numpy(both: tuple[Evidence, sqlite3.Connection], name: str):
    """Doubtful, failed and skipped runs are in none of them."""
    evidence, connection = both
    values = [value for (value,) in _rows(connection, name, f"{TRUSTED} AND {name} NOT NULL", "pk")]
    result = evidence.figures.spreads[name]
    assert result.tests == len(values)
    assert (result.p5, result.median, result.p95) == pytest.approx(np.quantile(values, [0.05, 0.5, 0.95]), abs=0.0006)


@pytest.mark.parametrize("name", ["download_bps", "upload_bps"])
def test_each_run_is_compared_with_the_plan_it_was_stored_with(both: tuple[Evidence, sqlite3.Connection], name: str):
    """SQL compares each run with the plan in its own row; exactly 90 % is not below 90 %."""
    evidence, connection = both
    for share in evidence.figures.below_plan[name]:
        short = f"sum(100 * {name} < {share.limit} * plan_{name})"
        (wanted,) = _rows(connection, f"{short}, count({name})", f"{TRUSTED} AND plan_{name} NOT NULL")
        assert (share.count, share.tests) == wanted


def test_latency_above_that_of_the_plan_is_counted_while_a_plan_names_one(both: tuple[Evidence, sqlite3.Connection]):
    """The second plan names none; those runs are not judged."""
    evidence, connection = both
    where = f"{TRUSTED} AND plan_latency_ms NOT NULL AND latency_ms NOT NULL"
    (wanted,) = _rows(connection, "sum(latency_ms > plan_latency_ms), count(*)", where)
    assert evidence.figures.above_plan
    assert (evidence.figures.above_plan.count, evidence.figures.above_plan.tests) == wanted


@pytest.mark.parametrize(("place", "part", "count"), [(HOUR, "hours", 24), (WEEKDAY, "weekdays", 7)])
def test_hours_and_weekdays_are_those_of_local_clocks(
    both: tuple[Evidence, sqlite3.Connection], place: str, part: str, count: int
):
    """Over the end of summer time, with the shift written out in SQL."""
    evidence, connection = both
    slots = getattr(evidence, part)
    short = f"avg(100.0 * (100 * download_bps < 90 * plan_download_bps)) FILTER (WHERE {TRUSTED})"
    counts = f"count(*) FILTER (WHERE {TRUSTED}), count(*) FILTER (WHERE status = 'failed')"
    rates = f"group_concat(download_bps) FILTER (WHERE {TRUSTED})"
    rows = _rows(connection, f"{place}, {counts}, {short}, {rates}", by="1")
    result = {int(row[0]): row[1:] for row in rows}
    assert len(slots) == len(result) == count
    for at, (tests, broken, share, rates) in result.items():
        median = np.median([int(rate) for rate in str(rates).split(",")])
        assert (slots[at].tests, slots[at].failed, slots[at].medians["download_bps"]) == (tests, broken, median)
        assert slots[at].below_plan["download_bps"] == pytest.approx(share)


def test_what_came_of_the_attempts_is_what_sql_counts(both: tuple[Evidence, sqlite3.Connection]):
    """Statuses, doubtful ones, and failures by whose fault and what."""
    evidence, connection = both
    tally = evidence.figures.counts
    assert tally.statuses == dict(_rows(connection, "status, count(*)", by="1"))
    counted = f"sum({TRUSTED}), sum(status = 'ok' AND healthy = 0)"
    assert [(tally.trusted, tally.doubtful)] == _rows(connection, counted)
    faults = _rows(connection, "failure_scope, failure_kind, count(*)", "status = 'failed'", "1, 2")
    assert sorted((*who, many) for who, many in tally.faults.items()) == sorted(faults)
    assert tally.doubts == {"cross_traffic": tally.doubtful}


RESULTS = st.lists(
    st.tuples(st.integers(0, 14_000), st.integers(1, 2 * 10**8), st.sampled_from(["ok", "busy", "failed"])), max_size=60
)


@settings(max_examples=60, deadline=None)
@given(RESULTS, st.sampled_from([None, 10**8, 33_333_333]))
def test_whatever_the_runs_are_the_numbers_are_those_of_a_plain_loop(
    results: list[tuple[int, int, str]], sold: int | None
):
    """None, one, all failed, with a plan and without."""
    evidence = gather_evidence(subject([_run(*each) for each in results], plan=Plan(download_bps=sold)))
    rates = sorted(rate for _, rate, what in results if what == "ok")
    result = evidence.figures.spreads.get("download_bps")
    assert (result and result.median) == (float(np.median(rates)) if rates else None)
    shares = evidence.figures.below_plan.get("download_bps", ())
    wanted = [sum(rate * 100 < sold * limit for rate in rates) for limit in (50, 80, 90)] if rates and sold else []
    assert [share.count for share in shares] == wanted
    assert sum(slot.tests for slot in evidence.hours) == sum(slot.tests for slot in evidence.weekdays) == len(rates)
    assert evidence.figures.counts.broken == sum(what == "failed" for *_, what in results)


def _run(minute: int, rate: int, what: str) -> Run:
    return failed(minute) if what == "failed" else run(minute, download_bps=rate, **(BUSY if what == "busy" else {}))


def test_tests_of_one_second_are_each_compared_with_their_own_plan():
    """Two probes with plans of their own may begin at once."""
    columns = Columns.from_runs([run(0, probe="cabin", download_bps=10_000_000), run(0, download_bps=10_000_000)])
    plans = {"cabin": Plan(10_000_000), "home": Plan(100_000_000)}
    sorts = tuple(dataclasses.replace(sort, plan=plans[sort.probe]) for sort in columns.attributes)
    noted = tuple((START, plan) for plan in plans.values())
    figures = gather_evidence(
        subject([], columns=dataclasses.replace(columns, attributes=sorts), plan_periods=noted)
    ).figures
    assert [share.count for share in figures.below_plan["download_bps"]] == [1, 1, 1]


def test_a_latency_as_sold_is_not_late():
    """Only what is above it is."""
    late = gather_evidence(subject([run(0, latency_ms=30.0), run(15, latency_ms=30.001)], plan=SOLD)).figures.above_plan
    assert late
    assert (late.count, late.tests) == (1, 2)


def test_missing_details_of_a_failed_test_are_not_guessed():
    """One that was interrupted says so by its status; whose fault it was is not known."""
    silent = [run(at, status=status) for at, status in enumerate((Status.FAILED, Status.INTERRUPTED))]
    result = gather_evidence(subject(silent)).figures.counts.faults
    assert result == {(Scope.UNKNOWN, FailureKind.UNKNOWN): 1, (Scope.UNKNOWN, FailureKind.INTERRUPTED): 1}


def test_only_results_that_count_name_the_line():
    """The ISP of a doubtful result is another line's; its engine and path were used all the same."""
    source = gather_evidence(subject([run(0), run(15, isp="Neighbour", engine="iperf3", **BUSY)])).source
    assert (source.isps, source.engines) == ({"Verizon Fios": 1}, {"ookla": 1, "iperf3": 1})


def test_a_plan_of_nothing_promises_nothing():
    """As in the graphs, 0 bit/s is no promise that every test would keep."""
    figures = gather_evidence(subject([run(0)], plan=Plan(0, 0, 0.0))).figures
    assert (figures.below_plan, figures.above_plan) == ({}, None)


@pytest.mark.parametrize(
    "runs", [[], [run(5)], [failed(5)], [failed(5), failed(20), failed(35)], [run(0), failed(15), run(30)]]
)
def test_few_or_bad_runs_make_evidence_without_invented_numbers(runs: Sequence[Run]):
    """No run, one, one failed, all failed, three."""
    figures = gather_evidence(subject(runs, previous=Columns.from_runs([]), previous_window=subject([]).window)).figures
    measured = sum(each.status is Status.OK for each in runs)
    assert set(figures.spreads) == ({"download_bps", "upload_bps", "latency_ms", "jitter_ms"} if measured else set())
    assert figures.downtime.outages == len(list(find_incidents(runs)))
