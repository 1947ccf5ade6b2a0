"""The latency graph: latency idle and under load, with a bufferbloat grade."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from monitor.analysis import statistics
from monitor.analysis.metrics import LOADED_METRICS, Metric
from monitor.analysis.plan import highest_promise, plan_lines
from monitor.analysis.statistics import compute_spread
from monitor.graph import labels, theme
from monitor.graph.annotations import (
    CHANGE,
    changes_to_label,
    draw_changes,
    draw_mark_rows,
    make_mark_rows,
    place_labels,
)
from monitor.graph.axes import make_value_axis
from monitor.graph.canvas import TextStyle
from monitor.graph.header import HeaderTile, draw_title
from monitor.graph.labels import describe_doubts, describe_servers, describe_sources, describe_window, series_name
from monitor.graph.panel import MAX_LINES, Panel, draw_footer, draw_legend, draw_time_axis, make_frame
from monitor.graph.throughput import reading_notes
from monitor.output import units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.analysis.series import RunSeries
    from monitor.graph.canvas import Canvas
    from monitor.graph.panel import Frame
    from monitor.graph.render import GraphContext
    from monitor.localtime import Window


METRICS = (Metric.LATENCY, *LOADED_METRICS)

SHARES = dict(zip(METRICS, (0.8, 1.1, 1.1), strict=True))

LIMIT = TextStyle(theme.SMALL_SIZE - 1, theme.MUTED)

# Limits closer together than this would overlap.
LIMIT_PIXELS = 13

# The tiles have one line below their number.
TILES_HEIGHT = 72

GRADE_NOTE = (
    "Grade: median rise, mean of download and upload: A+ < 5 ms, A < 30, B < 60, C < 200, D < 400 (DSLReports)."
)


def draw_latency(canvas: Canvas, all_series: Sequence[RunSeries], window: Window, context: GraphContext) -> None:
    """Draw three panels over one time axis; those under load share a scale."""
    frame, labelled = make_frame(canvas, all_series, window, context.zone)
    counts, sources = statistics.count_series(all_series)
    facts = (
        describe_window(window, context.zone),
        describe_sources(sources, all_series),
        (describe_servers(sources),),
    )
    tiles_top = draw_title(canvas, f"{context.title}: latency, idle and under load", facts) + theme.LINE_HEIGHT
    idle = compute_spread(statistics.measured_values(all_series, Metric.LATENCY))
    _draw_tiles(canvas, all_series, tiles_top)
    changes = changes_to_label(all_series)
    labels, _ = place_labels(changes, frame, lambda text: canvas.width_of(text, CHANGE))
    labels_top = tiles_top + TILES_HEIGHT + theme.MARK_ROW_HEIGHT
    rows, rows_top = (
        make_mark_rows(all_series),
        labels_top + theme.MARK_ROW_HEIGHT * (max((label.row + 1 for label in labels), default=0)),
    )
    foot = draw_footer(canvas, (*reading_notes(frame, all_series, rows), describe_doubts(counts), GRADE_NOTE))
    panels = _place_panels(
        all_series,
        window,
        context,
        rows_top + theme.MARK_ROWS_TITLE_HEIGHT + theme.MARK_ROW_HEIGHT * len(rows),
        foot - theme.AXIS_LABELS_HEIGHT,
    )
    bottom = panels[-1].top + panels[-1].height
    draw_changes(canvas, frame, changes, labels, (labels_top, bottom))
    draw_mark_rows(canvas, frame, rows, rows_top)
    for panel in panels:
        panel.draw(canvas, frame, all_series)
        if panel.metric in LOADED_METRICS and idle and all_series:
            _draw_grade_limits(canvas, frame, panel, idle.median)
    if len(all_series) > 1:
        names = [series_name(series, all_series) for series in all_series[:MAX_LINES]]
        draw_legend(canvas, (frame.left + 170, panels[0].top - 9), Metric.LATENCY, names)
    draw_time_axis(canvas, frame, labelled, bottom)


def _place_panels(
    all_series: Sequence[RunSeries], window: Window, context: GraphContext, top: float, bottom: float
) -> tuple[Panel, ...]:
    loaded_axis = make_value_axis(
        Metric.LATENCY,
        np.concatenate([statistics.measured_values(all_series, metric) for metric in LOADED_METRICS]),
        None,
    )
    lines = plan_lines(all_series, Metric.LATENCY, context.plan, window.span[0])
    idle_axis = make_value_axis(
        Metric.LATENCY, statistics.measured_values(all_series, Metric.LATENCY), highest_promise(lines)
    )
    room = bottom - top - theme.PANEL_TITLE_HEIGHT * len(METRICS)
    panels = []
    for metric, share in SHARES.items():
        top += theme.PANEL_TITLE_HEIGHT
        height = room * share / sum(SHARES.values())
        panels.append(
            Panel(metric, loaded_axis, top, height)
            if metric in LOADED_METRICS
            else Panel(metric, idle_axis, top, height, lines)
        )
        top += height
    return tuple(panels)


def _draw_grade_limits(canvas: Canvas, frame: Frame, panel: Panel, idle_ms: float) -> None:
    """Mark the limit of each grade, above the idle median."""
    right, last = frame.left + frame.width, panel.top + panel.height + LIMIT_PIXELS
    for limit, letter in statistics.GRADE_LIMITS:
        y = panel.top + panel.height * (1 - (idle_ms + limit) / panel.axis.top)
        if panel.top <= y <= last - LIMIT_PIXELS:
            canvas.rules([((frame.left, y), (right, y))], theme.AXIS, ":")
            canvas.text((right + 6, y + 11), f"{letter} below", LIMIT)
            last = y


def _draw_tiles(canvas: Canvas, all_series: Sequence[RunSeries], top: float) -> None:
    room = (canvas.width - 2 * theme.MARGIN) / 4
    for index, metric in enumerate(METRICS):
        tile = HeaderTile(canvas, theme.MARGIN + index * room, top, room - 16)
        tile.caption(f"{labels.METRIC_NAMES[metric]}, median", theme.METRIC_COLORS[metric])
        spread = compute_spread(statistics.measured_values(all_series, metric))
        tile.figure(
            units.format_number(spread.median) if spread else None, "ms", theme.METRIC_COLORS[metric], "not measured"
        )
        if spread:
            tile.lines((f"5th percentile {units.format_number(spread.p5)}, 95th {units.format_number(spread.p95)}",))
    tile = HeaderTile(canvas, theme.MARGIN + 3 * room, top, room)
    tile.caption("Bufferbloat, grade", theme.INK)
    rises = np.concatenate([np.array([]), *(statistics.latency_rises(series.runs) for series in all_series)])
    if not len(rises):
        tile.figure(None, "", theme.INK, "not measured")
    else:
        rise = float(np.median(rises))
        tile.figure(statistics.grade_bufferbloat(rise), f"+{units.format_number(rise)} ms under load", theme.INK)
        tile.lines((f"{len(rises):,} tests with latency under load",))
