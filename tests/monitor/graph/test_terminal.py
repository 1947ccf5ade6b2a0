"""Plots in the terminal and sparklines, as text."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from example_runs import START, make_attempt, make_failed_attempt

from monitor.graph.render import GraphContext
from monitor.graph.terminal import draw_sparklines, plot_runs
from monitor.localtime import Window
from monitor.model import Plan

DAY = Window(START, START + timedelta(hours=20))

CONTEXT = GraphContext(ZoneInfo("Europe/Berlin"), Plan(100_000_000), "Title")

BRAILLE = range(0x2801, 0x2900)

RUNS = [make_attempt(15 * at, download_bps=10**6 * (10 + at)).run for at in range(20)]


def test_three_plots_with_their_medians_and_the_plan():
    """Each has a heading, a frame and dots of braille; the axis begins at 0."""
    lines = list(plot_runs(RUNS, DAY, CONTEXT, 80))
    assert "Download, Mbit/s, median 19.5, plan 100 (the horizontal line)" in lines
    assert sum(line.startswith("┌") for line in lines) == 3
    assert sum(line.endswith(" 0") for line in lines) == 3
    assert any(ord(char) in BRAILLE for char in "".join(lines))


@pytest.mark.parametrize("columns", [20, 80, 200])
def test_no_line_is_wider_than_the_terminal(columns: int):
    """One of at least 40 columns; the first lines are sentences and may wrap."""
    assert max(map(len, list(plot_runs(RUNS, DAY, CONTEXT, columns))[5:])) <= max(columns, 40)


def test_a_gap_stays_a_gap():
    """Nothing is drawn where nothing was measured: half of the columns are blank."""
    halves = [*RUNS[:4], *(make_attempt(1140 + at).run for at in range(3))]
    rows = [
        line[1:69]
        for line in plot_runs(halves, DAY, GraphContext(CONTEXT.zone, Plan(), "T"), 80)
        if line.startswith("│")
    ]
    assert all(row[10:60].strip() == "" for row in rows[:7])


def test_failures_are_crosses_below_their_moment():
    """The first column for the first moment, the last for the end."""
    lines = list(plot_runs([make_failed_attempt(0).run, make_failed_attempt(1199).run], DAY, CONTEXT, 80))
    assert next(line for line in lines if "x" in line and "T" not in line) == " x" + " " * 66 + "x"
    assert "x: a test failed" in lines


def test_lines_of_several_probes_are_named():
    """Nothing tells them apart in the terminal, so it says what would."""
    both = [*RUNS, *(dataclasses.replace(run, probe="cabin") for run in RUNS)]
    assert list(plot_runs(both, DAY, CONTEXT, 80))[-1].endswith(
        "of cabin, home look alike here; choose one with --probe or --path"
    )


def test_nothing_at_all_says_so():
    """No run is not an error."""
    lines = list(plot_runs([], DAY, CONTEXT))
    assert lines.count("  no result") == 3
    assert "0 runs: no test in this window" in lines


def test_a_sparkline_has_a_block_a_slot():
    """Height is the share of the highest, a cross where all failed, blank where nothing ran."""
    runs = [make_attempt(0, download_bps=100).run, make_attempt(330, download_bps=50).run, make_failed_attempt(660).run]
    download, *_ = draw_sparklines(runs, DAY, 4)
    assert download == "Download  █▅x   0 to 0.100 kbit/s"


def test_a_doubtful_result_has_no_block():
    """As in every number."""
    download, *_ = draw_sparklines([make_attempt(0, healthy=False).run], DAY, 4)
    assert download == "Download        no result"


def test_plots_do_not_load_matplotlib():
    """It would take longer to import than everything else together."""
    code = "import sys; from monitor.graph import terminal; print('matplotlib' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
