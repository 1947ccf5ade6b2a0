"""Draw a poster: speed over time, the hours, the distribution and the outages on one sheet."""

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
    "Distribution: how many of a hundred tests were no higher.",
    "Days: shaded from the first failed test of an outage to the next good one.",
)


def draw_dashboard(sheet: Sheet, found: Sequence[Track], window: Window, terms: Terms) -> None:
    """Draw everything from the top to the bottom."""
    counted = stats.tally(found)
    facts = (words.window_words(window, terms.zone), words.source_words(counted, found), (words.server_words(counted),))
    top = draw_title(sheet, terms.title, facts) + style.LINE
    frame, _ = frame_of(sheet, found, window, terms.zone)
    foot = draw_footer(sheet, (*reading(frame, found), *READING, words.doubt_words(counted)))
    room = foot - top
    below = _draw_lines(sheet, found, window, terms, (top, top + room * SHARE_OF_LINES))
    middle = Box(style.EDGE, below + 8, sheet.width - 2 * style.EDGE, room * SHARE_OF_HOURS)
    _draw_middle(sheet, middle, found, window, terms)
    out = outages(found, window)
    seen = days(found, out, window, terms.zone)
    lowest = Box(style.EDGE, middle.bottom + 14, middle.width, foot - middle.bottom - 14)
    if len(seen) <= MOST_ROWS:
        draw_raster(sheet, lowest, seen, Raster(found, seen), out, window)
    else:
        draw_calendar(sheet, lowest, seen)


def _draw_middle(sheet: Sheet, middle: Box, found: Sequence[Track], window: Window, terms: Terms) -> None:
    """Draw the hours at the left and the distribution at the right."""
    half = middle.width / 2 - 16
    seen = hours(found, terms.zone, Metric.DOWNLOAD)
    draw_hours(sheet, middle._replace(width=half), Metric.DOWNLOAD, seen)
    right = middle._replace(left=middle.left + half + 70, width=half - 50)
    curves = [stats.values([track], Metric.DOWNLOAD) for track in found]
    draw_shares(sheet, right, Metric.DOWNLOAD, curves, levels(promises_of(found, window, terms)[Metric.DOWNLOAD]))


def _draw_lines(sheet: Sheet, found: Sequence[Track], window: Window, terms: Terms, span: tuple[float, float]) -> float:
    """Draw tiles, marks and panels between two heights; return where they end."""
    top, bottom = span
    frame, labelled = frame_of(sheet, found, window, terms.zone)
    changes = labelled_changes(found)
    labels, _ = place_labels(changes, frame, lambda text: sheet.width_of(text, CHANGE))
    labels_top = top + tiles_height(sheet) + style.ROW
    rows, rows_top = mark_rows(found), labels_top + style.ROW * (max((label.row + 1 for label in labels), default=0))
    panels_top = rows_top + style.ROWS_TITLE + style.ROW * len(rows)
    panels = panels_of(found, promises_of(found, window, terms), panels_top, bottom - style.LABELS)
    draw_tiles(sheet, panels, found, stats.tally(found), top)
    draw_changes(sheet, frame, changes, labels, (labels_top, bottom - style.LABELS))
    draw_rows(sheet, frame, rows, rows_top)
    for panel in panels:
        panel.draw(sheet, frame, found)
    draw_time_axis(sheet, frame, labelled, bottom - style.LABELS)
    return bottom
