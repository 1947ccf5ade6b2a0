"""The dashboard: speed over time, hours, distribution and outages on one canvas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.analysis import statistics
from monitor.analysis.availability import find_outages
from monitor.analysis.calendar import count_days, tabulate_hours
from monitor.analysis.metrics import Metric
from monitor.analysis.plan import promised_levels
from monitor.graph import labels, theme
from monitor.graph.annotations import (
    CHANGE,
    changes_to_label,
    draw_changes,
    draw_mark_rows,
    make_mark_rows,
    place_labels,
)
from monitor.graph.availability import DayRows, draw_calendar, draw_day_rows
from monitor.graph.canvas import Box
from monitor.graph.distribution import draw_curves
from monitor.graph.header import draw_tiles, draw_title, tiles_height
from monitor.graph.heatmap import draw_hour_grid
from monitor.graph.panel import draw_footer, draw_time_axis, make_frame
from monitor.graph.throughput import make_panels, plan_lines_by_metric, reading_notes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.analysis.series import RunSeries
    from monitor.graph.canvas import Canvas
    from monitor.graph.render import GraphContext
    from monitor.localtime import Window


MAX_ROWS = 31

SHARE_OF_LINES, SHARE_OF_HOURS = 0.47, 0.22

NOTES = (
    "Hours: median download.",
    "Distribution: the percentage of tests at or below each speed.",
    "Days: shaded from the first failed test of an outage to the next good one.",
)


def draw_dashboard(canvas: Canvas, all_series: Sequence[RunSeries], window: Window, context: GraphContext) -> None:
    """Draw the four parts from top to bottom."""
    counts, sources = statistics.count_series(all_series)
    facts = (
        labels.describe_window(window, context.zone),
        labels.describe_sources(sources, all_series),
        (labels.describe_servers(sources),),
    )
    top = draw_title(canvas, context.title, facts) + theme.LINE_HEIGHT
    frame, _ = make_frame(canvas, all_series, window, context.zone)
    foot = draw_footer(canvas, (*reading_notes(frame, all_series), *NOTES, labels.describe_doubts(counts)))
    room = foot - top
    below = _draw_lines(canvas, all_series, window, context, (top, top + room * SHARE_OF_LINES))
    middle = Box(theme.MARGIN, below + 8, canvas.width - 2 * theme.MARGIN, room * SHARE_OF_HOURS)
    _draw_middle(canvas, middle, all_series, window, context)
    outage_list = find_outages(all_series, window)
    local_days = count_days(all_series, outage_list, window, context.zone)
    bottom_box = Box(theme.MARGIN, middle.bottom + 14, middle.width, foot - middle.bottom - 14)
    if len(local_days) <= MAX_ROWS:
        draw_day_rows(canvas, bottom_box, DayRows(all_series, local_days), outage_list, window)
    else:
        draw_calendar(canvas, bottom_box, local_days)


def _draw_middle(
    canvas: Canvas, middle: Box, all_series: Sequence[RunSeries], window: Window, context: GraphContext
) -> None:
    """Draw the hours on the left and the distribution on the right."""
    half = middle.width / 2 - 16
    local_days = tabulate_hours(all_series, context.zone, Metric.DOWNLOAD)
    draw_hour_grid(canvas, middle._replace(width=half), Metric.DOWNLOAD, local_days)
    right = middle._replace(left=middle.left + half + 70, width=half - 50)
    curves = [statistics.measured_values([series], Metric.DOWNLOAD) for series in all_series]
    draw_curves(
        canvas,
        right,
        Metric.DOWNLOAD,
        curves,
        promised_levels(plan_lines_by_metric(all_series, window, context)[Metric.DOWNLOAD]),
    )


def _draw_lines(
    canvas: Canvas, all_series: Sequence[RunSeries], window: Window, context: GraphContext, span: tuple[float, float]
) -> float:
    """Draw tiles, marks and panels between two heights; return the y at which they end."""
    top, bottom = span
    frame, labelled = make_frame(canvas, all_series, window, context.zone)
    changes = changes_to_label(all_series)
    labels, _ = place_labels(changes, frame, lambda text: canvas.width_of(text, CHANGE))
    labels_top = top + tiles_height(canvas) + theme.MARK_ROW_HEIGHT
    rows, rows_top = (
        make_mark_rows(all_series),
        labels_top + theme.MARK_ROW_HEIGHT * (max((label.row + 1 for label in labels), default=0)),
    )
    panels_top = rows_top + theme.MARK_ROWS_TITLE_HEIGHT + theme.MARK_ROW_HEIGHT * len(rows)
    panels = make_panels(
        all_series, plan_lines_by_metric(all_series, window, context), panels_top, bottom - theme.AXIS_LABELS_HEIGHT
    )
    counts, _ = statistics.count_series(all_series)
    draw_tiles(canvas, panels, all_series, counts, top)
    draw_changes(canvas, frame, changes, labels, (labels_top, bottom - theme.AXIS_LABELS_HEIGHT))
    draw_mark_rows(canvas, frame, rows, rows_top)
    for panel in panels:
        panel.draw(canvas, frame, all_series)
    draw_time_axis(canvas, frame, labelled, bottom - theme.AXIS_LABELS_HEIGHT)
    return bottom
