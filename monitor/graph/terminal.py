"""Plots of braille characters for `graph --terminal`, and sparklines for `history --sparkline`.

Pure: runs, window and width in, lines of text out. The only importer of uniplot, which draws the curves; matplotlib is
not loaded.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from uniplot import plot_to_string

from monitor.analysis import statistics
from monitor.analysis.calendar import group_medians
from monitor.analysis.metrics import SPEED_METRICS, Metric
from monitor.analysis.plan import highest_promise, newest_promise, plan_lines
from monitor.analysis.series import runs_in_window, to_series
from monitor.analysis.statistics import compute_spread
from monitor.graph import labels
from monitor.graph.axes import make_value_axis, place_ticks
from monitor.graph.panel import choose_bucket_width, make_envelope
from monitor.output import units
from monitor.output.units import rate_unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from monitor.analysis.columns import Columns
    from monitor.analysis.series import RunSeries
    from monitor.analysis.statistics import Spread
    from monitor.graph.axes import ValueAxis
    from monitor.graph.render import GraphContext
    from monitor.localtime import Window
    from monitor.model import Plan, Run

    Curve = tuple[list[float], list[float]]


FAILED, NOTHING = "x", " "
BLOCKS = "▁▂▃▄▅▆▇█"

HEIGHT, MIN_WIDTH = 7, 40
# Columns that uniplot adds: a border at the left, a border and the numbers of the y axis at the right.
LEFT_MARGIN, RIGHT_MARGIN = 1, 10
TICK_COLUMNS = 12
# A braille character has two columns of dots; four buckets per dot keep short dips visible.
BUCKETS_PER_COLUMN = 2 * 4


def plot_runs(runs: Columns | Iterable[Run], window: Window, context: GraphContext, columns: int = 80) -> Iterator[str]:
    """Yield plots of download, upload and latency, `columns` wide: dashes at the plan, x at failed tests."""
    all_series = to_series(runs, window, context.plan)
    width = max(columns, MIN_WIDTH) - LEFT_MARGIN - 1 - RIGHT_MARGIN
    yield f"{context.title}: {labels.SEPARATOR.join(labels.describe_window(window, context.zone))}"
    counts, _ = statistics.count_series(all_series)
    yield f"{counts.attempts:,} {labels.describe_run_count(counts)}: {labels.describe_successes(counts)}"
    for metric in SPEED_METRICS:
        yield from _plot_metric(all_series, metric, window, context.plan, width)
    yield _failure_marks(all_series, window, width)
    yield from _time_axis(window, context, width)
    if any(series.marks for series in all_series):
        yield f"{FAILED}: a test failed"
    if len(all_series) > 1:
        names = ", ".join(labels.series_name(series, all_series) for series in all_series)
        yield f"The lines of {names} look alike here; choose one with --probe or --path"
    if doubt := labels.describe_doubts(counts):
        yield doubt


def _plot_metric(
    all_series: Sequence[RunSeries], metric: Metric, window: Window, plan: Plan, width: int
) -> Iterator[str]:
    start, end = window.span
    values = statistics.measured_values(all_series, metric)
    promises = plan_lines(all_series, metric, plan, start)
    axis, promised = make_value_axis(metric, values, highest_promise(promises)), newest_promise(promises)
    yield _heading(metric, compute_spread(values), promised, axis)
    if not len(values):
        yield f"  {labels.NO_RESULT}"
        return
    bucket = choose_bucket_width(len(values), end - start, BUCKETS_PER_COLUMN * width)
    yield from _draw_curves(
        [_to_curve(series, metric, axis.divisor, bucket) for series in all_series], window, axis, promised, width
    )


def _draw_curves(
    curves: Sequence[Curve], window: Window, axis: ValueAxis, promised: float | None, width: int
) -> Iterator[str]:
    text = plot_to_string(
        xs=[times for times, _ in curves],
        ys=[values for _, values in curves],
        x_min=window.span[0],
        x_max=window.span[1],
        y_min=0,
        y_max=axis.top / axis.divisor,
        y_gridlines=[promised / axis.divisor] if promised else [],
        x_gridlines=[],
        x_labels=False,
        lines=True,
        character_set="braille",
        color=False,
        width=width,
        height=HEIGHT,
    )
    yield from (line.rstrip() for line in text.splitlines())


def _heading(metric: Metric, spread: Spread | None, promised: float | None, axis: ValueAxis) -> str:
    middle = f", median {units.format_number(spread.median / axis.divisor)}" if spread else ""
    plan = f", plan {units.format_trimmed(promised / axis.divisor)} (the horizontal line)" if promised else ""
    return f"{labels.METRIC_NAMES[metric]}, {axis.unit}{middle}{plan}"


def _to_curve(series: RunSeries, metric: Metric, divisor: float, bucket: int | None) -> Curve:
    """Return a curve with NaN between its segments, so that gaps stay gaps.

    Crowded runs are replaced by the medians of buckets.
    """
    times: list[float] = []
    values: list[float] = []
    for segment in series.line(metric).segments(bucket or 0):
        thinned = make_envelope(segment, bucket) if bucket else None
        times_of_part, middle = (thinned.times, thinned.middle) if thinned else (segment.times, segment.values)
        times += [*times_of_part.tolist(), float(times_of_part[-1])]
        values += [*(middle / divisor).tolist(), math.nan]
    return times, values


def _column_at(at: float, window: Window, width: int) -> int:
    start, end = window.span
    return min(int((at - start) / (end - start) * width), width - 1)


def _failure_marks(all_series: Sequence[RunSeries], window: Window, width: int) -> str:
    marks = {
        _column_at(at, window, width)
        for series in all_series
        for times in series.marks.values()
        for at in times.tolist()
    }
    return " " * LEFT_MARGIN + "".join(FAILED if at in marks else NOTHING for at in range(width)).rstrip()


def _time_axis(window: Window, context: GraphContext, width: int) -> Iterator[str]:
    large, _ = place_ticks(window, context.zone, max(width // TICK_COLUMNS, 1))
    strokes, names, free = [NOTHING] * width, [NOTHING] * (width + RIGHT_MARGIN), 0
    for tick in large:
        at = _column_at(tick.at, window, width)
        strokes[at] = "╵"
        if at >= free and at + len(tick.label) <= len(names):
            names[at : at + len(tick.label)] = tick.label
            free = at + len(tick.label) + 1
    yield " " * LEFT_MARGIN + "".join(strokes).rstrip()
    yield " " * LEFT_MARGIN + "".join(names).rstrip()


def draw_sparklines(runs: Columns | Iterable[Run], window: Window, columns: int = 60) -> Iterator[str]:
    """Yield one line each for download, upload and latency: a block for the median of a slot, x if all tests failed."""
    columns_in_window = runs_in_window(runs, window)
    slot = _slot_numbers(columns_in_window, window, columns)
    for metric in SPEED_METRICS:
        tried = np.bincount(slot[columns_in_window.where(lambda run: run.trusted or run.broken)], minlength=columns)
        yield _sparkline(
            metric, group_medians(slot[columns_in_window.good(metric)], columns_in_window.measured(metric)), tried
        )


def _slot_numbers(runs: Columns, window: Window, columns: int) -> NDArray[np.intp]:
    start, end = window.span
    place: NDArray[np.intp] = ((runs.seconds - start) / (end - start) * columns).astype(np.intp)
    return np.minimum(place, columns - 1)


def _sparkline(metric: Metric, medians: dict[int, tuple[int, float]], tried: Sequence[int] | NDArray[np.intp]) -> str:
    highest = max((median for _, median in medians.values()), default=0.0)
    divisor, unit = rate_unit(highest) if metric.is_rate else (1.0, "ms")
    blocks = (
        _block(medians[at][1], highest) if at in medians else FAILED if count else NOTHING
        for at, count in enumerate(tried)
    )
    scaled = f"0 to {units.format_number(highest / divisor)} {unit}" if highest else labels.NO_RESULT
    return f"{labels.METRIC_NAMES[metric]:8}  {''.join(blocks)}  {scaled}"


def _block(value: float, highest: float) -> str:
    return BLOCKS[min(int(value / highest * len(BLOCKS)), len(BLOCKS) - 1)] if highest else BLOCKS[0]
