"""The dashboard: speed over time, hours, distribution and outages on one canvas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.graph import stats, style, words
from monitor.graph.availability import Raster, draw_raster
from monitor.graph.box import Box
from monitor.graph.calendar import draw as draw_calendar
from monitor.graph.data import Metric
from monitor.graph.days import days, outages
from monitor.graph.distribution import draw_shares
from monitor.graph.header import draw_tiles, draw_title, tiles_height
from monitor.graph.heatmap import draw_hours
from monitor.graph.hours import hours
from monitor.graph.picture import panels_of, promises_of, reading
from monitor.graph.promise import levels
from monitor.graph.rows import CHANGE, draw_changes, draw_rows, labelled_changes, mark_rows, place_labels
from monitor.graph.timeline import draw_footer, draw_time_axis, frame_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.graph.data import Window
    from monitor.graph.sheet import Sheet
    from monitor.graph.terms import Terms
    from monitor.graph.track import Track

MOST_ROWS = 31
SHARE_OF_LINES, SHARE_OF_HOURS = 0.47, 0.22
READING = (
    "Hours: median download.",
    "Distribution: the percentage of tests at or below each speed.",
    "Days: shaded from the first failed test of an outage to the next good one.",
)


def draw_dashboard(canvas: Sheet, all_series: Sequence[Track], window: Window, context: Terms) -> None:
    """Draw the four parts from top to bottom."""
    counts = stats.tally(all_series)
    facts = (
        words.window_words(window, context.zone),
        words.source_words(counts, all_series),
        (words.server_words(counts),),
    )
    top = draw_title(canvas, context.title, facts) + style.LINE
    frame, _ = frame_of(canvas, all_series, window, context.zone)
    foot = draw_footer(canvas, (*reading(frame, all_series), *READING, words.doubt_words(counts)))
    room = foot - top
    below = _draw_lines(canvas, all_series, window, context, (top, top + room * SHARE_OF_LINES))
    middle = Box(style.EDGE, below + 8, canvas.width - 2 * style.EDGE, room * SHARE_OF_HOURS)
    _draw_middle(canvas, middle, all_series, window, context)
    outage_list = outages(all_series, window)
    local_days = days(all_series, outage_list, window, context.zone)
    bottom_box = Box(style.EDGE, middle.bottom + 14, middle.width, foot - middle.bottom - 14)
    if len(local_days) <= MOST_ROWS:
        draw_raster(canvas, bottom_box, Raster(all_series, local_days), outage_list, window)
    else:
        draw_calendar(canvas, bottom_box, local_days)


def _draw_middle(canvas: Sheet, middle: Box, all_series: Sequence[Track], window: Window, context: Terms) -> None:
    """Draw the hours on the left and the distribution on the right."""
    half = middle.width / 2 - 16
    local_days = hours(all_series, context.zone, Metric.DOWNLOAD)
    draw_hours(canvas, middle._replace(width=half), Metric.DOWNLOAD, local_days)
    right = middle._replace(left=middle.left + half + 70, width=half - 50)
    curves = [stats.values([series], Metric.DOWNLOAD) for series in all_series]
    draw_shares(
        canvas, right, Metric.DOWNLOAD, curves, levels(promises_of(all_series, window, context)[Metric.DOWNLOAD])
    )


def _draw_lines(
    canvas: Sheet, all_series: Sequence[Track], window: Window, context: Terms, span: tuple[float, float]
) -> float:
    """Draw tiles, marks and panels between two heights; return the y at which they end."""
    top, bottom = span
    frame, labelled = frame_of(canvas, all_series, window, context.zone)
    changes = labelled_changes(all_series)
    labels, _ = place_labels(changes, frame, lambda text: canvas.width_of(text, CHANGE))
    labels_top = top + tiles_height(canvas) + style.ROW
    rows, rows_top = (
        mark_rows(all_series),
        labels_top + style.ROW * (max((label.row + 1 for label in labels), default=0)),
    )
    panels_top = rows_top + style.ROWS_TITLE + style.ROW * len(rows)
    panels = panels_of(all_series, promises_of(all_series, window, context), panels_top, bottom - style.LABELS)
    draw_tiles(canvas, panels, all_series, stats.tally(all_series), top)
    draw_changes(canvas, frame, changes, labels, (labels_top, bottom - style.LABELS))
    draw_rows(canvas, frame, rows, rows_top)
    for panel in panels:
        panel.draw(canvas, frame, all_series)
    draw_time_axis(canvas, frame, labelled, bottom - style.LABELS)
    return bottom
