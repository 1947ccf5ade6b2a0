"""Incidents: from the first failed run of the line to the first run that proves that the line works again."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate, count
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from example_runs import DNS, START, make_attempt, make_failed_attempt
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.analysis.availability import find_outage_spans, find_outages, total_downtime, watch_series
from monitor.analysis.calendar import count_days
from monitor.analysis.columns import Columns
from monitor.analysis.outages import Incident, find_incidents, merge_spans
from monitor.analysis.plan import PlanHistory
from monitor.analysis.series import to_series
from monitor.analysis.statistics import compute_statistics, count_attempts
from monitor.localtime import Window
from monitor.model import Attempt, Failure, FailureKind, NetworkPath, Run, Scope, Status
from monitor.store.buckets import read_buckets
from monitor.store.columnar import read_columns
from monitor.store.connection import open_writer
from monitor.store.incidents import read_incidents
from monitor.store.lookups import probe_pks
from monitor.store.read import RunFilter, read_runs
from monitor.store.write import add_attempt, add_attempts

if TYPE_CHECKING:
    from pathlib import Path as File

COMMAND = [sys.executable, "-W", "error", "-c", "from monitor.cli.main import main; main()"]

SINCE_START = (datetime.now(UTC) - START) / timedelta(minutes=1)

LINE = Failure(FailureKind.UNREACHABLE, Scope.LINE, None, "nothing answers")

PROVIDER = Failure(FailureKind.PROVIDER_DOWN, Scope.PROVIDER, None, "503")

LIMITED = Failure(FailureKind.RATE_LIMITED, Scope.UNKNOWN, None, "429")

UNKNOWN = Failure(FailureKind.UNKNOWN, Scope.UNKNOWN, None, "contradictory")

PORTAL = Failure(FailureKind.TLS, Scope.LINE, None, "captive portal")

LICENCE = Failure(FailureKind.LICENCE, Scope.CONFIG, None, "not accepted")

NAMESPACE = Failure(FailureKind.NAMESPACE, Scope.LOCAL, None, "missing")


def ok(minutes: float, **changes: Any) -> Run:
    """Return a good run."""
    return make_attempt(minutes, **changes).run


def bad(minutes: float, failure: Failure = LINE, **changes: Any) -> Run:
    """Return a failed run."""
    return replace(make_failed_attempt(minutes, failure).run, **changes)


def spans(*runs: Run) -> list[tuple[float, int | None, int]]:
    """Return begin in minutes, length in minutes and failures of each incident."""
    return [
        (
            (incident.began - START) / timedelta(minutes=1),
            incident.length_s and incident.length_s // 60,
            incident.failures,
        )
        for incident in find_incidents(runs)
    ]


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([], []),
        ([ok(0), ok(5)], []),
        ([ok(0), bad(5), ok(10)], [(5, 5, 1)]),
        ([bad(0), bad(5), bad(10), ok(25)], [(0, 25, 3)]),
        ([bad(0), ok(5), bad(10), ok(15)], [(0, 5, 1), (10, 5, 1)]),
        ([bad(0), bad(5)], [(0, None, 2)]),
        ([bad(0, PROVIDER), ok(5)], []),
        ([bad(0), bad(5, PROVIDER), ok(10)], [(0, 5, 1)]),
        ([bad(0), bad(5, LIMITED), ok(10)], [(0, 5, 1)]),
        ([bad(0), bad(5, UNKNOWN), ok(10)], [(0, 10, 1)]),
        ([bad(0), bad(5, UNKNOWN, line_answered=False), ok(10)], [(0, 10, 1)]),
        ([bad(0), bad(5, UNKNOWN, line_answered=True), ok(10)], [(0, 5, 1)]),
        ([bad(0), bad(5, PORTAL, line_answered=True), ok(10)], [(0, 10, 2)]),
        ([bad(0), bad(5, LICENCE), bad(6, NAMESPACE, line_answered=True), ok(10)], [(0, 10, 1)]),
        ([bad(0, LICENCE), bad(5, NAMESPACE), ok(10)], []),
        ([bad(0, PROVIDER), bad(5), ok(10)], [(5, 5, 1)]),
        ([bad(0), bad(5, status=Status.SKIPPED), bad(10), ok(15)], [(0, 15, 2)]),
        ([bad(0, status=Status.SKIPPED), ok(5)], []),
        ([bad(0), ok(5, path=NetworkPath.HOST), ok(10)], [(0, 10, 1)]),
        ([bad(0), bad(1, probe="cabin"), ok(2, probe="cabin"), ok(3)], [(1, 1, 1), (0, 3, 1)]),
    ],
)
def test_incidents_begin_and_end(runs: list[Run], expected: list[tuple[float, int | None, int]]):
    """Only the line's failures begin one; what proves that the line works ends one, on the same path of the probe."""
    assert spans(*runs) == expected


def test_an_incident_has_its_cause():
    """Its kind is what most of its runs say, its words are those of the first."""
    (incident,) = find_incidents([bad(0, DNS), bad(5), bad(10), ok(15)])
    assert (incident.kind, incident.message) == (FailureKind.UNREACHABLE, DNS.message)


@given(st.lists(st.sampled_from("+-p ")))
def test_every_failure_of_the_line_is_in_one_incident(story: list[str]):
    """However a story goes, no failure is lost or counted twice, and at most the last incident lasts."""
    make = {"+": ok, "-": bad, "p": lambda at: bad(at, PROVIDER), " ": lambda at: bad(at, status=Status.SKIPPED)}
    incidents = [*find_incidents([make[what](minute) for minute, what in enumerate(story)])]
    assert sum(incident.failures for incident in incidents) == story.count("-")
    assert all(incident.ended is not None for incident in incidents[:-1])
    lasts = "-" in "".join(story).replace("p", "+").rpartition("+")[2]
    assert bool(incidents and incidents[-1].ended is None) == lasts


MAKERS = {
    "+": ok,
    "?": lambda at: ok(at, healthy=False),
    "-": bad,
    "o": lambda at: bad(at, PORTAL),
    "p": lambda at: bad(at, PROVIDER),
    "l": lambda at: bad(at, LIMITED),
    "u": lambda at: bad(at, UNKNOWN),
    "a": lambda at: bad(at, UNKNOWN, line_answered=True),
    "n": lambda at: bad(at, UNKNOWN, line_answered=False),
    "c": lambda at: bad(at, LICENCE),
    "h": lambda at: bad(at, NAMESPACE, line_answered=True),
    "i": lambda at: bad(at, status=Status.INTERRUPTED),
    " ": lambda at: bad(at, status=Status.SKIPPED),
}

# What happens, after how many minutes, over which path.
histories = st.lists(
    st.tuples(st.sampled_from([*MAKERS]), st.integers(1, 30), st.sampled_from(NetworkPath)), max_size=40
)

NUMBERS = count()

TWO_DAYS = Window(START, START + timedelta(days=2))


def runs_of(history: list[tuple[str, int, NetworkPath]]) -> list[Run]:
    """Return the runs of a history."""
    times = accumulate(pause for _, pause, _ in history)
    return [replace(MAKERS[what](at), path=path) for at, (what, _, path) in zip(times, history, strict=True)]


@given(histories)
def test_runs_and_columns_give_the_same_outages(history: list[tuple[str, int, NetworkPath]]):
    """`incidents` reads a stream of runs, graphs read columns: begin and end agree, path by path and merged."""
    runs = runs_of(history)
    all_series = to_series(runs, TWO_DAYS) if runs else ()
    incidents = {
        path: [
            (incident.began.timestamp(), incident.ended.timestamp() if incident.ended else math.inf)
            for incident in find_incidents(runs)
            if incident.path is path
        ]
        for path in NetworkPath
    }
    assert {path: spans for path, spans in incidents.items() if spans} == {
        series.path: spans for series in all_series if (spans := find_outage_spans(series.runs))
    }
    last = max((run.finished_at.timestamp() for run in runs), default=0.0)
    merged = merge_spans((start, min(end, last)) for spans in incidents.values() for start, end in spans)
    outages = find_outages(all_series, TWO_DAYS)
    assert [(outage.start, outage.end) for outage in outages] == merged
    ongoing = any(end == math.inf for spans in incidents.values() for _, end in spans)
    assert [outage.is_ongoing for outage in outages] == [False] * (len(outages) - ongoing) + [True] * ongoing


@given(histories)
def test_the_report_and_the_picture_give_the_same_downtime_and_shares(history: list[tuple[str, int, NetworkPath]]):
    """The report adds up incidents, the picture outages of columns; both count the same tests."""
    runs = runs_of(history)
    columns = Columns.from_runs(runs)
    figures = compute_statistics(columns, TWO_DAYS, list(find_incidents(runs)), PlanHistory(()))
    all_series = to_series(runs, TWO_DAYS) if runs else ()
    assert total_downtime(find_outages(all_series, TWO_DAYS), watch_series(all_series)) == figures.downtime
    days = count_days(all_series, [], TWO_DAYS, ZoneInfo("UTC"))
    counts = figures.counts
    assert (sum(day.started for day in days), sum(day.broken for day in days)) == (counts.counted, counts.lost)
    assert counts.counted == sum("".join(what for what, *_ in history).count(one) for one in "+?-oplaun")
    assert counts.lost == sum("".join(what for what, *_ in history).count(one) for one in "-oplaun")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the URL of a database for histories, each of a probe of its own."""
    return f"sqlite:///{tmp_path_factory.mktemp('histories')}/speedmon.db"


def order(incident: Incident) -> tuple[object, ...]:
    """Return the key by which incidents are put in order."""
    return incident.began, incident.path


# An outage that began in the hour before, and ends in an hour with a failure of its own.
OVER_THE_HOUR = [(what, minutes, NetworkPath.IP4ONLY) for what, minutes in [("+", 10), ("-", 20), ("-", 15), ("+", 5)]]


@settings(max_examples=15, deadline=None)
@example(OVER_THE_HOUR)
@given(histories)
def test_the_store_gives_the_same_outages_and_shares(url: str, history: list[tuple[str, int, NetworkPath]]):
    """Stored runs, packed days, buckets of roll-ups and of runs agree with the runs as they were."""
    probe = f"probe {next(NUMBERS)}"
    runs = [replace(run, probe=probe) for run in runs_of([("+", 1, NetworkPath.HOST), *history])]
    counts = count_attempts(Columns.from_runs(runs))
    with open_writer(url) as connection:
        add_attempts(connection, [Attempt(run) for run in runs])
        everything = RunFilter(START, START + timedelta(days=2), probes=probe_pks(connection, [probe]))
        read = list(read_runs(connection, everything))
        columns = read_columns(connection, everything, ())
        for most in (2000, 3):
            buckets = read_buckets(connection, everything, zone=UTC, most=most)
            shares = sum(bucket.counted for bucket in buckets), sum(bucket.lost for bucket in buckets)
            assert shares == (counts.counted, counts.lost)
        from_hours = read_incidents(connection, everything)
    assert list(find_incidents(read)) == list(find_incidents(runs))
    assert sorted(from_hours, key=order) == sorted(find_incidents(runs), key=order)
    assert [find_outage_spans(series.runs) for series in to_series(columns, TWO_DAYS)] == [
        find_outage_spans(series.runs) for series in (to_series(runs, TWO_DAYS) if runs else ())
    ]


def test_the_edges_of_an_outage_are_the_tests_around_it():
    """The last good and the first failed one, the last failed and the first that proves that the line works."""
    runs = [ok(0), ok(5), bad(7, LICENCE), bad(10), bad(15), bad(16, NAMESPACE), bad(20, PROVIDER), ok(25), bad(30)]
    ended, ongoing = find_incidents(runs)
    edges = (ended.last_good, ended.first_failed, ended.last_failed, ended.first_good)
    assert edges == tuple(START + timedelta(minutes=at) for at in (5, 10, 15, 20))
    assert (ongoing.last_good, ongoing.last_failed, ongoing.first_good) == (
        START + timedelta(minutes=25),
        START + timedelta(minutes=30),
        None,
    )


@pytest.fixture
def environ(tmp_path: File) -> dict[str, str]:
    """Return an environment with a database in which the line failed twice and then came back."""
    url = f"sqlite:///{tmp_path}/speedmon.db"
    with open_writer(url) as connection:
        for one in (
            make_failed_attempt(SINCE_START - 60),
            make_failed_attempt(SINCE_START - 50),
            make_attempt(SINCE_START - 35),
        ):
            add_attempt(connection, one)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "SPEEDMON_DATABASE_URL": url,
        "SPEEDMON_DISPLAY__TIMEZONE": "UTC",
    }


def incidents_of(environ: dict[str, str], *argv: str) -> str:
    """Run `speedmon incidents`."""
    done = subprocess.run([*COMMAND, "incidents", *argv], env=environ, capture_output=True, check=True, timeout=60)
    return done.stdout.decode()


def test_command_for_people_and_programs(environ: dict[str, str]):
    """A line has begin, end, length, number and cause; JSON has the same with names."""
    *_, line, edges = incidents_of(environ).splitlines()
    assert edges.startswith("  no good test before, first failed ")
    assert "; last failed " in edges
    assert ", first good " in edges
    assert line.split()[4:] == ["25", "min", "2", "ip4only", "dns:", *DNS.message.split()]
    (incident,) = json.loads(incidents_of(environ, "--json"))
    assert (incident["length_s"], incident["failures"], incident["kind"]) == (1500, 2, "dns")
    assert (incident["last_good"], incident["first_failed"]) == (None, incident["began"])
    assert incident["first_failed"] < incident["last_failed"] < incident["first_good"] == incident["ended"]


def test_command_without_an_outage(environ: dict[str, str], tmp_path: File):
    """A line that never failed is said to be so."""
    environ["SPEEDMON_DATABASE_URL"] = f"sqlite:///{tmp_path}/empty.db"
    assert incidents_of(environ, "--days", "7") == "No outage of the line in the last 7 days.\n"
    assert json.loads(incidents_of(environ, "--json")) == []
