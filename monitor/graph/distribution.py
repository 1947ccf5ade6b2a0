"""The distribution graph: the empirical distribution of each metric, and how often the plan was met."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from monitor.graph import promise, stats, style, words
from monitor.graph.box import Box
from monitor.graph.data import SPEED, Metric
from monitor.graph.header import draw_title
from monitor.graph.key import INDENT, draw_stroke
from monitor.graph.panel import colors
from monitor.graph.scale import scale
from monitor.graph.sheet import Pen
from monitor.graph.timeline import draw_footer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from monitor.graph.data import Window
    from monitor.graph.scale import Scale
    from monitor.graph.sheet import Area, Sheet
    from monitor.graph.terms import Terms
    from monitor.graph.track import Track

HEADING = Pen(style.TEXT_SIZE, style.INK, bold=True)
UNIT = Pen(style.TEXT_SIZE, style.QUIET)
LABEL = Pen(style.SMALL_SIZE, style.QUIET, align="right")
TICK = Pen(style.SMALL_SIZE, style.QUIET, align="center")
NOTE = Pen(style.SMALL_SIZE, style.INK)
MIDDLE = Pen(style.TEXT_SIZE, style.QUIET, align="center")
PLAN = Pen(style.SMALL_SIZE, style.PLAN)
LEVELS = (0, 25, 50, 75, 100)
OF_PLAN = (100, 90, 80, 50)
TITLE_HEIGHT, AXIS_HEIGHT, NOTES_WIDTH = 30, 26, 250
MOST_STEPS = 2000


def draw_distribution(canvas: Sheet, all_series: Sequence[Track], window: Window, context: Terms) -> None:
    """Draw download, upload and latency one below the other, with the percentages to quote beside them."""
    counts = stats.tally(all_series)
    facts = (words.window_words(window, context.zone), words.source_words(counts, all_series))
    top = draw_title(canvas, f"{context.title}: how often each speed was reached", facts) + style.LINE / 2
    foot = draw_footer(
        canvas, ("Each curve: the percentage of tests at or below each value.", words.doubt_words(counts))
    )
    height = (foot - top) / len(SPEED)
    for index, metric in enumerate(SPEED):
        box = Box(70, top + index * height, canvas.width - 70 - NOTES_WIDTH - style.EDGE, height)
        lines = promise.promises(all_series, metric, context.plan, window.span[0])
        draw_shares(
            canvas, box, metric, [stats.values([series], metric) for series in all_series], promise.levels(lines)
        )
        _notes(canvas, (box.right + 24, box.top + TITLE_HEIGHT + 8), metric, all_series)


def steps(values: NDArray[Any], right: float) -> list[tuple[float, float]]:
    """Return the empirical distribution function of values as a line to `right`, in percent.

    More than `MOST_STEPS` values are reduced to that many ranks, which looks the same.
    """
    ordered = np.sort(values)
    ranks = np.unique(np.linspace(1, len(ordered), min(len(ordered), MOST_STEPS)).round().astype(int))
    xs, ys = ordered[ranks - 1], 100 * ranks / len(ordered)
    before = np.concatenate([[0.0], ys[:-1]])
    line = np.stack([xs, before, xs, ys], axis=1).reshape(-1, 2)
    return [(0.0, 0.0), *map(tuple, line.tolist()), (right, 100.0)]


def draw_shares(
    canvas: Sheet, box: Box, metric: Metric, curves: Sequence[NDArray[Any]], levels: Sequence[float]
) -> Area:
    """Draw one metric, one curve per array of values, into a box that includes heading and axis numbers.

    Each plan level gets a line, and the last one a label.
    """
    axis = scale(metric, np.concatenate([np.array([]), *curves]), max(levels, default=None))
    name = words.NAMES[metric]
    canvas.text((box.left, box.top + TITLE_HEIGHT - 9), name, HEADING)
    unit_x = box.left + canvas.width_of(name, HEADING) + 6
    canvas.text((unit_x, box.top + TITLE_HEIGHT - 9), axis.unit, UNIT)
    plot = Box(box.left, box.top + TITLE_HEIGHT, box.width, box.height - TITLE_HEIGHT - AXIS_HEIGHT)
    area = canvas.area(plot, (0, axis.top), (0, 100))
    area.lines([[(0, level), (axis.top, level)] for level in LEVELS[1:]], style.GRID, 1, zorder=1)
    area.lines([[(tick, 0), (tick, 100)] for tick in axis.ticks], style.GRID, 1, zorder=1)
    area.lines([[(0, 0), (axis.top, 0)]], style.AXIS, 2, zorder=4)
    _numbers(canvas, plot, axis)
    for index, (values, color) in enumerate(zip(curves, colors(metric, len(curves)), strict=True)):
        if len(values):
            area.lines([steps(values, axis.top)], color, 2, 3, style.DASHES[index % len(style.DASHES)])
    if not any(map(len, curves)):
        canvas.text((plot.left + plot.width / 2, plot.top + plot.height / 2), "no result", MIDDLE)
    xs = [plot.left + plot.width * level / axis.top for level in levels]
    canvas.rules([((x, plot.top), (x, plot.bottom)) for x in xs], style.PLAN, "--")
    for x, level in zip(xs[-1:], levels[-1:], strict=True):
        label = f"plan {words.round_number(level / axis.divisor)}"
        # Left of its line, but never on top of the heading.
        heading_end = unit_x + canvas.width_of(axis.unit, UNIT) + 12
        canvas.text((max(x - canvas.width_of(label, PLAN), heading_end), plot.top - 5), label, PLAN)
    return area


def _colored(all_series: Sequence[Track], metric: Metric) -> Iterator[tuple[Track, str]]:
    return zip(all_series, colors(metric, len(all_series)), strict=True)


def _numbers(canvas: Sheet, plot: Box, axis: Scale) -> None:
    for level in LEVELS:
        canvas.text((plot.left - 8, plot.bottom - plot.height * level / 100 + 4), f"{level} %", LABEL)
    for tick in axis.ticks:
        x = plot.left + plot.width * tick / axis.top
        canvas.text((x, plot.bottom + 15), words.round_number(tick / axis.divisor), TICK)


def _notes(canvas: Sheet, at: tuple[float, float], metric: Metric, all_series: Sequence[Track]) -> None:
    """Write the percentages to quote; for several series only the share of each that met the plan."""
    x, y = at
    for index, (series, color) in enumerate(_colored(all_series, metric)):
        results = len(stats.values([series], metric))
        if not results:
            continue
        name, indent = "", 0
        if len(all_series) > 1:
            name, indent = f"{words.track_name(series, all_series)}: ", INDENT
            draw_stroke(canvas, (x, y), index, color)
        text = f"{name}{results:,} result{'' if results == 1 else 's'}"
        canvas.text((x + indent, y), text, Pen(style.SMALL_SIZE, color, bold=True), room=NOTES_WIDTH - 24 - indent)
        y += 18
        for line in _shares(series, metric)[: 1 if len(all_series) > 1 else len(OF_PLAN)]:
            canvas.text((x, y), line, NOTE, room=NOTES_WIDTH - 24)
            y += 16
        y += 6 * (index < len(all_series))


def _shares(series: Track, metric: Metric) -> list[str]:
    shares = 100 * stats.plan_shares([series], metric)
    if not len(shares):
        return ["the plan has no figure for this"]
    if not metric.is_rate:
        return [f"{words.percent(100 * float(np.mean(shares <= OF_PLAN[0])))} % reached {_level(OF_PLAN[0])}"]
    return [f"{words.percent(100 * float(np.mean(shares >= level)))} % reached {_level(level)}" for level in OF_PLAN]


def _level(level: int) -> str:
    return "the plan" if level == 100 else f"{level} % of the plan"  # noqa: PLR2004  all of it
