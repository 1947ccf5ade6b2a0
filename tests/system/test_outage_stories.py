"""Stories of many runs: the exact list of outages, and the report's availability, through the commands of a user."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from example_reports import text
from example_runs import make_attempt, make_failed_attempt
from matplotlib.text import Text

from monitor.analysis.series import to_series
from monitor.graph.availability import draw_availability
from monitor.graph.figure_canvas import FigureCanvas
from monitor.graph.render import GraphContext
from monitor.localtime import Window
from monitor.model import Failure, FailureKind, Plan, Scope, Status
from monitor.output import units
from monitor.report.evidence import gather_evidence
from monitor.report.load import RunSelection, load_subject
from monitor.store.buckets import read_buckets
from monitor.store.connection import open_writer
from monitor.store.incidents import read_incidents
from monitor.store.read import RunFilter
from monitor.store.write import add_attempts

if TYPE_CHECKING:
    from pathlib import Path

    from monitor.model import Attempt
    from monitor.report.evidence import ReportSubject

BEGIN = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=3)

EVERY, LASTS = timedelta(minutes=10), timedelta(seconds=20)


def failed(kind: FailureKind, scope: Scope, message: str) -> Failure:
    """Return a failure."""
    return Failure(kind, scope, None, message)


# By letter: what a test can end with, and whether packets came back over the line; "+" is a success.
FAILURES = {
    "d": (failed(FailureKind.DNS, Scope.LINE, "no name server answers"), False),
    "u": (failed(FailureKind.UNREACHABLE, Scope.LINE, "nothing answers"), False),
    "f": (failed(FailureKind.TIMEOUT, Scope.LINE, "nothing came for 12 s, then all answered"), True),
    "o": (failed(FailureKind.TLS, Scope.LINE, "captive portal"), True),
    "5": (failed(FailureKind.PROVIDER_DOWN, Scope.PROVIDER, "503 Service Unavailable"), True),
    "4": (failed(FailureKind.RATE_LIMITED, Scope.PROVIDER, "429 Too Many Requests"), True),
    "r": (failed(FailureKind.REFUSED, Scope.PROVIDER, "connection refused"), True),
    "s": (failed(FailureKind.STAGE_FAILED, Scope.PROVIDER, "broke off"), True),
    "t": (failed(FailureKind.TLS, Scope.PROVIDER, "certificate expired"), True),
    "g": (failed(FailureKind.SERVER_GONE, Scope.PROVIDER, "no such server"), True),
    "x": (failed(FailureKind.TIMEOUT, Scope.UNKNOWN, "the evidence contradicts itself"), None),
    "y": (failed(FailureKind.TIMEOUT, Scope.UNKNOWN, "the evidence contradicts itself"), True),
    "l": (failed(FailureKind.LICENCE, Scope.CONFIG, "licence not accepted"), None),
    "n": (failed(FailureKind.NAMESPACE, Scope.LOCAL, "no namespace"), None),
    "w": (failed(FailureKind.WRONG_BINARY, Scope.CONFIG, "not Ookla's"), None),
}


def attempts_of(story: str) -> list[Attempt]:
    """Return a run every ten minutes, one for each letter: "_" is skipped, "i" interrupted."""
    return [_attempt_of(letter, BEGIN + EVERY * at) for at, letter in enumerate(story)]


def _attempt_of(letter: str, at: datetime) -> Attempt:
    when = {"started_at": at, "finished_at": at + LASTS}
    if letter == "+":
        return make_attempt(**when)
    if letter in "_i":
        return make_attempt(status=Status.SKIPPED if letter == "_" else Status.INTERRUPTED, latency_ms=None, **when)
    failure, answered = FAILURES[letter]
    attempt = make_failed_attempt(0, failure)
    return replace(attempt, run=replace(attempt.run, line_answered=answered, **when))


@dataclass(frozen=True)
class Expected:
    """Outages, each as the numbers of its last good, first failed, last failed and first good run; "ok" of counted."""

    outages: list[tuple[int | None, int, int, int | None]]
    ok: int
    counted: int


GOOD = "+" * 6

STORIES = {
    "ten failures of the provider": (f"{GOOD}54rstg54ry{GOOD}", Expected([], 12, 22)),
    "five failures of the line": (f"{GOOD}ddudu{GOOD}", Expected([(5, 6, 10, 11)], 12, 17)),
    "a flap": (f"{GOOD}f{GOOD}", Expected([(5, 6, 6, 7)], 12, 13)),
    "the line, then the provider": (f"{GOOD}uuu555555{GOOD}", Expected([(5, 6, 8, 9)], 12, 21)),
    "the provider, then the line": (f"{GOOD}555uuu{GOOD}", Expected([(8, 9, 11, 12)], 12, 18)),
    "a portal over night": (f"{GOOD}{'o' * 48}{GOOD}", Expected([(5, 6, 53, 54)], 12, 60)),
    "two outages with a limit between": (f"{GOOD}uu4uu{GOOD}", Expected([(5, 6, 7, 8), (8, 9, 10, 11)], 12, 17)),
    "an outage with this machine's faults in it": (f"{GOOD}ulnw_iu{GOOD}", Expected([(5, 6, 12, 13)], 12, 14)),
    "only this machine's faults": (f"{GOOD}lllnnnwww_i{GOOD}", Expected([], 12, 12)),
    "the unknown proves nothing by itself": (f"{GOOD}uxu{GOOD}", Expected([(5, 6, 8, 9)], 12, 15)),
    "what came back ends an outage": (f"{GOOD}uyx{GOOD}", Expected([(5, 6, 6, 7)], 12, 15)),
    "an outage that lasts": (f"{GOOD}ddd", Expected([(5, 6, 8, None)], 6, 9)),
    "down from the start": (f"uuu{GOOD}", Expected([(None, 0, 2, 3)], 6, 9)),
}


@pytest.fixture(scope="module")
def incidents(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Return what `incidents --json` prints of all stories, each of a probe of its own."""
    folder = tmp_path_factory.mktemp("stories")
    url = f"sqlite:///{folder}/speedmon.db"
    with open_writer(url) as connection:
        for name, (story, _) in STORIES.items():
            attempts = attempts_of(story)
            add_attempts(connection, [replace(one, run=replace(one.run, probe=name)) for one in attempts])
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "SPEEDMON_DATABASE_URL": url}
    command = [sys.executable, "-m", "monitor", "incidents", "--json"]
    done = subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def moment(number: int | None) -> str | None:
    """Return the start of a run of a story, as JSON has it."""
    return None if number is None else f"{BEGIN + EVERY * number:%Y-%m-%dT%H:%M:%SZ}"


@pytest.mark.parametrize("name", STORIES)
def test_a_story_has_exactly_these_outages(name: str, incidents: list[dict[str, Any]]):
    """Those of `incidents`, with the tests at their edges."""
    expected = STORIES[name][1].outages[::-1]
    printed = [one for one in incidents if one["probe"] == name]
    keys = ("last_good", "first_failed", "last_failed", "first_good")
    assert [tuple(one[key] for key in keys) for one in printed] == [tuple(map(moment, outage)) for outage in expected]
    assert [one["length_s"] for one in printed] == [end and (end - begin) * 600 for _, begin, _, end in expected]


@pytest.mark.parametrize("name", STORIES)
def test_a_story_has_this_availability_in_report_and_picture(name: str, tmp_path: Path):
    """The share of the watched time that no outage covers, and of the tests those that count."""
    story, expected = STORIES[name]
    with open_writer(f"sqlite:///{tmp_path}/speedmon.db") as connection:
        add_attempts(connection, attempts_of(story))
        window = Window(BEGIN, BEGIN + timedelta(days=2))
        chosen = RunSelection(connection, window)
        subject = load_subject(chosen, zone=ZoneInfo("UTC"), made_at=window.until, plan=Plan())
        buckets = read_buckets(connection, RunFilter(*astuple(window)), zone=UTC)
    words = text(gather_evidence(subject))
    watched_s = (len(story) - 1) * EVERY.total_seconds() + LASTS.total_seconds()
    last = len(story) - 1 + LASTS / EVERY
    down_s = sum(((last if end is None else end) - begin) * 600 for _, begin, _, end in expected.outages)
    available = units.format_percent(100 * (1 - down_s / watched_s))
    assert f"Availability: {available} of the time watched" in words
    ongoing = ", of which 1 had not ended" if expected.outages and expected.outages[-1][3] is None else ""
    assert f"Outages: {len(expected.outages)}{ongoing}\n" in words
    lost = expected.counted - expected.ok
    assert not lost or f"{lost} of {expected.counted} tests that count failed" in words
    assert (sum(one.counted for one in buckets), sum(one.lost for one in buckets)) == (expected.counted, lost)
    assert {available_text(available), f"{expected.ok} ok ({share_of(expected)} %), {lost} failed"} <= drawn(subject)


def test_outage_that_began_before_the_window_keeps_its_begin(tmp_path: Path):
    """In `incidents` and in the report, which counts its part within the window; one that ended before is out."""
    story, first = f"{GOOD}uu{GOOD}{'u' * 20}{GOOD}u{GOOD}", 2 * len(GOOD) + 2
    url = f"sqlite:///{tmp_path}/speedmon.db"
    with open_writer(url) as connection:
        add_attempts(connection, attempts_of(story))
        window = Window(BEGIN + EVERY * (first + 10), BEGIN + timedelta(days=2))
        printed = read_incidents(connection, RunFilter(*astuple(window)))
        shortest = read_incidents(connection, RunFilter(*astuple(window)), most_hours=1)
        subject = load_subject(
            RunSelection(connection, window), zone=ZoneInfo("UTC"), made_at=window.until, plan=Plan()
        )
    edges = [(first + 26, first + 26, first + 27), (first, first + 19, first + 20)]
    times = [tuple(BEGIN + EVERY * number for number in numbers) for numbers in edges]
    assert [(one.began, one.last_failed, one.ended) for one in printed] == times
    assert [one.failures for one in printed] == [1, 20]
    assert [one.last_good for one in printed] == [BEGIN + EVERY * (at - 1) for at, *_ in edges]
    assert shortest == printed[:1]
    down_s, watched_s = (10 + 1) * 600, (len(story) - 1 - first - 10) * 600 + LASTS.total_seconds()
    available = units.format_percent(100 * (1 - down_s / watched_s))
    words = text(gather_evidence(subject))
    assert f"Availability: {available} of the time watched" in words
    assert "Outages: 2\n" in words


def available_text(available: str) -> str:
    """Return the beginning of the line in the picture."""
    return f"available {available}"


def share_of(expected: Expected) -> str:
    """Return the share of the counted tests that succeeded, as a picture has it."""
    return "100" if expected.ok == expected.counted else f"{min(100 * expected.ok / expected.counted, 99.9):.1f}"


def drawn(subject: ReportSubject) -> set[str]:
    """Return the beginnings of what the picture of the availability says of its figures."""
    canvas = FigureCanvas(1200, 860, 1.0)
    context = GraphContext(subject.zone, subject.plan, "Title")
    draw_availability(canvas, to_series(subject.columns, subject.window), subject.window, context)
    texts = [item.get_text() for item in canvas.figure.findobj(Text)]
    return {re.sub(r" of the .* watched$|, \d+ not counted$", "", one) for one in texts}
