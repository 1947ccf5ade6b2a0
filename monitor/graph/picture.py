"""Draw stored runs over time: download, upload and latency over a true time axis, every failure in view.

`render` is pure apart from the fonts it reads: the same runs, window and zone give the same bytes. Callers that draw
many pictures in one process call `gc.collect()` after each: a figure is a cycle and about 5 MB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.graph import style
from monitor.graph.data import Window, tracks
from monitor.graph.header import draw_tiles, draw_title, tiles_height
from monitor.graph.paint import Look, paint
from monitor.graph.panel import Panel, axis_of
from monitor.graph.rows import CHANGE, draw_changes, draw_rows, labelled_changes, mark_rows, place_labels
from monitor.graph.stats import tally
from monitor.graph.terms import Terms
from monitor.graph.timeline import draw_footer, draw_time_axis, frame_of
from monitor.graph.words import bucket_words, doubt_words, server_words, source_words, window_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from monitor.graph.data import Metric, Track
    from monitor.graph.panel import Frame
    from monitor.graph.sheet import Sheet
    from monitor.model import Plan, Run

__all__ = ["Terms", "Window", "draw", "draw_kind", "render"]


def render(  # noqa: PLR0913  all but the first four have defaults, and the web page and the demo set them by name
    runs: Iterable[Run],
    window: Window,
    *,
    zone: ZoneInfo,
    plan: Plan,
    size: tuple[int, int] = style.SIZE,
    scale: float = 1.0,
    title: str = "Internet speed",
) -> bytes:
    """Return a PNG of `size` pixels, or of so many times `scale` for print, where text and lines grow along.

    Raises:
        ValueError: the size is smaller than `style.SMALLEST`.
    """
    terms = Terms(zone, plan, title)
    return paint(lambda sheet: draw(sheet, tracks(runs, window), window, terms), Look(size, scale), title)


def draw_kind(sheet: Sheet, runs: Sequence[Run], window: Window, terms: Terms) -> None:
    """Draw the runs as `monitor.graph.kinds` asks for it."""
    draw(sheet, tracks(runs, window), window, terms)


def draw(sheet: Sheet, found: Sequence[Track], window: Window, terms: Terms) -> None:
    """Draw everything: header, rows of marks, panels, time axis, footer."""
    frame, labelled = frame_of(sheet, found, window, terms.zone)
    changes = labelled_changes(found, terms.changes)
    labels, unlabelled = place_labels(changes, frame, lambda words: sheet.width_of(words, CHANGE))
    rows = mark_rows(found)
    counted = tally(found)
    facts = (window_words(window, terms.zone), source_words(counted, found), (server_words(counted),))
    tiles_top = draw_title(sheet, terms.title, facts) + style.LINE
    labels_top = tiles_top + tiles_height(sheet) + style.ROW
    rows_top = labels_top + style.ROW * (max((label.row + 1 for label in labels), default=0))
    foot = draw_footer(sheet, (*reading(frame, found), doubt_words(counted), _left_out(unlabelled), _judged(terms)))
    panels = panels_of(found, terms.sold, rows_top + style.ROWS_TITLE + style.ROW * len(rows), foot - style.LABELS)
    bottom = panels[-1].top + panels[-1].height
    draw_tiles(sheet, panels, found, counted, tiles_top)
    draw_changes(sheet, frame, changes, labels, (labels_top, bottom))
    draw_rows(sheet, frame, rows, rows_top)
    for panel in panels:
        panel.draw(sheet, frame, found)
    draw_time_axis(sheet, frame, labelled, bottom)


def panels_of(
    found: Sequence[Track], sold: Mapping[Metric, float | None], top: float, bottom: float
) -> tuple[Panel, ...]:
    """Return a panel for each metric of speed, one below the other."""
    room = bottom - top - style.PANEL_TITLE * len(style.PANEL_SHARES)
    panels = []
    for metric, share in style.PANEL_SHARES.items():
        top += style.PANEL_TITLE
        height = room * share / sum(style.PANEL_SHARES.values())
        panels.append(Panel(metric, axis_of(metric, found, sold[metric]), top, height, sold[metric]))
        top += height
    return tuple(panels)


def reading(frame: Frame, found: Sequence[Track]) -> tuple[str, ...]:
    """Return how lines, shades and marks over time are to be read."""
    doubtful = any(points for track in found for points in track.doubtful.values())
    return (
        bucket_words(frame.bucket),
        "Shaded: from a failed test to the next success.",
        "Blank: no test ran.",
        "◇ a doubtful result." if doubtful else "",
    )


def _judged(terms: Terms) -> str:
    return "The plan changed: every run is held against the newest." if terms.changes else ""


def _left_out(unlabelled: int) -> str:
    return f"Changes without room for a label: {unlabelled}." if unlabelled else ""
