"""The latency graph: latency idle and under load, with a bufferbloat grade."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from monitor.graph import bloat, stats, style, words
from monitor.graph.data import LOADED, Metric
from monitor.graph.header import Tile, draw_title
from monitor.graph.key import MOST_LINES, draw_key
from monitor.graph.panel import Panel
from monitor.graph.picture import reading
from monitor.graph.promise import highest, promises
from monitor.graph.rows import CHANGE, draw_changes, draw_rows, labelled_changes, mark_rows, place_labels
from monitor.graph.scale import scale
from monitor.graph.sheet import Pen
from monitor.graph.timeline import draw_footer, draw_time_axis, frame_of
from monitor.spread import spread_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.graph.data import Window
    from monitor.graph.panel import Frame
    from monitor.graph.sheet import Sheet
    from monitor.graph.terms import Terms
    from monitor.graph.track import Track

METRICS = (Metric.LATENCY, *LOADED)
SHARES = dict(zip(METRICS, (0.8, 1.1, 1.1), strict=True))
LIMIT = Pen(style.SMALL_SIZE - 1, style.QUIET)
# Limits closer together than this would overlap.
LIMIT_PIXELS = 13
# The tiles have one line below their number.
TILES = 72
SOURCE = "Grade: median rise, mean of download and upload: A+ < 5 ms, A < 30, B < 60, C < 200, D < 400 (DSLReports)."


def draw_latency(canvas: Sheet, all_series: Sequence[Track], window: Window, context: Terms) -> None:
    """Draw three panels over one time axis; those under load share a scale."""
    frame, labelled = frame_of(canvas, all_series, window, context.zone)
    counts = stats.tally(all_series)
    facts = (
        words.window_words(window, context.zone),
        words.source_words(counts, all_series),
        (words.server_words(counts),),
    )
    tiles_top = draw_title(canvas, f"{context.title}: latency, idle and under load", facts) + style.LINE
    idle = spread_of(stats.values(all_series, Metric.LATENCY))
    _draw_tiles(canvas, all_series, tiles_top)
    changes = labelled_changes(all_series)
    labels, _ = place_labels(changes, frame, lambda text: canvas.width_of(text, CHANGE))
    labels_top = tiles_top + TILES + style.ROW
    rows, rows_top = (
        mark_rows(all_series),
        labels_top + style.ROW * (max((label.row + 1 for label in labels), default=0)),
    )
    foot = draw_footer(canvas, (*reading(frame, all_series, rows), words.doubt_words(counts), SOURCE))
    panels = _panels(
        all_series, window, context, rows_top + style.ROWS_TITLE + style.ROW * len(rows), foot - style.LABELS
    )
    bottom = panels[-1].top + panels[-1].height
    draw_changes(canvas, frame, changes, labels, (labels_top, bottom))
    draw_rows(canvas, frame, rows, rows_top)
    for panel in panels:
        panel.draw(canvas, frame, all_series)
        if panel.metric in LOADED and idle and all_series:
            _limits(canvas, frame, panel, idle.median)
    if len(all_series) > 1:
        names = [words.track_name(series, all_series) for series in all_series[:MOST_LINES]]
        draw_key(canvas, (frame.left + 170, panels[0].top - 9), Metric.LATENCY, names)
    draw_time_axis(canvas, frame, labelled, bottom)


def _panels(
    all_series: Sequence[Track], window: Window, context: Terms, top: float, bottom: float
) -> tuple[Panel, ...]:
    loaded_axis = scale(Metric.LATENCY, np.concatenate([stats.values(all_series, metric) for metric in LOADED]), None)
    lines = promises(all_series, Metric.LATENCY, context.plan, window.span[0])
    idle_axis = scale(Metric.LATENCY, stats.values(all_series, Metric.LATENCY), highest(lines))
    room = bottom - top - style.PANEL_TITLE * len(METRICS)
    panels = []
    for metric, share in SHARES.items():
        top += style.PANEL_TITLE
        height = room * share / sum(SHARES.values())
        panels.append(
            Panel(metric, loaded_axis, top, height)
            if metric in LOADED
            else Panel(metric, idle_axis, top, height, lines)
        )
        top += height
    return tuple(panels)


def _limits(canvas: Sheet, frame: Frame, panel: Panel, idle_ms: float) -> None:
    """Mark the limit of each grade, above the idle median."""
    right, last = frame.left + frame.width, panel.top + panel.height + LIMIT_PIXELS
    for limit, letter in bloat.LIMITS:
        y = panel.top + panel.height * (1 - (idle_ms + limit) / panel.axis.top)
        if panel.top <= y <= last - LIMIT_PIXELS:
            canvas.rules([((frame.left, y), (right, y))], style.AXIS, ":")
            canvas.text((right + 6, y + 11), f"{letter} below", LIMIT)
            last = y


def _draw_tiles(canvas: Sheet, all_series: Sequence[Track], top: float) -> None:
    room = (canvas.width - 2 * style.EDGE) / 4
    for index, metric in enumerate(METRICS):
        tile = Tile(canvas, style.EDGE + index * room, top, room - 16)
        tile.caption(f"{words.NAMES[metric]}, median", style.METRICS[metric])
        spread = spread_of(stats.values(all_series, metric))
        tile.figure(words.number(spread.median) if spread else None, "ms", style.METRICS[metric], "not measured")
        if spread:
            tile.lines((f"5th percentile {words.number(spread.p5)}, 95th {words.number(spread.p95)}",))
    tile = Tile(canvas, style.EDGE + 3 * room, top, room)
    tile.caption("Bufferbloat, grade", style.INK)
    rises = np.concatenate([np.array([]), *(bloat.rises(series.runs) for series in all_series)])
    if not len(rises):
        tile.figure(None, "", style.INK, "not measured")
    else:
        rise = float(np.median(rises))
        tile.figure(bloat.grade(rise), f"+{words.number(rise)} ms under load", style.INK)
        tile.lines((f"{len(rises):,} tests with latency under load",))
