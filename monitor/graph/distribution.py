"""The distribution graph: the empirical distribution of each metric, and how often the plan was met."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from monitor.analysis import plan, statistics
from monitor.analysis.metrics import SPEED_METRICS, Metric
from monitor.graph import labels, theme
from monitor.graph.axes import make_value_axis
from monitor.graph.canvas import Box, TextStyle
from monitor.graph.header import draw_title
from monitor.graph.panel import LEGEND_INDENT, draw_footer, draw_legend_stroke, line_colors
from monitor.output import units

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from monitor.analysis.series import RunSeries
    from monitor.graph.axes import ValueAxis
    from monitor.graph.canvas import Canvas, PlotArea
    from monitor.graph.render import GraphContext
    from monitor.localtime import Window


HEADING = TextStyle(theme.TEXT_SIZE, theme.INK, bold=True)

UNIT = TextStyle(theme.TEXT_SIZE, theme.MUTED)

LABEL = TextStyle(theme.SMALL_SIZE, theme.MUTED, align="right")

TICK = TextStyle(theme.SMALL_SIZE, theme.MUTED, align="center")

NOTE = TextStyle(theme.SMALL_SIZE, theme.INK)

MIDDLE = TextStyle(theme.TEXT_SIZE, theme.MUTED, align="center")

PLAN = TextStyle(theme.SMALL_SIZE, theme.PLAN)

LEVELS = (0, 25, 50, 75, 100)

PLAN_LEVELS = (100, 90, 80, 50)

TITLE_HEIGHT, AXIS_HEIGHT, NOTES_WIDTH = 30, 26, 250

MAX_STEPS = 2000


def draw_distribution(canvas: Canvas, all_series: Sequence[RunSeries], window: Window, context: GraphContext) -> None:
    """Draw download, upload and latency one below the other, with the percentages to quote beside them."""
    counts, sources = statistics.count_series(all_series)
    facts = (labels.describe_window(window, context.zone), labels.describe_sources(sources, all_series))
    top = draw_title(canvas, f"{context.title}: how often each speed was reached", facts) + theme.LINE_HEIGHT / 2
    foot = draw_footer(
        canvas, ("Each curve: the percentage of tests at or below each value.", labels.describe_doubts(counts))
    )
    height = (foot - top) / len(SPEED_METRICS)
    for index, metric in enumerate(SPEED_METRICS):
        box = Box(70, top + index * height, canvas.width - 70 - NOTES_WIDTH - theme.MARGIN, height)
        lines = plan.plan_lines(all_series, metric, context.plan, window.span[0])
        draw_curves(
            canvas,
            box,
            metric,
            [statistics.measured_values([series], metric) for series in all_series],
            plan.promised_levels(lines),
        )
        _draw_notes(canvas, (box.right + 24, box.top + TITLE_HEIGHT + 8), metric, all_series)


def to_step_line(values: NDArray[Any], right: float) -> list[tuple[float, float]]:
    """Return the empirical distribution function of values as a line to `right`, in percent.

    More than `MOST_STEPS` values are reduced to that many ranks, which looks the same.
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
    name = labels.METRIC_NAMES[metric]
    canvas.text((box.left, box.top + TITLE_HEIGHT - 9), name, HEADING)
    unit_x = box.left + canvas.width_of(name, HEADING) + 6
    canvas.text((unit_x, box.top + TITLE_HEIGHT - 9), axis.unit, UNIT)
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
        canvas.text((plot.left + plot.width / 2, plot.top + plot.height / 2), "no result", MIDDLE)
    xs = [plot.left + plot.width * level / axis.top for level in levels]
    canvas.rules([((x, plot.top), (x, plot.bottom)) for x in xs], theme.PLAN, "--")
    for x, level in zip(xs[-1:], levels[-1:], strict=True):
        label = f"plan {units.format_round_number(level / axis.divisor)}"
        # Left of its line, but never on top of the heading.
        heading_end = unit_x + canvas.width_of(axis.unit, UNIT) + 12
        canvas.text((max(x - canvas.width_of(label, PLAN), heading_end), plot.top - 5), label, PLAN)
    return area


def _with_colors(all_series: Sequence[RunSeries], metric: Metric) -> Iterator[tuple[RunSeries, str]]:
    return zip(all_series, line_colors(metric, len(all_series)), strict=True)


def _draw_axis_numbers(canvas: Canvas, plot: Box, axis: ValueAxis) -> None:
    for level in LEVELS:
        canvas.text((plot.left - 8, plot.bottom - plot.height * level / 100 + 4), f"{level} %", LABEL)
    for tick in axis.ticks:
        x = plot.left + plot.width * tick / axis.top
        canvas.text((x, plot.bottom + 15), units.format_round_number(tick / axis.divisor), TICK)


def _draw_notes(canvas: Canvas, at: tuple[float, float], metric: Metric, all_series: Sequence[RunSeries]) -> None:
    """Write the percentages to quote; for several series only the share of each that met the plan."""
    x, y = at
    for index, (series, color) in enumerate(_with_colors(all_series, metric)):
        results = len(statistics.measured_values([series], metric))
        if not results:
            continue
        name, indent = "", 0
        if len(all_series) > 1:
            name, indent = f"{labels.series_name(series, all_series)}: ", LEGEND_INDENT
            draw_legend_stroke(canvas, (x, y), index, color)
        text = f"{name}{results:,} result{'' if results == 1 else 's'}"
        canvas.text(
            (x + indent, y), text, TextStyle(theme.SMALL_SIZE, color, bold=True), room=NOTES_WIDTH - 24 - indent
        )
        y += 18
        for line in _share_lines(series, metric)[: 1 if len(all_series) > 1 else len(PLAN_LEVELS)]:
            canvas.text((x, y), line, NOTE, room=NOTES_WIDTH - 24)
            y += 16
        y += 6 * (index < len(all_series))


def _share_lines(series: RunSeries, metric: Metric) -> list[str]:
    shares = 100 * statistics.shares_of_plan([series], metric)
    if not len(shares):
        return ["the plan has no figure for this"]
    if not metric.is_rate:
        return [
            f"{labels.format_percent(100 * float(np.mean(shares <= PLAN_LEVELS[0])))} % reached {_level_name(PLAN_LEVELS[0])}"
        ]
    return [
        f"{labels.format_percent(100 * float(np.mean(shares >= level)))} % reached {_level_name(level)}"
        for level in PLAN_LEVELS
    ]


def _level_name(level: int) -> str:
    return "the plan" if level == 100 else f"{level} % of the plan"  # noqa: PLR2004  all of it
