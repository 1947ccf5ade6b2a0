"""The dashboard: speed over time, hours, distribution and outages on one canvas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.analysis import statistics
from monitor.analysis.availability import find_outages, watch_series, watched_parts
from monitor.analysis.calendar import count_days, tabulate_hours
from monitor.analysis.metrics import Metric
from monitor.analysis.plan import promised_levels
from monitor.graph import labels, theme
from monitor.graph.annotations import make_annotations
from monitor.graph.availability import DayRows, draw_calendar, draw_day_rows
from monitor.graph.canvas import Box
from monitor.graph.distribution import draw_curves
from monitor.graph.header import HeaderFigures, draw_footer, draw_title
from monitor.graph.heatmap import draw_hour_grid
from monitor.graph.panel import make_frame, reading_notes
from monitor.graph.throughput import draw_tiles_and_panels, plan_lines_by_metric

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.analysis.plan import PlanLine
    from monitor.analysis.series import RunSeries
    from monitor.graph.canvas import Canvas
    from monitor.graph.render import GraphContext
    from monitor.localtime import Window


# With more days than this the days are a calendar.
MAX_ROWS = 31

# Of the height between title and footer.
PANELS_SHARE, MIDDLE_SHARE = 0.47, 0.22

NOTES = (
    "Hours: median download, the stronger the colour the further below the plan.",
    "Distribution: the percentage of tests at or below each speed.",
    "Days: shaded from the first failed test of an outage to the first that shows that the line works again.",
)


def draw_dashboard(canvas: Canvas, all_series: Sequence[RunSeries], window: Window, context: GraphContext) -> None:
    """Draw the four parts from top to bottom."""
    counts, sources = statistics.count_series(all_series)
    facts = (*labels.describe_data(all_series, sources, window, context.zone), (labels.describe_servers(sources),))
    top = draw_title(canvas, context.title, facts) + theme.LINE_HEIGHT
    frame = make_frame(canvas, all_series, window, context.zone)
    annotations = make_annotations(canvas, frame, all_series)
    foot = draw_footer(canvas, (*reading_notes(frame, all_series), *NOTES, labels.describe_doubts(counts)))
    plan_lines = plan_lines_by_metric(all_series, window, context)
    panels_end = top + (foot - top) * PANELS_SHARE
    figures = HeaderFigures(counts, context.met_pct)
    draw_tiles_and_panels(canvas, annotations, all_series, figures, plan_lines, (top, panels_end))
    middle = Box(
        canvas.margin,
        panels_end + 8,
        canvas.width - 2 * canvas.margin,
        (foot - top) * MIDDLE_SHARE,
    )
    _draw_middle(canvas, middle, all_series, plan_lines[Metric.DOWNLOAD], context)
    box = Box(canvas.margin, middle.bottom + 14, middle.width, foot - middle.bottom - 14)
    _draw_days(canvas, box, all_series, window, context)


def _draw_middle(
    canvas: Canvas, box: Box, all_series: Sequence[RunSeries], plan_lines: Sequence[PlanLine], context: GraphContext
) -> None:
    """Draw the hours on the left and the distribution on the right; on a phone below."""
    if canvas.is_phone:
        first = box._replace(height=box.height / 2 - 8)
        second = Box(box.left + 42, first.bottom + 16, box.width - 60, first.height)
    else:
        first = box._replace(width=box.width / 2 - 16)
        second = box._replace(left=first.right + 70, width=first.width - 50)
    table = tabulate_hours(all_series, context.zone, Metric.DOWNLOAD)
    draw_hour_grid(canvas, first, Metric.DOWNLOAD, table, context.met_pct)
    curves = [statistics.measured_values([series], Metric.DOWNLOAD) for series in all_series]
    draw_curves(canvas, second, Metric.DOWNLOAD, curves, promised_levels(plan_lines))


def _draw_days(
    canvas: Canvas, box: Box, all_series: Sequence[RunSeries], window: Window, context: GraphContext
) -> None:
    outage_list = find_outages(all_series, window)
    parts = watched_parts(outage_list, watch_series(all_series))
    local_days = count_days(all_series, parts, window, context.zone)
    if len(local_days) <= MAX_ROWS:
        draw_day_rows(canvas, box, DayRows(all_series, local_days), outage_list, window)
    else:
        draw_calendar(canvas, box, local_days)
