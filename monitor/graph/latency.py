"""The latency graph: latency idle and under load, with a bufferbloat grade."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from monitor.analysis import statistics
from monitor.analysis.metrics import LOADED_METRICS, Metric
from monitor.analysis.plan import highest_promise, plan_lines
from monitor.analysis.statistics import compute_spread
from monitor.graph import labels, theme
from monitor.graph.annotations import make_annotations
from monitor.graph.axes import make_value_axis
from monitor.graph.header import HeaderTile, draw_footer, draw_title
from monitor.graph.panel import MAX_LINES, Panel, draw_legend, draw_panels, make_frame, reading_notes, stack_panels
from monitor.graph.readings import add_readings
from monitor.graph.theme import TextStyle
from monitor.output import units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.analysis.plan import PlanLine
    from monitor.analysis.series import RunSeries
    from monitor.graph.canvas import Canvas
    from monitor.graph.panel import Frame
    from monitor.graph.render import GraphContext
    from monitor.localtime import Window


METRICS = (Metric.LATENCY, *LOADED_METRICS)
PANEL_SHARES = dict(zip(METRICS, (0.8, 1.1, 1.1), strict=True))

# The tiles have one line below their number.
TILES_HEIGHT = 72
# From the left edge of the first panel to its legend.
LEGEND_INDENT, PHONE_LEGEND_INDENT = 170, 100

LIMIT_STYLE = TextStyle(theme.SMALL_SIZE - 1, theme.MUTED)
# Limits closer together than this would overlap.
LIMIT_PIXELS = 13

NOT_MEASURED = "not measured"
GRADE_NOTE = (
    "Grade: median of the latency that load adds, mean of download and upload:"
    " A+ < 5 ms, A < 30, B < 60, C < 200, D < 400 (DSLReports)."
)


def draw_latency(canvas: Canvas, all_series: Sequence[RunSeries], window: Window, context: GraphContext) -> None:
    """Draw three panels over one time axis; those under load share a scale."""
    counts, sources = statistics.count_series(all_series)
    facts = (*labels.describe_data(all_series, sources, window, context.zone), (labels.describe_servers(sources),))
    top = draw_title(canvas, f"{context.title}: latency, idle and under load", facts) + theme.LINE_HEIGHT
    frame = make_frame(canvas, all_series, window, context.zone)
    annotations = make_annotations(canvas, frame, all_series)
    notes = reading_notes(frame, all_series, crowded_marks=annotations.crowded)
    foot = draw_footer(canvas, (*notes, labels.describe_doubts(counts), GRADE_NOTE))
    labels_top = top + TILES_HEIGHT * (2 if canvas.is_phone else 1) + theme.MARK_ROW_HEIGHT
    span = labels_top + annotations.height, foot - theme.AXIS_LABELS_HEIGHT
    panels = _make_panels(all_series, plan_lines(all_series, Metric.LATENCY, context.plan, window.span[0]), span)
    _draw_tiles(canvas, all_series, top)
    annotations.draw(canvas, labels_top, panels[-1].bottom)
    draw_panels(canvas, frame, panels, all_series)
    add_readings(canvas, frame, panels, all_series)
    if idle := compute_spread(statistics.measured_values(all_series, Metric.LATENCY)):
        for panel in panels[1:]:
            _draw_grade_limits(canvas, frame, panel, idle.median)
    if len(all_series) > 1:
        names = [labels.series_name(series, all_series) for series in all_series[:MAX_LINES]]
        draw_legend(
            canvas,
            (frame.left + (PHONE_LEGEND_INDENT if canvas.is_phone else LEGEND_INDENT), panels[0].top - 9),
            Metric.LATENCY,
            names,
        )


def _make_panels(
    all_series: Sequence[RunSeries], idle_plan_lines: tuple[PlanLine, ...], span: tuple[float, float]
) -> list[Panel]:
    idle, *loaded = (statistics.measured_values(all_series, metric) for metric in METRICS)
    idle_axis = make_value_axis(Metric.LATENCY, idle, highest_promise(idle_plan_lines))
    loaded_axis = make_value_axis(Metric.LATENCY, np.concatenate(loaded), None)
    places = stack_panels(PANEL_SHARES, *span)
    return [
        Panel(Metric.LATENCY, idle_axis, *places[Metric.LATENCY], idle_plan_lines),
        *(Panel(metric, loaded_axis, *places[metric]) for metric in LOADED_METRICS),
    ]


def _draw_grade_limits(canvas: Canvas, frame: Frame, panel: Panel, idle_ms: float) -> None:
    """Mark the limit of each grade, above the idle median."""
    right, last = frame.left + frame.width, panel.bottom + LIMIT_PIXELS
    for limit, letter in statistics.GRADE_LIMITS:
        y = panel.top + panel.height * (1 - (idle_ms + limit) / panel.axis.top)
        if panel.top <= y <= last - LIMIT_PIXELS:
            canvas.rules([((frame.left, y), (right, y))], theme.AXIS, ":")
            canvas.text((right + 6, y + 11), f"{letter} below", LIMIT_STYLE)
            last = y


def _draw_tiles(canvas: Canvas, all_series: Sequence[RunSeries], top: float) -> None:
    columns = 2 if canvas.is_phone else len(METRICS) + 1
    room = (canvas.width - 2 * canvas.margin) / columns
    places = [
        (canvas.margin + at % columns * room, top + at // columns * TILES_HEIGHT) for at in range(len(METRICS) + 1)
    ]
    for index, metric in enumerate(METRICS):
        tile = HeaderTile(canvas, *places[index], room - 16)
        tile.caption(f"{labels.METRIC_NAMES[metric]}, median", theme.METRIC_COLORS[metric])
        spread = compute_spread(statistics.measured_values(all_series, metric))
        median = units.format_number(spread.median) if spread else None
        tile.figure(median, "ms", theme.METRIC_COLORS[metric], NOT_MEASURED)
        if spread:
            tile.lines((f"5th percentile {units.format_number(spread.p5)}, 95th {units.format_number(spread.p95)}",))
    _fill_grade_tile(HeaderTile(canvas, *places[-1], room), all_series)


def _fill_grade_tile(tile: HeaderTile, all_series: Sequence[RunSeries]) -> None:
    tile.caption("Bufferbloat, grade", theme.INK)
    rises = np.concatenate([np.array([]), *(statistics.latency_rises(series.runs) for series in all_series)])
    if not len(rises):
        tile.figure(None, "", theme.INK, NOT_MEASURED)
        return
    rise = float(np.median(rises))
    tile.figure(statistics.grade_bufferbloat(rise), f"+{units.format_number(rise)} ms under load", theme.INK)
    tile.lines((f"{units.format_count(len(rises), 'test')} with latency under load",))
