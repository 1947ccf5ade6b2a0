"""Incidents: failed runs in a row whose cause is the line, from the first failure to the next success."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import pytest
from example_runs import DNS, START, make_attempt, make_failed_attempt
from hypothesis import given
from hypothesis import strategies as st

from monitor.analysis.availability import find_outage_spans, find_outages
from monitor.analysis.outages import find_incidents, merge_spans
from monitor.analysis.series import to_series
from monitor.localtime import Window
from monitor.model import Failure, FailureKind, NetworkPath, Run, Scope, Status
from monitor.store.connection import open_writer
from monitor.store.write import add_attempt

if TYPE_CHECKING:
    from pathlib import Path as File

COMMAND = [sys.executable, "-W", "error", "-c", "from monitor.cli.main import main; main()"]

SINCE_START = (datetime.now(UTC) - START) / timedelta(minutes=1)

LINE = Failure(FailureKind.UNREACHABLE, Scope.LINE, None, "nothing answers")

PROVIDER = Failure(FailureKind.PROVIDER_DOWN, Scope.PROVIDER, None, "503")


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
        ([bad(0), bad(5, PROVIDER), ok(10)], [(0, 10, 1)]),
        ([bad(0, PROVIDER), bad(5), ok(10)], [(5, 5, 1)]),
        ([bad(0), bad(5, status=Status.SKIPPED), bad(10), ok(15)], [(0, 15, 2)]),
        ([bad(0, status=Status.SKIPPED), ok(5)], []),
        ([bad(0), ok(5, path=NetworkPath.HOST), ok(10)], [(0, 10, 1)]),
        ([bad(0), bad(1, probe="cabin"), ok(2, probe="cabin"), ok(3)], [(1, 1, 1), (0, 3, 1)]),
    ],
)
def test_incidents_begin_and_end(runs: list[Run], expected: list[tuple[float, int | None, int]]):
    """Only the line's failures begin one, only a success on the same path of the same probe ends one."""
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
    lasts = "-" in "".join(story).rpartition("+")[2]
    assert bool(incidents and incidents[-1].ended is None) == lasts


@given(st.lists(st.tuples(st.sampled_from("+?-pi "), st.integers(1, 30), st.sampled_from(NetworkPath)), max_size=40))
def test_runs_and_columns_give_the_same_outages(story: list[tuple[str, int, NetworkPath]]):
    """`incidents` reads a stream of runs, graphs read columns: begin and end agree, path by path and merged."""
    make = {
        "+": ok,
        "?": lambda at: ok(at, healthy=False),
        "-": bad,
        "p": lambda at: bad(at, PROVIDER),
        "i": lambda at: bad(at, status=Status.INTERRUPTED),
        " ": lambda at: bad(at, status=Status.SKIPPED),
    }
    times = accumulate(pause for _, pause, _ in story)
    runs = [replace(make[what](at), path=path) for at, (what, _, path) in zip(times, story, strict=True)]
    all_series = to_series(runs, Window(START, START + timedelta(days=2))) if runs else ()
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
    outages = find_outages(all_series, Window(START, START + timedelta(days=2)))
    assert [(outage.start, outage.end) for outage in outages] == merged
    ongoing = any(end == math.inf for spans in incidents.values() for _, end in spans)
    assert [outage.is_ongoing for outage in outages] == [False] * (len(outages) - ongoing) + [True] * ongoing


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
    *_, line = incidents_of(environ).splitlines()
    assert line.split()[4:] == ["25", "min", "2", "ip4only", "dns:", *DNS.message.split()]
    (incident,) = json.loads(incidents_of(environ, "--json"))
    assert (incident["length_s"], incident["failures"], incident["kind"]) == (1500, 2, "dns")


def test_command_without_an_outage(environ: dict[str, str], tmp_path: File):
    """A line that never failed is said to be so."""
    environ["SPEEDMON_DATABASE_URL"] = f"sqlite:///{tmp_path}/empty.db"
    assert incidents_of(environ, "--days", "7") == "No outage of the line in the last 7 days.\n"
    assert json.loads(incidents_of(environ, "--json")) == []
