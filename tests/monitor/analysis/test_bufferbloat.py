"""The rise of latency under load and its grade."""

from __future__ import annotations

import pytest
from example_runs import make_attempt, make_failed_attempt

from monitor.analysis.columns import Columns
from monitor.analysis.statistics import grade_bufferbloat, latency_rises


@pytest.mark.parametrize(
    ("ms", "letter"),
    [(0, "A+"), (4.9, "A+"), (5, "A"), (30, "B"), (59.9, "B"), (60, "C"), (200, "D"), (399, "D"), (400, "F")],
)
def test_the_grade_is_that_of_the_source(ms: float, letter: str):
    """A limit belongs to the worse grade: less than 5 ms is A+."""
    assert grade_bufferbloat(ms) == letter


@pytest.mark.parametrize(
    ("idle", "down", "up", "wanted"),
    [
        (10.0, 30.0, 50.0, 30.0),
        (10.0, 30.0, None, 20.0),
        (10.0, None, 14.0, 4.0),
        (10.0, 8.0, 8.0, 0.0),
        (10.0, None, None, None),
        (None, 30.0, 50.0, None),
    ],
)
def test_the_rise_is_the_mean_of_both_directions(
    idle: float | None, down: float | None, up: float | None, wanted: float | None
):
    """What was not measured is left out, and no rise is below naught."""
    run = make_attempt(latency_ms=idle, download_latency_ms=down, upload_latency_ms=up).run
    assert latency_rises(Columns.from_runs([run])).tolist() == ([] if wanted is None else [wanted])


def test_runs_that_cannot_be_trusted_do_not_count():
    """Failed and doubtful ones are left out."""
    loads = [(20.0, True), (40.0, True), (90.0, True), (900.0, False)]
    runs = [make_attempt(latency_ms=10.0, upload_latency_ms=load, healthy=good).run for load, good in loads]
    assert latency_rises(Columns.from_runs([*runs, make_failed_attempt().run])).tolist() == [10.0, 30.0, 80.0]
    assert latency_rises(Columns.from_runs([make_failed_attempt().run])).tolist() == []
