"""For how long the line was out, of the time that somebody looked."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from example_reports import START, failed, run, subject
from hypothesis import given
from hypothesis import strategies as st

from monitor.analysis.availability import find_watched_time, incident_span
from monitor.analysis.columns import Columns
from monitor.analysis.outages import find_incidents, intersect_spans, merge_spans
from monitor.localtime import Window
from monitor.model import NetworkPath, Scope
from monitor.report.evidence import gather_evidence

if TYPE_CHECKING:
    from monitor.analysis.availability import Downtime

EVERY = 15

SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 12)).map(lambda pair: (pair[0], sum(pair))), max_size=8)


def _downtime(bad: set[int], count: int = 40, paused: range = range(0)) -> Downtime:
    """Return the downtime of tests each 15 minutes, of which some failed and some were never made."""
    numbers = [number for number in range(count) if number not in paused]
    runs = [failed(EVERY * number) if number in bad else run(EVERY * number) for number in numbers]
    return gather_evidence(subject(runs)).figures.downtime


def test_downtime_runs_from_the_first_failure_to_the_next_success():
    """Two outages, of three tests and of one."""
    result = _downtime({10, 11, 12, 20})
    assert (result.outages, result.ongoing) == (2, 0)
    assert (result.down_s, result.longest_s) == (4 * EVERY * 60, 3 * EVERY * 60)
    assert result.available_pct == pytest.approx(100 * (1 - result.down_s / result.watched_s))


def test_an_ongoing_outage_counts_to_the_end_of_the_last_test():
    """The last test began 15 minutes after the first that failed, and took 21 s."""
    result = _downtime({38, 39})
    assert (result.ongoing, result.down_s) == (1, EVERY * 60 + 21)


def test_a_pause_of_the_tests_is_neither_up_nor_down():
    """The outage began before a pause and ended after it: only what was watched counts."""
    result = _downtime({14, 15, 26}, paused=range(16, 26))
    assert result.outages == 1
    assert result.down_s == EVERY * 60 + 21 + EVERY * 60
    assert result.watched_s == 15 * EVERY * 60 + 21 + 13 * EVERY * 60 + 21


def test_an_outage_counts_within_the_window_only():
    """One that began before it and one that ended after it."""
    runs = [failed(-20), failed(-5), *(run(15 * number) for number in range(1, 20)), failed(300), run(320)]
    all_of_them = subject(runs)
    window = Window(START, START + timedelta(minutes=310))
    inside = [each for each in runs if window.since <= each.started_at < window.until]
    result = gather_evidence(subject(inside, window=window, incidents=all_of_them.incidents)).figures
    assert result.downtime.outages == 2
    assert result.downtime.down_s == 21  # nobody watched from the window's beginning to the first test in it


@pytest.mark.parametrize(
    ("began", "ended", "wanted"),
    [
        (-20, 0, None),
        (-20, 10, (0, 10)),
        (10, 20, (10, 20)),
        (300, 320, (300, 310)),
        (310, 320, None),
        (300, None, (300, 310)),
    ],
)
def test_only_the_part_of_an_outage_within_the_window_counts(
    began: int, ended: int | None, wanted: tuple[int, int] | None
):
    """Half open as the window is; one that lasts goes on to the end of the last test, which may be after it."""
    (outage,) = find_incidents([failed(began), *([] if ended is None else [run(ended)])])
    watched = find_watched_time(Columns.from_runs([run(0), failed(309.9)]))
    result = incident_span(outage, watched, Window(START, START + timedelta(minutes=310)))
    assert (result and tuple((at - START.timestamp()) / 60 for at in result)) == wanted


def test_an_outage_that_two_paths_see_counts_once():
    """A test over each path in turn: one outage."""
    times = [(number, NetworkPath.IP4ONLY if number % 2 else NetworkPath.HOST) for number in range(40)]
    runs = [
        dataclasses.replace(failed(15 * number) if 10 <= number < 14 else run(15 * number), path=path)
        for number, path in times
    ]
    result = gather_evidence(subject(runs)).figures.downtime
    assert (result.outages, result.down_s) == (1, 5 * EVERY * 60)


def test_two_paths_tested_soon_after_each_other_have_an_interval_each():
    """As cron does it: the host's test begins a minute after the namespace's, and there is no pause between."""
    runs = [
        dataclasses.replace(failed(at) if number in {10, 11} else run(at), path=path)
        for number in range(40)
        for at, path in ((EVERY * number, NetworkPath.IP4ONLY), (EVERY * number + 1, NetworkPath.HOST))
    ]
    result = gather_evidence(subject(runs)).figures
    assert (result.watched.interval_s, result.watched.pauses) == (EVERY * 60, ())
    assert (result.downtime.outages, result.downtime.down_s) == (1, (2 * EVERY + 1) * 60)
    assert result.downtime.watched_s == (39 * EVERY + 1) * 60 + 21


@pytest.mark.parametrize("between", [0, 0.5, 7])
def test_two_paths_tested_in_turn_watch_like_one(between: float):
    """The test over the other path comes at once after the first, or at the same second: that is no pause."""
    one = [run(EVERY * number) for number in range(20)]
    other = [run(EVERY * number + between, path=NetworkPath.HOST) for number in range(20)]
    watched = gather_evidence(subject([*one, *other])).figures.watched
    assert watched.spans == ((START.timestamp(), START.timestamp() + (19 * EVERY + between) * 60 + 21),)
    assert (watched.pauses, watched.interval_s) == ((), EVERY * 60)


def test_a_probe_watches_while_another_pauses():
    """A probe that fell silent leaves no pause where the other went on; nor does a test that lasted so long."""
    one = [run(EVERY * number) for number in range(40)]
    other = [run(EVERY * number, probe="cabin") for number in (*range(10), *range(30, 50))]
    watched = gather_evidence(subject([*one, *other])).figures.watched
    assert len(watched.spans) == 1
    late = dataclasses.replace(one[8], finished_at=one[30].started_at + timedelta(seconds=5))
    watched = gather_evidence(subject([*one[:8], late, one[9], *one[30:]])).figures.watched
    assert (len(watched.spans), watched.total_s) == (1, 39 * EVERY * 60 + 21)


def test_failures_that_are_not_the_lines_fault_are_not_downtime():
    """The test's operator, this machine, nobody known."""
    runs = [failed(15 * at, scope) if scope else run(15 * at) for at, scope in enumerate([None, *Scope, None])]
    result = gather_evidence(
        subject([each for each in runs if not each.failure or each.failure.scope is not Scope.LINE])
    )
    assert result.figures.downtime.outages == 0
    assert result.figures.downtime.available_pct == 100


@given(SPANS, SPANS)
def test_intersection_of_spans_agrees_with_counting_seconds(one: list[tuple[int, int]], other: list[tuple[int, int]]):
    """Counted second by second."""
    seconds = [{second for start, end in spans for second in range(start, end)} for spans in (one, other)]
    result = intersect_spans(merge_spans(one), merge_spans(other))
    assert sum(end - start for start, end in result) == len(seconds[0] & seconds[1])
