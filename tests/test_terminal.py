"""Plots in the terminal and sparklines, as text."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from attempts import START, attempt, failed

from monitor.graph.braille import plots
from monitor.graph.data import Window
from monitor.graph.sparkline import sparklines
from monitor.graph.terms import Terms
from monitor.model import Plan

DAY = Window(START, START + timedelta(hours=20))
TERMS = Terms(ZoneInfo("Europe/Berlin"), Plan(100_000_000), "Title")
BRAILLE = range(0x2801, 0x2900)
RUNS = [attempt(15 * at, download_bps=10**6 * (10 + at)).run for at in range(20)]


def test_three_plots_with_their_medians_and_the_plan():
    """Each has a heading, a frame and dots of braille; the axis begins at 0."""
    lines = list(plots(RUNS, DAY, TERMS, 80))
    assert "Download, Mbit/s, median 19.5, plan 100 (the horizontal line)" in lines
    assert sum(line.startswith("┌") for line in lines) == 3
    assert sum(line.endswith(" 0") for line in lines) == 3
    assert any(ord(char) in BRAILLE for char in "".join(lines))


@pytest.mark.parametrize("columns", [20, 80, 200])
def test_no_line_is_wider_than_the_terminal(columns: int):
    """One of at least 40 columns; the first lines are sentences and may wrap."""
    assert max(map(len, list(plots(RUNS, DAY, TERMS, columns))[5:])) <= max(columns, 40)


def test_a_gap_stays_a_gap():
    """Nothing is drawn where nothing was measured: half of the columns are blank."""
    halves = [*RUNS[:4], *(attempt(1140 + at).run for at in range(3))]
    rows = [line[1:69] for line in plots(halves, DAY, Terms(TERMS.zone, Plan(), "T"), 80) if line.startswith("│")]
    assert all(row[10:60].strip() == "" for row in rows[:7])


def test_failures_are_crosses_below_their_moment():
    """The first column for the first moment, the last for the end."""
    lines = list(plots([failed(0).run, failed(1199).run], DAY, TERMS, 80))
    assert next(line for line in lines if "x" in line and "T" not in line) == " x" + " " * 66 + "x"
    assert "x: a test failed" in lines


def test_lines_of_several_probes_are_named():
    """Nothing tells them apart in the terminal, so it says what would."""
    both = [*RUNS, *(dataclasses.replace(run, probe="cabin") for run in RUNS)]
    assert list(plots(both, DAY, TERMS, 80))[-1].endswith("here: cabin, home; choose one with --probe or --path")


def test_nothing_at_all_says_so():
    """No run is no error."""
    lines = list(plots([], DAY, TERMS))
    assert lines.count("  no result") == 3
    assert "0 runs: no test in this window" in lines


def test_a_sparkline_has_a_block_a_slot():
    """Height is the share of the highest, a cross where all failed, blank where nothing ran."""
    runs = [attempt(0, download_bps=100).run, attempt(330, download_bps=50).run, failed(660).run]
    download, *_ = sparklines(runs, DAY, 4)
    assert download == "Download  █▅x   0 to 0.100 kbit/s"


def test_a_doubtful_result_has_no_block():
    """As in every number."""
    download, *_ = sparklines([attempt(0, healthy=False).run], DAY, 4)
    assert download == "Download        no result"
