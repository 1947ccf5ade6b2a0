"""Segments, marks, bands, pauses and changes, derived from runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from example_runs import START, make_attempt, make_failed_attempt
from hypothesis import given
from hypothesis import strategies as st

from monitor.analysis.availability import find_runs_after_pauses
from monitor.analysis.metrics import Metric
from monitor.analysis.series import ChangeKind, RunSeries, to_series
from monitor.localtime import Window
from monitor.model import Failure, FailureKind, NetworkPath, Scope, Server, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.model import Run

DAY = Window(START, START + timedelta(days=1))

ZERO = START.timestamp()

# One letter a run, a quarter of an hour apart: ok, failed, interrupted, skipped, ok without an upload; a dot is no run.
LETTERS = {
    "o": lambda at: make_attempt(at).run,
    "f": lambda at: make_failed_attempt(at).run,
    "i": lambda at: make_failed_attempt(at, Failure(FailureKind.INTERRUPTED, Scope.LOCAL, None, "")).run,
    "s": lambda at: make_attempt(at, status=Status.SKIPPED, download_bps=None, upload_bps=None, latency_ms=None).run,
    "u": lambda at: make_attempt(at, upload_bps=None).run,
}


def runs(letters: str) -> list[Run]:
    """Return the runs that the letters describe."""
    return [LETTERS[letter](15 * index) for index, letter in enumerate(letters) if letter != "."]


def series_of(letters: str) -> RunSeries:
    """Return the one series of the letters."""
    (series,) = to_series(runs(letters), DAY)
    return series


def slots(times: Sequence[float]) -> list[float]:
    """Return moments as positions of letters."""
    return [(at - ZERO) / 900 for at in times]


@pytest.mark.parametrize(
    ("letters", "joined"),
    [
        ("", []),
        ("o", [[0]]),
        ("ooo", [[0, 1, 2]]),
        ("oofoo", [[0, 1], [3, 4]]),
        ("ooioo", [[0, 1], [3, 4]]),
        ("oosoo", [[0, 1, 3, 4]]),
        ("fofof", [[1], [3]]),
        ("sf", []),
        ("oooo..oooo", [[0, 1, 2, 3], [6, 7, 8, 9]]),
        ("oooo.oooo", [[0, 1, 2, 3, 5, 6, 7, 8]]),
        ("oosssssoo", [[0, 1, 7, 8]]),
        ("ouo", [[0, 1, 2]]),
    ],
)
def test_a_line_joins_successes_only(letters: str, joined: list[list[float]]):
    """A line ends at a failed or interrupted run and at a long pause; a skipped run ends nothing."""
    all_series = to_series(runs(letters), DAY)
    assert [slots(part.times) for each in all_series for part in each.line(Metric.DOWNLOAD).segments()] == joined


def test_a_number_that_is_missing_ends_its_own_line():
    """A success without an upload ends the line of the upload, not those of the others."""
    series = series_of("oouoo")
    assert [slots(part.times) for part in series.line(Metric.UPLOAD).segments()] == [[0, 1], [3, 4]]
    assert len(list(series.line(Metric.LATENCY).segments())) == 1


@pytest.mark.parametrize(
    ("letters", "bands"),
    [
        ("ooo", []),
        ("ofo", [(1, 2)]),
        ("offfo", [(1, 4)]),
        ("ofsfo", [(1, 4)]),
        ("fo", [(0, 1)]),
        ("of", [(1, 1 + 21 / 900)]),
        ("off", [(1, 2 + 21 / 900)]),
        ("ofofo", [(1, 2), (3, 4)]),
        ("oooff......ooo", [(3, 4 + 21 / 900)]),
        ("oooff......fooo", [(3, 4 + 21 / 900), (11, 12)]),
    ],
)
def test_a_failure_span_ends_at_the_next_success(letters: str, bands: list[tuple[float, float]]):
    """Or at the end of the last failure, and before a pause."""
    edges = [edge for band in series_of(letters).bands.at_least(0) for edge in slots(band)]
    assert edges == pytest.approx([edge for band in bands for edge in band])


@pytest.mark.parametrize(
    ("letters", "least", "joined"), [("oofoo", 1800, 2), ("oofoo", 1801, 1), ("o....oofoo", 1801, 2)]
)
def test_a_break_too_short_to_be_visible_does_not_split_a_line(letters: str, least: int, joined: int):
    """One that lasts as long as a pixel does; failures then show as marks."""
    assert len(list(series_of(letters).line(Metric.DOWNLOAD).segments(least))) == joined


def test_every_failure_is_a_mark_with_its_scope():
    """Failed and interrupted runs are marks; one without a cause is of unknown scope."""
    bare = make_attempt(60, status=Status.FAILED).run
    (series,) = to_series([*runs("fois"), bare], DAY)
    assert {scope: slots(times) for scope, times in series.marks.items()} == {
        Scope.LINE: [0],
        Scope.LOCAL: [2],
        Scope.UNKNOWN: [4],
    }


def failures(series: RunSeries) -> list[float]:
    """Return when runs failed or were interrupted."""
    return sorted(at for times in series.marks.values() for at in times.tolist())


@given(st.text("ofis.u", max_size=60))
def test_no_line_ever_crosses_a_failure(letters: str):
    """Whatever happened, no failure lies between two points that a line joins, and no success is lost."""
    for series in to_series(runs(letters), DAY):
        segments = list(series.line(Metric.DOWNLOAD).segments())
        pairs = [pair for part in segments for pair in pairwise(part.times)]
        assert not [at for at in failures(series) for start, end in pairs if start <= at <= end]
        assert sum(len(part.times) for part in segments) == sum(map(letters.count, "ou"))


@given(st.text("ofis.u", max_size=60))
def test_every_failure_lies_in_a_failure_span(letters: str):
    """Each mark is inside exactly one band, and bands do not touch each other's inside."""
    for series in to_series(runs(letters), DAY):
        bands = series.bands.at_least(0)
        inside = [[band for band in bands if band[0] <= at < band[1]] for at in failures(series)]
        assert all(len(each) == 1 for each in inside)
        assert all(before[1] <= after[0] for before, after in pairwise(bands))


@pytest.mark.parametrize(
    ("minutes", "gaps"),
    [
        ([], []),
        ([0], []),
        ([0, 10_000], []),
        ([0, 15, 30, 45, 90], [4]),
        ([0, 15, 30, 45, 80], []),
        ([0, 15, 10_000], [2]),
        ([0, 15, 30, 45, 60, 75, 90, 150, 210, 270, 330, 390, 450], []),
        ([0, 60, 61, 62, 120, 180, 240, 300], []),
        ([0, 1, 2, 3, 1440, 1441, 1442, 1443], [4]),
    ],
)
def test_a_pause_is_measured_by_the_cadence_around_it(minutes: list[float], gaps: list[int]):
    """A pause is one of more than two and a half spacings; hourly runs after quarter-hourly ones are no pauses."""
    assert find_runs_after_pauses(np.array([60 * at for at in minutes], np.int64)).tolist() == gaps


def test_paths_and_probes_are_never_joined():
    """Each probe and path is a series of its own, the namespace first."""
    host, namespace = NetworkPath.HOST, NetworkPath.IP4ONLY
    sources = ((0, host, "b"), (1, namespace, "b"), (2, host, "a"), (3, namespace, "b"))
    mixed = [make_attempt(at, path=path, probe=probe).run for at, path, probe in sources]
    all_series = to_series(mixed, DAY)
    assert [(each.probe, each.path, len(each.runs)) for each in all_series] == [
        ("a", NetworkPath.HOST, 1),
        ("b", NetworkPath.IP4ONLY, 2),
        ("b", NetworkPath.HOST, 1),
    ]


def test_runs_outside_of_the_window_are_left_out():
    """The window is half open: a run at its end belongs to the next one."""
    edge = [make_attempt(at).run for at in (-1, 0, 1439, 1440)]
    assert [at for each in to_series(edge, DAY) for at in each.runs.started.tolist()] == [ZERO, ZERO + 1439 * 60]


def test_a_window_within_seconds_has_the_runs_that_began_in_it():
    """One that began half a second before it is out, one that began half a second before its end is in."""
    half = timedelta(seconds=0.5)
    (series,) = to_series(runs("ooo"), Window(START + half, START + timedelta(minutes=30) + half))
    assert slots(series.runs.started.tolist()) == [1, 2]


def test_changes_of_isp_and_server_are_found():
    """A change is listed once, also across failures; a run that does not name its ISP changes nothing."""
    names = ["A", None, "A", "B", "B"]
    other = Server("9", "Other", "Bonn")
    named = [make_attempt(15 * at, isp=isp, server=other if at > 3 else None).run for at, isp in enumerate(names)]
    (series,) = to_series([*named, make_failed_attempt(80).run, make_attempt(90, isp="A", server=other).run], DAY)
    assert [(slots([each.at]), each.event, each.before, each.after) for each in series.changes] == [
        ([3], ChangeKind.ISP, "A", "B"),
        ([6], ChangeKind.ISP, "B", "A"),
    ]


@pytest.mark.parametrize(
    ("since", "until"),
    [(START, START), (START, START - timedelta(1)), (datetime(2026, 1, 1), START)],  # noqa: DTZ001  what is refused
)
def test_a_window_must_be_aware_and_not_empty(since: datetime, until: datetime):
    """A window that ends before it begins, or without a zone, is refused."""
    with pytest.raises(ValueError, match="window"):
        Window(since, until)


def test_a_window_counts_in_epoch_seconds():
    """The span is what the x axis runs over."""
    assert Window(datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 2, tzinfo=UTC)).span == (0, 86_400)
