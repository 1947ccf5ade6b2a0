"""The distribution graph: the empirical distribution of each metric, and how often the plan was met."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from monitor.analysis import plan, statistics
from monitor.analysis.metrics import SPEED_METRICS, Metric
from monitor.graph import labels, theme
from monitor.graph.axes import make_value_axis
from monitor.graph.canvas import Box
from monitor.graph.header import draw_footer, draw_title
from monitor.graph.panel import LEGEND_INDENT, draw_legend_stroke, line_colors
from monitor.graph.theme import TextStyle
from monitor.output import units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from monitor.analysis.series import RunSeries
    from monitor.graph.axes import ValueAxis
    from monitor.graph.canvas import Canvas, PlotArea
    from monitor.graph.render import GraphContext
    from monitor.localtime import Window


TITLE_HEIGHT, AXIS_HEIGHT, NOTES_WIDTH = 30, 26, 250
LEFT, PHONE_LEFT, PHONE_NOTES_HEIGHT = 70, 50, 96
# Of the y axis, in percent.
LEVELS = (0, 25, 50, 75, 100)
# More steps than this would not look different.
MAX_STEPS = 2000


def draw_distribution(canvas: Canvas, all_series: Sequence[RunSeries], window: Window, context: GraphContext) -> None:
    """Draw download, upload and latency one below the other, with the percentages to quote beside them."""
    counts, sources = statistics.count_series(all_series)
    facts = labels.describe_data(all_series, sources, window, context.zone)
    top = draw_title(canvas, f"{context.title}: how often each speed was reached", facts) + theme.LINE_HEIGHT / 2
    foot = draw_footer(
        canvas, ("Each curve: the percentage of tests at or below each value.", labels.describe_doubts(counts))
    )
    height = (foot - top) / len(SPEED_METRICS)
    for index, metric in enumerate(SPEED_METRICS):
        box, notes_at = _place_curves(canvas, top + index * height, height)
        levels = plan.promised_levels(plan.plan_lines(all_series, metric, context.plan, window.span[0]))
        curves = [statistics.measured_values([series], metric) for series in all_series]
        draw_curves(canvas, box, metric, curves, levels)
        _draw_notes(canvas, notes_at, metric, all_series, context.met_pct)


def _place_curves(canvas: Canvas, top: float, height: float) -> tuple[Box, tuple[float, float]]:
    """Return where the curves and the notes of a metric stand: side by side, on a phone one below the other."""
    if canvas.is_phone:
        box = Box(PHONE_LEFT, top, canvas.width - PHONE_LEFT - 2 * canvas.margin, height - PHONE_NOTES_HEIGHT)
        return box, (canvas.margin, box.bottom + 18)
    box = Box(LEFT, top, canvas.width - LEFT - NOTES_WIDTH - canvas.margin, height)
    return box, (box.right + 24, box.top + TITLE_HEIGHT + 8)


def to_step_line(values: NDArray[Any], right: float) -> list[tuple[float, float]]:
    """Return the empirical distribution function of values as a line to `right`, in percent.

    More than `MAX_STEPS` values are reduced to that many ranks, which looks the same.
    """
    ordered = np.sort(values)
    ranks = np.unique(np.linspace(1, len(ordered), min(len(ordered), MAX_STEPS)).round().astype(int))
    xs, ys = ordered[ranks - 1], 100 * ranks / len(ordered)
    before = np.concatenate([[0.0], ys[:-1]])
    line = np.stack([xs, before, xs, ys], axis=1).reshape(-1, 2)
    return [(0.0, 0.0), *map(tuple, line.tolist()), (right, 100.0)]


def draw_curves(
    canvas: Canvas, box: Box, metric: Metric, curves: Sequence[NDArray[Any]], levels: Sequence[float]
) -> PlotArea:
    """Draw one metric, one curve per array of values, into a box that includes heading and axis numbers.

    Each plan level gets a line, and the last one a label.
    """
    axis = make_value_axis(metric, np.concatenate([np.array([]), *curves]), max(levels, default=None))
    heading_end = canvas.heading((box.left, box.top + TITLE_HEIGHT - 9), labels.METRIC_NAMES[metric], axis.unit)
    plot = Box(box.left, box.top + TITLE_HEIGHT, box.width, box.height - TITLE_HEIGHT - AXIS_HEIGHT)
    area = canvas.area(plot, (0, axis.top), (0, 100))
    area.lines([[(0, level), (axis.top, level)] for level in LEVELS[1:]], theme.GRID, 1, zorder=1)
    area.lines([[(tick, 0), (tick, 100)] for tick in axis.ticks], theme.GRID, 1, zorder=1)
    area.lines([[(0, 0), (axis.top, 0)]], theme.AXIS, 2, zorder=4)
    _draw_axis_numbers(canvas, plot, axis)
    for index, (values, color) in enumerate(zip(curves, line_colors(metric, len(curves)), strict=True)):
        if len(values):
            area.lines([to_step_line(values, axis.top)], color, 2, 3, theme.DASHES[index % len(theme.DASHES)])
    if not any(map(len, curves)):
        canvas.text((plot.left + plot.width / 2, plot.top + plot.height / 2), labels.NO_RESULT, theme.EMPTY_STYLE)
    _draw_levels(canvas, plot, axis, levels, heading_end)
    return area


def _draw_levels(canvas: Canvas, plot: Box, axis: ValueAxis, levels: Sequence[float], heading_end: float) -> None:
    xs = [plot.left + plot.width * level / axis.top for level in levels]
    canvas.rules([((x, plot.top), (x, plot.bottom)) for x in xs], theme.PLAN, "--")
    for x, level in zip(xs[-1:], levels[-1:], strict=True):
        label = f"plan {units.format_trimmed(level / axis.divisor)}"
        # Left of its line, but never on top of the heading.
        left = max(x - canvas.width_of(label, theme.PLAN_STYLE), heading_end + 12)
        canvas.text((left, plot.top - 5), label, theme.PLAN_STYLE)


def _draw_axis_numbers(canvas: Canvas, plot: Box, axis: ValueAxis) -> None:
    for level in LEVELS:
        canvas.text((plot.left - 8, plot.bottom - plot.height * level / 100 + 4), f"{level} %", theme.VALUE_LABEL_STYLE)
    for tick in axis.ticks:
        x = plot.left + plot.width * tick / axis.top
        canvas.text((x, plot.bottom + 15), units.format_trimmed(tick / axis.divisor), theme.TICK_STYLE)


def _draw_notes(
    canvas: Canvas, at: tuple[float, float], metric: Metric, all_series: Sequence[RunSeries], met_pct: float
) -> None:
    """Write the percentages to quote; for several series only the share of each that met the plan."""
    (x, y), room = at, NOTES_WIDTH - 24
    several = len(all_series) > 1
    for index, (series, color) in enumerate(zip(all_series, line_colors(metric, len(all_series)), strict=True)):
        results = len(statistics.measured_values([series], metric))
        if not results:
            continue
        name, indent = (f"{labels.series_name(series, all_series)}: ", LEGEND_INDENT) if several else ("", 0)
        if several:
            draw_legend_stroke(canvas, (x, y), index, color)
        style = TextStyle(theme.SMALL_SIZE, color, bold=True)
        canvas.text((x + indent, y), f"{name}{units.format_count(results, 'result')}", style, room=room - indent)
        y += 18
        for line in _share_lines(series, metric, met_pct)[: 1 if several else None]:
            canvas.text((x, y), line, theme.SMALL_STYLE, room=room)
            y += 16
        y += 6


def _share_lines(series: RunSeries, metric: Metric, met_pct: float) -> list[str]:
    """Return how often so much of the plan was reached; first the share that counts as meeting it."""
    shares = statistics.shares_of_plan([series], metric)
    if not len(shares):
        return ["the plan gives no figure for this"]
    if not metric.is_rate:
        return [f"{_percent(shares <= 1)} stayed within the plan"]
    return [
        f"{_percent(plan.reaches_share(shares, 1, level))} reached {units.format_trimmed(level)} % of the plan"
        for level in reversed(plan.share_limits(met_pct))
    ]


def _percent(chosen: NDArray[np.bool_]) -> str:
    return units.format_percent(100 * float(np.mean(chosen)))
