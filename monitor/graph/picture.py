"""The throughput graph: download, upload and latency over time, with every failure in view."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from monitor.graph import promise, stats, style
from monitor.graph.header import draw_tiles, draw_title, tiles_height
from monitor.graph.panel import Panel
from monitor.graph.rows import CHANGE, crowded, draw_changes, draw_rows, labelled_changes, mark_rows, place_labels
from monitor.graph.scale import scale as scale_of
from monitor.graph.stats import tally
from monitor.graph.timeline import draw_footer, draw_time_axis, frame_of
from monitor.graph.words import bucket_words, doubt_words, duration, server_words, source_words, window_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from monitor.graph.data import Metric, Window
    from monitor.graph.panel import Frame
    from monitor.graph.promise import Promise
    from monitor.graph.rows import Row
    from monitor.graph.sheet import Sheet
    from monitor.graph.terms import Terms
    from monitor.graph.track import Track


def draw_throughput(canvas: Sheet, all_series: Sequence[Track], window: Window, context: Terms) -> None:
    """Draw header, rows of marks, panels, time axis and footer."""
    frame, labelled = frame_of(canvas, all_series, window, context.zone)
    changes = labelled_changes(all_series)
    labels, unlabelled = place_labels(changes, frame, lambda words: canvas.width_of(words, CHANGE))
    rows = mark_rows(all_series)
    counts = tally(all_series)
    facts = (window_words(window, context.zone), source_words(counts, all_series), (server_words(counts),))
    tiles_top = draw_title(canvas, context.title, facts) + style.LINE
    labels_top = tiles_top + tiles_height(canvas) + style.ROW
    rows_top = labels_top + style.ROW * (max((label.row + 1 for label in labels), default=0))
    foot = draw_footer(canvas, (*reading(frame, all_series, rows), doubt_words(counts), _left_out(unlabelled)))
    panels_top = rows_top + style.ROWS_TITLE + style.ROW * len(rows)
    panels = panels_of(all_series, promises_of(all_series, window, context), panels_top, foot - style.LABELS)
    bottom = panels[-1].top + panels[-1].height
    draw_tiles(canvas, panels, all_series, counts, tiles_top)
    draw_changes(canvas, frame, changes, labels, (labels_top, bottom))
    draw_rows(canvas, frame, rows, rows_top)
    for panel in panels:
        panel.draw(canvas, frame, all_series)
    draw_time_axis(canvas, frame, labelled, bottom)


def promises_of(all_series: Sequence[Track], window: Window, context: Terms) -> dict[Metric, tuple[Promise, ...]]:
    """Return the plan lines of download, upload and latency."""
    return {metric: promise.promises(all_series, metric, context.plan, window.span[0]) for metric in style.PANEL_SHARES}


def panels_of(
    all_series: Sequence[Track], lines_by_metric: Mapping[Metric, tuple[Promise, ...]], top: float, bottom: float
) -> tuple[Panel, ...]:
    """Return the panels of download, upload and latency, one below the other."""
    room = bottom - top - style.PANEL_TITLE * len(style.PANEL_SHARES)
    panels = []
    for metric, share in style.PANEL_SHARES.items():
        top += style.PANEL_TITLE
        height = room * share / sum(style.PANEL_SHARES.values())
        axis = scale_of(metric, stats.values(all_series, metric), promise.highest(lines_by_metric[metric]))
        panels.append(Panel(metric, axis, top, height, lines_by_metric[metric]))
        top += height
    return tuple(panels)


def reading(frame: Frame, all_series: Sequence[Track], rows: Sequence[Row] = ()) -> tuple[str, ...]:
    """Return the notes on how to read lines, shading and marks."""
    min_span = frame.least_band(all_series)
    doubtful = any(run.doubtful for series in all_series for run, _ in series.runs.counts())
    return (
        bucket_words(frame.bucket),
        "Shaded: from a failed test to the next success" + (f", {_long(min_span)} and more." if min_span else "."),
        "Marks: the higher, the more tests at that time." if crowded(frame, rows) else "",
        "Blank: no test ran.",
        "◇ a doubtful result." if doubtful else "",
    )


def _long(seconds: float) -> str:
    return duration(timedelta(seconds=round(seconds)))


def _left_out(unlabelled: int) -> str:
    return f"Changes without room for a label: {unlabelled}." if unlabelled else ""
